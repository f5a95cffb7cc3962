import { describe, expect, it } from 'vitest'
import { systemEnvironment } from '../../src/core/environment.ts'
import { ProcessMemory } from '../../src/core/memory.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import { Store } from '../../src/core/state-store.ts'
import { makeSealer } from '../../src/encrypt/index.ts'
import { json, type OpenStoreOptions, openStore } from '../../src/index.ts'
import { LeaseLocker, type LockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type CountingStore, countingStore, MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'

const operation = 'deploy'
const LARGE = 'x'.repeat(20_000)

/** One store, with processes on it; the requests of the first are counted. */
class Place {
  readonly bucket: MemoryBucket = new MemoryBucket()
  readonly locks: LockStore = memoryLockStore(new MemoryLockTable())

  async open(options: Partial<OpenStoreOptions> = {}): Promise<{ store: Store; requests: CountingStore }> {
    const requests = countingStore(memoryStore({ bucket: this.bucket }))
    const store = await openStore({ store: requests, lock: this.locks, keys: 'plaintext', by: 'tester', ...options })
    await store.init()
    return { store, requests }
  }

  /** A process whose memory of heads has room for one document. */
  forgetful(): { store: Store; requests: CountingStore } {
    const requests = countingStore(memoryStore({ bucket: this.bucket }))
    const store = new Store({
      store: requests,
      sealer: (salt) => makeSealer(['plaintext'], { salt, environment: systemEnvironment }),
      locker: new LeaseLocker(this.locks),
      environment: systemEnvironment,
      limits: DEFAULT_LIMITS,
      forms: async () => undefined,
      memory: async () => new ProcessMemory(1),
      initialise: true,
      by: 'tester',
      cacheBytes: 0,
    })
    return { store, requests }
  }
}

const text = json<string>()
const last = async (place: Place, storeId: string) => {
  for await (const found of place.locks.list(storeId)) if ('record' in found) return found.record
  throw new Error('there is no record')
}

describe('a document while its lock is held', () => {
  it('is handed over with the last head that was written, although thousands of documents were looked at since', async () => {
    const place = new Place()
    const { store, requests } = place.forgetful()
    const storeId = await store.id()
    const held = await store.document('shop/prod', text).lock({ operation })
    await held.commit('first')
    for (let n = 0; n < 1_100; n++) await store.document(`other/${n}`, text).read() // more than a store keeps heads of
    const { requests: made } = await requests.count(() => held.commit('second'))
    expect(made.map(({ call }) => call)).toEqual(['put']) // by the writer through which the lock was taken
    for (let n = 0; n < 3; n++) await store.document(`more/${n}`, text).commit('x', { parent: 'none' })
    await held.release()
    const { seq } = await store.document('shop/prod', text).status()
    expect(seq).toBe(3) // claim, first, second
    expect(await last(place, storeId)).toMatchObject({ held: false, clean: true, lastSeq: seq })
  })

  it('replaces nothing that it has not seen: rollback, setCurrent and delete are a Conflict as a commit is', async () => {
    const place = new Place()
    const [{ store: a }, { store: b }] = [await place.open(), await place.open()]
    const document = a.document('shop/prod', text)
    const first = await document.commit('first', { parent: 'none' })
    await document.commit('second', { parent: 'any' })
    const held = await document.lock({ operation })
    await b.document('shop/prod', text).commit('by somebody without a lock', { parent: 'any', by: 'bob' })
    for (const change of [
      () => held.commit('third'),
      () => held.rollback(first.id),
      () => held.setCurrent(first.id),
      () => held.delete(),
    ])
      await expect(change()).rejects.toMatchObject({ code: 'Conflict', details: { by: 'bob' } })
    expect((await document.read())?.value).toBe('by somebody without a lock')
    await held.rollback(first.id, { parent: 'any' }) // who says so means it
    expect(held.current?.value).toBe('first')
    await held.setCurrent('@2')
    expect(held.current?.value).toBe('second')
    await held.delete()
    expect(held.current).toBeUndefined()
    await held.release()
  })

  it('costs no request for a large content that nobody asked for, and says what it is all the same', async () => {
    const place = new Place()
    const { store: writer } = await place.open()
    const written = await writer.document('shop/prod', text).commit(LARGE, { parent: 'none' })
    await writer.document('shop/prod', text).withLock({ operation }, () => {}) // the first lock claims the head
    const { store, requests } = await place.open({ storeId: await writer.id() })
    const document = store.document('shop/prod', text)
    const whole = await requests.count(() => document.withLock({ operation }, (held) => held.commit(`${LARGE}1`)))
    expect(whole.requests.map(({ call, key }) => `${call} ${key.split('/')[0]}`)).toEqual([
      'get heads',
      'get objects',
      'put objects',
      'put heads',
    ])
    const { store: again, requests: fewer } = await place.open({ storeId: await writer.id() })
    const lean = await fewer.count(() =>
      again.document('shop/prod', text).withLock({ operation, content: false }, async (held) => {
        expect(held.currentInfo).toMatchObject({ number: 2, bytes: LARGE.length + 3, current: true })
        expect(() => held.current).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
        await held.commit(`${LARGE}2`)
        expect(held.current?.value).toBe(`${LARGE}2`)
        expect(held.currentInfo?.number).toBe(3)
      }),
    )
    expect(lean.requests.map(({ call, key }) => `${call} ${key.split('/')[0]}`)).toEqual([
      'get heads',
      'put objects',
      'put heads',
    ])
    expect(written.number).toBe(1)
  })

  it('is not worked on by a process that has no key, which leaves the lock as it is', async () => {
    const place = new Place()
    const { store } = await place.open()
    const held = await store.document('shop/prod', text).lock({ operation })
    const before = await last(place, await store.id())
    const keyless = await openStore({
      store: memoryStore({ bucket: place.bucket }),
      lock: place.locks,
      keys: 'env:KEELSTATE_TEST_UNSET',
    })
    await expect(keyless.document('shop/prod', text).lockedBy(held.owner)).rejects.toMatchObject({
      code: 'InvalidOptions',
    })
    expect(await last(place, await store.id())).toEqual(before)
    await held.release()
  })
})
