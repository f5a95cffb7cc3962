import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { json, KeelstateError, openStore, type Store } from '../../src/index.ts'
import { type CloudPlace, startGcs } from '../clouds.ts'
import { createLockTable, REGION, startDynalite } from '../locking/dynamo.ts'

const operation = 'deploy'

let place: CloudPlace
const closing: (() => Promise<void>)[] = []

/** A process of its own, by the address alone. */
async function open(lock?: string): Promise<Store> {
  const store = await openStore({
    store: place.address,
    keys: 'plaintext',
    memory: false,
    ...(lock === undefined ? {} : { lock }),
  })
  closing.push(() => store.close())
  return store
}

beforeEach(async () => {
  place = await startGcs({ oneWriteASecond: true })
  await (await open()).init()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await place.close()
})

describe('a lease that is too short to be renewed with one write a second', () => {
  it('is refused before anything is sent; the error names the shortest', async () => {
    const document = (await open()).document('shop/prod', json<number>())
    await document.read()
    place.server.takeRequests()
    const error: unknown = await document.lock({ operation, leaseMs: 9_999 }).catch((reason: unknown) => reason)
    if (!KeelstateError.is(error, 'InvalidOptions')) throw error
    expect(error.details.option).toBe('leaseMs')
    expect(error.message).toContain('leaseMs must be 10000 or more. The lock lies in gs://acme-state/prod')
    expect(error.hint).toContain('dynamodb://')
    expect(place.server.requests).toEqual([])
    const held = await document.lock({ operation, leaseMs: 10_000 })
    await held.commit(1)
    await held.release()
  })
})

describe('locks in DynamoDB', () => {
  it('are there for documents in Google Cloud Storage, with leases as short as anywhere, and cost its bucket nothing', async () => {
    const dynalite = await startDynalite()
    closing.push(() => dynalite.close())
    process.env.AWS_ACCESS_KEY_ID = dynalite.credentials.accessKeyId
    process.env.AWS_SECRET_ACCESS_KEY = dynalite.credentials.secretAccessKey
    const lock = `dynamodb://${await createLockTable(dynalite)}?region=${REGION}&endpoint=${dynalite.endpoint}`
    const [first, second] = await Promise.all(
      [1, 2].map(async () => (await open(lock)).document('shop/prod', json<number>())),
    )
    const held = await first!.lock({ operation, leaseMs: 1_000 })
    await held.commit(1)
    await expect(second!.lock({ operation })).rejects.toMatchObject({
      code: 'Locked',
      details: { owner: held.owner },
    })
    const waiting = second!.withLock({ operation, waitMs: 10_000 }, async (next) => {
      expect(next.current?.value).toBe(1)
      await next.commit(2)
    })
    await held.release()
    await waiting
    expect((await first!.read())?.value).toBe(2)
    expect(place.keys().filter((key) => key.includes('/locks/'))).toEqual([])
    expect(place.keys().filter((key) => key.includes('/heads/'))).toHaveLength(1)
  })
})
