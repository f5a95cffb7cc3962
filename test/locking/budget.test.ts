import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dynamoDbLockStore, type LockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import type { NetworkRequest } from '../../src/testing/index.ts'
import { countingClient, createLockTable, startDynalite } from './dynamo.ts'
import { objectsPlace, type Process, tablePlace, World } from './world.ts'

const operation = 'deploy'
const ROUND_TRIP_MS = 100 // what a message takes there and back; nothing else takes time

/** What a piece of work costs: requests to the lock's record, requests to the documents, and how many follow one another. */
interface Cost {
  readonly locks: number
  readonly documents: number
  readonly sequential: number
}

const isDocument = ({ key }: NetworkRequest) => /^(?:heads|objects|store)/.test(key)

async function costOf(world: World, work: () => Promise<unknown>): Promise<Cost> {
  const { requests, ms } = await world.network.cost(work)
  const documents = requests.filter(isDocument).length
  return { locks: requests.length - documents, documents, sequential: ms / ROUND_TRIP_MS }
}

async function opened(world: World): Promise<[Process, Process]> {
  const [a, b] = [await world.process(), await world.process()]
  await world.finish(a.document.withLock({ operation }, (held) => held.commit('first')))
  await world.finish(b.document.read())
  return [a, b]
}

/** design.md 3.4, row by row; `objects` says what lock objects cost where that differs. */
const ROWS: readonly {
  readonly row: string
  readonly dynamodb: Cost
  readonly objects?: Cost
  measure(world: World): Promise<Cost>
}[] = [
  {
    row: 'lock, free, beside the read of the document',
    dynamodb: { locks: 1, documents: 1, sequential: 1 },
    objects: { locks: 2, documents: 1, sequential: 2 },
    async measure(world) {
      const [, b] = await opened(world)
      return await costOf(world, () => b.document.lock({ operation }))
    },
  },
  {
    row: 'lock, held by another, holder shown',
    dynamodb: { locks: 1, documents: 1, sequential: 1 },
    async measure(world) {
      const [a, b] = await opened(world)
      await world.finish(a.document.lock({ operation }))
      return await costOf(world, () => b.document.lock({ operation }).catch(() => {}))
    },
  },
  {
    row: 'renew',
    dynamodb: { locks: 1, documents: 0, sequential: 1 },
    async measure(world) {
      const [a] = await opened(world)
      await world.finish(a.document.lock({ operation }))
      const cost = await costOf(world, () => world.time.world.sleep(10_000 + ROUND_TRIP_MS))
      return { ...cost, sequential: cost.locks }
    },
  },
  {
    row: 'release',
    dynamodb: { locks: 1, documents: 0, sequential: 1 },
    async measure(world) {
      const [a] = await opened(world)
      const held = await world.finish(a.document.lock({ operation }))
      return await costOf(world, () => held.release())
    },
  },
  {
    row: 'lock ∥ read → commit → release, after a clean predecessor',
    dynamodb: { locks: 2, documents: 2, sequential: 3 },
    objects: { locks: 3, documents: 2, sequential: 4 },
    async measure(world) {
      const [, b] = await opened(world)
      return await costOf(world, () => b.document.withLock({ operation }, (held) => held.commit('second')))
    },
  },
  {
    row: 'the same for the first lock of a document',
    dynamodb: { locks: 3, documents: 3, sequential: 5 },
    objects: { locks: 4, documents: 3, sequential: 6 },
    async measure(world) {
      const a = await world.process()
      return await costOf(world, () => a.document.withLock({ operation }, (held) => held.commit('first')))
    },
  },
  {
    row: 'the same after an unclean predecessor',
    dynamodb: { locks: 3, documents: 3, sequential: 5 },
    objects: { locks: 4, documents: 3, sequential: 6 },
    async measure(world) {
      const [a, b] = await opened(world)
      const held = await world.finish(a.document.lock({ operation }))
      await world.finish(b.document.forceUnlock(held.owner))
      return await costOf(world, () => b.document.withLock({ operation }, (next) => next.commit('second')))
    },
  },
  {
    row: 'the same after a predecessor who committed while the document was read',
    dynamodb: { locks: 2, documents: 3, sequential: 4 },
    objects: { locks: 3, documents: 3, sequential: 5 },
    async measure(world) {
      const [a, b] = await opened(world)
      const held = await world.finish(a.document.lock({ operation }))
      // B's read is executed before A's last commit, its acquisition after A's release.
      const taking = world.network.faults.hold({
        method: world.place.locks ? 'acquire' : 'get',
        key: world.place.locks ? /./ : /^locks/,
      })
      const before = world.network.requests.length
      const next = b.document.lock({ operation })
      await world.finish(taking.arrived())
      await world.time.advance(ROUND_TRIP_MS)
      await world.finish(held.commit('second'))
      await world.finish(held.release())
      const began = world.time.elapsed
      await world.finish(taking.releaseAll())
      const lock = await world.finish(next)
      await world.finish(lock.commit('third'))
      await world.finish(lock.release())
      const requests = world.network.requests.slice(before).filter(({ machine }) => machine === b.machine)
      const documents = requests.filter(isDocument).length
      // What was held went there before it was held: its way back is half a round trip.
      const sequential = Math.ceil((world.time.elapsed - began) / ROUND_TRIP_MS)
      return { locks: requests.length - documents, documents, sequential }
    },
  },
  {
    row: 'who holds it',
    dynamodb: { locks: 1, documents: 0, sequential: 1 },
    async measure(world) {
      const [, b] = await opened(world)
      return await costOf(world, () => b.document.holder())
    },
  },
  {
    row: 'status: the head beside the lock record',
    dynamodb: { locks: 1, documents: 1, sequential: 1 },
    async measure(world) {
      const [, b] = await opened(world)
      return await costOf(world, () => Promise.all([b.document.status(), b.document.holder()]))
    },
  },
  {
    row: 'lock ∥ read → commit → release of a body over 8 KiB, without the one that it replaces',
    dynamodb: { locks: 2, documents: 3, sequential: 4 },
    objects: { locks: 3, documents: 3, sequential: 5 },
    async measure(world) {
      const [a, b] = await opened(world)
      await world.finish(a.document.withLock({ operation }, (held) => held.commit('x'.repeat(20_000))))
      return await costOf(world, () =>
        b.document.withLock({ operation, content: false }, (held) => held.commit('y'.repeat(20_000))),
      )
    },
  },
  {
    row: 'force-unlock',
    dynamodb: { locks: 2, documents: 0, sequential: 2 },
    async measure(world) {
      const [a, b] = await opened(world)
      const held = await world.finish(a.document.lock({ operation }))
      return await costOf(world, () => b.document.forceUnlock(held.owner))
    },
  },
  {
    row: 'work under an owner id: prove → read → commit → leave',
    dynamodb: { locks: 3, documents: 2, sequential: 5 },
    async measure(world) {
      const [a, b] = await opened(world)
      const held = await world.finish(a.document.lock({ operation, leaseMs: 600_000, heartbeat: false }))
      held.leave()
      return await costOf(world, async () => {
        const borrowed = await b.document.lockedBy(held.owner)
        await borrowed.commit('second')
        await borrowed.release()
      })
    },
  },
]

describe('the request budget of locks', () => {
  it.each(ROWS)('holds with locks taken in one request: $row', async ({ dynamodb, measure }) => {
    expect(await measure(new World(tablePlace()))).toEqual(dynamodb)
  })

  it.each(ROWS)('holds with lock objects: $row', async ({ dynamodb, objects, measure }) => {
    expect(await measure(new World(objectsPlace()))).toEqual(objects ?? dynamodb)
  })
})

describe('on the wire, a call of the DynamoDB lock store is one request', () => {
  let dynalite: Awaited<ReturnType<typeof startDynalite>>
  beforeAll(async () => {
    dynalite = await startDynalite()
  })
  afterAll(() => dynalite.close())

  /** A lock store whose requests are counted where they leave the SDK. */
  async function counted(): Promise<{ locks: LockStore; sent: string[] }> {
    const { client, sent } = countingClient(dynalite)
    return { locks: dynamoDbLockStore({ table: await createLockTable(dynalite), client }), sent }
  }

  it('take, commit and release: one UpdateItem and one PutItem', async () => {
    const { locks, sent } = await counted()
    const world = new World({ objects: memoryStore(), locks })
    const [, b] = await opened(world)
    sent.length = 0
    await world.finish(b.document.withLock({ operation }, (held) => held.commit('second')))
    expect(sent).toEqual(['UpdateItemCommand', 'PutItemCommand'])
    expect(world.time.elapsed % ROUND_TRIP_MS).toBe(0)
  })

  it('held by another: one UpdateItem, and a consistent read where the service does not show the holder', async () => {
    const { locks, sent } = await counted()
    const world = new World({ objects: memoryStore(), locks })
    const [a, b] = await opened(world)
    await world.finish(a.document.lock({ operation }))
    sent.length = 0
    await expect(world.finish(b.document.lock({ operation }))).rejects.toMatchObject({ code: 'Locked' })
    expect(sent).toEqual(['UpdateItemCommand', 'GetItemCommand']) // dynalite never shows it; DynamoDB does
  })
})
