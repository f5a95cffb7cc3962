import { describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore, faultyStore, registerSuite, testObjectStore } from '../../src/testing/index.ts'

const KEY = 'heads/state/doc/~'
const ABSENT = { ifAbsent: true } as const
const body = (text: string) => Buffer.from(text)

// Wrapped, a driver keeps every promise that it makes bare.
for (const wrap of [countingStore, faultyStore]) {
  const buckets = new WeakMap<ObjectStore, MemoryBucket>()
  const open = (bucket: MemoryBucket) => {
    const store = wrap(memoryStore({ bucket, maxBytes: 16 * 1024 * 1024 }))
    buckets.set(store, bucket)
    return store
  }
  const suite = testObjectStore({
    name: `memory in a ${wrap.name}`,
    open: async () => open(new MemoryBucket()),
    openAgain: async (store) => open(buckets.get(store)!),
  })
  registerSuite(suite, { describe, it })
}

describe('a counting store', () => {
  it('counts requests, and how many of them waited for one another', async () => {
    const store = countingStore(memoryStore())
    const first = await store.count(async () => {
      await Promise.all([store.put(KEY, body('1'), ABSENT), store.get('heads/state/other/~')])
      await store.get(KEY)
    })
    expect(first).toMatchObject({ total: 3, sequential: 2 })
    expect(first.requests).toEqual([
      { call: 'put', key: KEY, outcome: 'stored', depth: 1 },
      { call: 'get', key: 'heads/state/other/~', outcome: 'absent', depth: 1 },
      { call: 'get', key: KEY, outcome: 'found', depth: 2 },
    ])
    const refused = await store.count(() => store.put(KEY, body('2'), ABSENT).catch(() => {}))
    expect(refused.requests).toEqual([{ call: 'put', key: KEY, outcome: 'failed', depth: 1 }])
  })
})

describe('a faulty store', () => {
  const open = () => {
    const bucket = new MemoryBucket()
    const store = faultyStore(memoryStore({ bucket }))
    const stored = () => Buffer.from(bucket.peek(KEY)?.bytes ?? []).toString()
    return { store, faults: store.faults, bucket, stored }
  }

  it('loses requests and answers', async () => {
    const { store, bucket, stored } = open()
    store.faults.add({ operation: 'PutObject' }, { do: 'drop-request' })
    store.faults.add({ method: 'put' }, { do: 'drop-answer' })
    await expect(store.put(KEY, body('1'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    expect(bucket.peek(KEY)).toBeUndefined()
    await expect(store.put(KEY, body('2'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    expect(stored()).toBe('2')
    await expect(store.put(KEY, body('3'), ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })

  it('executes late what its caller gave up, with the bytes that it was given', async () => {
    const { store, bucket, stored } = open()
    const hold = store.faults.hold({ key: '*/~' })
    const controller = new AbortController()
    const bytes = body('as given')
    const late = store.put(KEY, bytes, ABSENT, { signal: controller.signal })
    bytes.fill(0)
    await hold.arrived()
    controller.abort()
    await expect(late).rejects.toMatchObject({ code: 'Aborted' })
    expect(bucket.peek(KEY)).toBeUndefined()
    await hold.release()
    await store.settled()
    expect(stored()).toBe('as given')
  })

  it('never answers a stalled call, until its caller gives up or the store is closed', async () => {
    const { store, faults } = open()
    faults.add({}, { do: 'stall', when: 'after' })
    faults.add({}, { do: 'stall' })
    const controller = new AbortController()
    const given = store.put(KEY, body('1'), ABSENT, { signal: controller.signal })
    const kept = store.get(KEY)
    await store.settled()
    controller.abort()
    await expect(given).rejects.toMatchObject({ code: 'Aborted' })
    const closed = expect(kept).rejects.toMatchObject({ code: 'Unavailable' })
    await store.close()
    await closed
  })

  it('executes doubled calls twice', async () => {
    const { store, faults } = open()
    faults.add({}, { do: 'double', answer: 'second' })
    await expect(store.put(KEY, body('1'), ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })

  it.each([
    [400, 'InvalidArgument', 'InvalidInput'],
    [401, 'InvalidToken', 'Unauthenticated'],
    [403, 'AccessDenied', 'AccessDenied'],
    [404, 'NoSuchBucket', 'BucketMissing'],
    [404, 'NoSuchKey', 'NotFound'],
    [409, 'ConditionalRequestConflict', 'Unavailable'],
    [412, 'PreconditionFailed', 'PreconditionFailed'],
    [413, 'EntityTooLarge', 'TooLarge'],
    [429, 'TooManyRequests', 'Throttled'],
    [500, 'InternalError', 'Unavailable'],
    [501, 'NotImplemented', 'Unsupported'],
    [503, 'SlowDown', 'Throttled'],
    [507, 'InsufficientStorage', 'NoSpace'],
  ])('answers %i %s as a driver maps it: %s', async (status, serviceCode, code) => {
    const { store, faults } = open()
    faults.add({}, { do: 'status', status, code: serviceCode })
    await expect(store.get(KEY)).rejects.toMatchObject({ code, details: { status, serviceCode } })
    await expect(store.get(KEY)).resolves.toBeUndefined()
  })

  it('flips a bit, and reports a body that ended too early', async () => {
    const { store, faults } = open()
    await store.put(KEY, body('abc'), ABSENT)
    faults.add({}, { do: 'corrupt', at: 1 })
    faults.add({}, { do: 'truncate', bytes: 1 })
    expect(await store.get(KEY)).toMatchObject({ bytes: Uint8Array.of(97, 98 ^ 1, 99) })
    await expect(store.get(KEY)).rejects.toMatchObject({ code: 'Unavailable' })
    expect(await store.get(KEY)).toMatchObject({ bytes: Uint8Array.of(97, 98, 99) })
  })
})
