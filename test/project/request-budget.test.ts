import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { bytes, type ObjectStore, openStore, type Store, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type CloudPlace, clouds } from '../clouds.ts'
import { type Cost, RoundTrips } from './round-trips.ts'
import { ROOT } from './source-files.ts'

/** 350 bytes of text with as much chance in it as base64 has. */
const small = (): Uint8Array => Buffer.from(randomBytes(262).toString('base64').slice(0, 350))
const large = (): Uint8Array => randomBytes(20_000)
const any = { parent: 'any' } as const

/** A store that says what was asked of it. */
interface Counted {
  readonly store: ObjectStore
  /** What `work` cost. */
  of(work: () => Promise<unknown>): Promise<Cost>
}

/** Where a store lies. */
interface Place {
  /** As another process has it. */
  open(): ObjectStore
  counted(): Counted
}

interface Bench {
  readonly place: Place
  readonly trips: Counted
  readonly store: Store
  readonly document: VersionedDocument<Uint8Array>
  /** The same store in another process. */
  readonly elsewhere: VersionedDocument<Uint8Array>
}

function inMemory(): Place {
  const bucket = new MemoryBucket()
  const open = () => memoryStore({ bucket })
  return { open, counted: () => new RoundTrips(open()) }
}

/** Counts what goes over the wire. How much of it follows one another is the mechanism's business, and counted in memory. */
function onCloud({ server, open }: CloudPlace): Place {
  return {
    open,
    counted: () => ({
      store: open(),
      async of(work) {
        server.takeRequests()
        await work()
        return { requests: server.takeRequests().length, inTurn: Number.NaN }
      },
    }),
  }
}

async function setUp(place: Place = inMemory()): Promise<Bench> {
  const other = await openStore({ store: place.open(), keys: 'plaintext', memory: false })
  const { storeId } = await other.init()
  const trips = place.counted()
  const store = await openStore({ store: trips.store, keys: 'plaintext', storeId, memory: false })
  const name = 'shop/settings'
  return { place, trips, store, document: store.document(name, bytes()), elsewhere: other.document(name, bytes()) }
}

/** Each row of the README, done and counted. */
const MEASURED: Readonly<Record<string, (bench: Bench) => Promise<Cost>>> = {
  'open a store': ({ trips }) => trips.of(() => openStore({ store: trips.store, keys: 'plaintext' })),
  'read, small': async ({ trips, document, elsewhere }) => {
    await elsewhere.commit(small(), any)
    return await trips.of(() => document.read())
  },
  'read, over 8 KiB': async ({ trips, document, elsewhere }) => {
    await elsewhere.commit(large(), any)
    return await trips.of(() => document.read())
  },
  'read, over 8 KiB, read before on this machine': async ({ place }) => {
    const cache = mkdtempSync(join(tmpdir(), 'keelstate-budget-'))
    const keys = new StaticKeyProvider({ key: randomBytes(32) })
    const process = (store: ObjectStore) => openStore({ store, keys, cache, storeId: '0'.repeat(32), memory: false })
    const first = await process(place.open())
    await first.document('shop/settings', bytes()).commit(large(), { parent: 'none' })
    await first.close()
    const trips = place.counted()
    const next = (await process(trips.store)).document('shop/settings', bytes())
    const cost = await trips.of(() => next.read())
    rmSync(cache, { recursive: true })
    return cost
  },
  'read, unchanged since (304, no body)': async ({ trips, document, elsewhere }) => {
    await elsewhere.commit(large(), any)
    await document.read()
    return await trips.of(() => document.read())
  },
  'commit, small, head known': async ({ trips, document }) => {
    const parent = await document.commit(small(), any)
    return await trips.of(() => document.commit(small(), { parent }))
  },
  'commit, over 8 KiB, head known': async ({ trips, document }) => {
    const parent = await document.commit(small(), any)
    return await trips.of(() => document.commit(large(), { parent }))
  },
  'commit that spills the tail, one in 16': async ({ trips, document }) => {
    for (let commits = 1; commits <= 20; commits++) {
      const cost = await trips.of(() => document.commit(small(), any))
      if (commits > 1 && cost.requests > 1) {
        expect(commits).toBeGreaterThan(16)
        return cost
      }
    }
    throw new Error('no commit spilled')
  },
  status: async ({ trips, document, elsewhere }) => {
    await elsewhere.commit(small(), any)
    return await trips.of(() => document.status())
  },
  'lock beside read, commit, release': async ({ trips, document }) => {
    await document.commit(small(), any)
    const deploy = () => document.withLock({ operation: 'deploy' }, (held) => held.commit(small()))
    await deploy() // the first lock of a document claims its head, which is more
    return await trips.of(deploy)
  },
  'list of 20 documents (1 per 1,000, and 1 each)': async ({ trips, store }) => {
    for (let n = 0; n < 20; n++) await store.document(`many/${n}`, bytes()).commit(small(), { parent: 'none' })
    const seen: string[] = []
    const cost = await trips.of(async () => {
      for await (const { name } of store.list()) seen.push(name)
    })
    expect(seen).toHaveLength(20)
    return cost
  },
}

const rows = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^\| ([^|]+) \| (\d+) \| (\d+) \|$/gm)].map(
  ([, operation, requests, inTurn]) => ({
    operation: operation!,
    cost: { requests: Number(requests), inTurn: Number(inTurn) },
  }),
)

describe('the request budget in README.md', () => {
  it('has a measurement for each row', () => {
    expect(rows.map(({ operation }) => operation)).toEqual(Object.keys(MEASURED))
  })

  it.each(rows)('says what is asked of the store: $operation', async ({ operation, cost }) => {
    expect(await MEASURED[operation]!(await setUp())).toEqual(cost)
  })

  describe.each(clouds)('on the wire to $name', ({ start }) => {
    it.each(rows)('is the same: $operation', async ({ operation, cost: { requests } }) => {
      await using place = await start()
      expect((await MEASURED[operation]!(await setUp(onCloud(place)))).requests).toBe(requests)
    })
  })

  it('grows by one read of the head for a process that has not seen it, and by one of the store id', async () => {
    const { trips, document, elsewhere } = await setUp()
    await elsewhere.commit(small(), any)
    expect(await trips.of(() => document.commit(small(), any))).toEqual({ requests: 2, inTurn: 2 })
    const unknowing = await openStore({ store: trips.store, keys: 'plaintext' })
    const again = unknowing.document('shop/settings', bytes())
    expect(await trips.of(() => again.read())).toEqual({ requests: 2, inTurn: 2 })
    expect(await trips.of(() => again.read())).toEqual({ requests: 1, inTurn: 1 })
  })

  it('is shared by callers that come together: 64 changes cost two writes', async () => {
    const { trips, document } = await setUp()
    await document.commit(small(), any)
    const together = () => Promise.all(Array.from({ length: 64 }, () => document.commit(new Uint8Array(20), any)))
    const cost = await trips.of(together)
    expect(cost.requests).toBeLessThanOrEqual(4) // 24 KiB of records to a write; a spill is one request more
  })
})
