import { describe, expect, it } from 'vitest'
import { json, type LockStatus, openStore, type Store, type UnreadableLock } from '../../src/index.ts'
import type { LockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/memory-lock-store.ts'

const open = (bucket: MemoryBucket, keys = 'plaintext') =>
  openStore({ store: memoryStore({ bucket }), keys, memory: false })

async function locksOf(store: Store): Promise<LockStatus[]> {
  const found: LockStatus[] = []
  for await (const lock of store.locks()) if ('held' in lock) found.push(lock)
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

describe('the locks of a store', () => {
  it('are listed by document, held or not, with who and what for', async () => {
    const store = await open(new MemoryBucket())
    const held = await store.document('a%2Fb/c', json<number>()).lock({ operation: 'deploy', reason: 'why' })
    await store.document('shop/prod', json<number>()).withLock({ operation: 'push' }, () => {})
    expect(await locksOf(store)).toMatchObject([
      { name: 'a%2Fb/c', kind: 'state', held: true, owner: held.owner, operation: 'deploy', reason: 'why' },
      { name: 'shop/prod', kind: 'state', held: false, operation: 'push' },
    ])
    await held.release()
  })
})

describe('a listing of locks', () => {
  it('begins again when the store is busy for a moment, and yields each lock once', async () => {
    const faulty = faultyStore(memoryStore())
    const store = await openStore({ store: faulty, keys: 'plaintext', memory: false })
    const names = Array.from({ length: 40 }, (_, n) => `shop/${n}`)
    for (const name of names) await store.document(name, json<number>()).withLock({ operation: 'push' }, () => {})
    const busy = { do: 'status', status: 503, code: 'SlowDown' } as const
    const page = faulty.faults.add({ method: 'list' }, busy)
    const record = faulty.faults.add({ method: 'get', key: /^locks/, nth: 30 }, busy)
    expect((await locksOf(store)).map(({ name }) => name)).toEqual([...names].sort())
    expect([page.fired, record.fired]).toEqual([1, 1])
    faulty.faults.add({ method: 'list' }, { do: 'status', status: 403, code: 'AccessDenied' })
    await expect(locksOf(store)).rejects.toMatchObject({ code: 'AccessDenied' })
  })
})

describe('a lock record that is damaged', () => {
  const damage = (bucket: MemoryBucket) =>
    bucket.overwrite('locks/state/shop/b/~', Buffer.from('{"format":"keelstate-lock/1","held":"no"}'))

  async function three(): Promise<{ bucket: MemoryBucket; store: Store }> {
    const bucket = new MemoryBucket()
    const store = await open(bucket)
    for (const name of ['shop/a', 'shop/b', 'shop/c'])
      await store.document(name, json<number>()).withLock({ operation: 'push' }, (held) => held.commit(1))
    damage(bucket)
    return { bucket, store }
  }

  it('is listed as such, and hides no other', async () => {
    const { bucket, store } = await three()
    bucket.overwrite('locks/state/shop/c/~', Buffer.from('{"format":"keelstate-lock/2"}'))
    const found: (LockStatus | UnreadableLock)[] = []
    for await (const lock of store.locks()) found.push(lock)
    expect(found.sort((a, b) => (a.name < b.name ? -1 : 1))).toMatchObject([
      { name: 'shop/a', kind: 'state', held: false },
      { name: 'shop/b', kind: 'state', problem: { code: 'Corrupt' } },
      { name: 'shop/c', kind: 'state', problem: { code: 'Unsupported' } },
    ])
  })

  it('is told by a reset, which marks all others', async () => {
    const { store } = await three()
    for (const dryRun of [true, false]) {
      const told = (await store.resetLocks({ dryRun })).sort((a, b) => (a.name < b.name ? -1 : 1))
      expect(told).toMatchObject([
        { name: 'shop/a', held: false },
        { problem: { code: 'Corrupt' } },
        { name: 'shop/c' },
      ])
    }
    expect(await store.resetLocks()).toMatchObject([{ name: 'shop/b', problem: { code: 'Corrupt' } }])
  })

  it('lets nobody take the lock, and is mended by deleting it: the next holder begins above all former ones', async () => {
    const { bucket, store } = await three()
    const document = store.document('shop/b', json<number>())
    const error = await document.lock({ operation: 'x' }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'Corrupt', hint: expect.stringContaining('delete it') })
    bucket.remove('locks/state/shop/b/~')
    await document.withLock({ operation: 'x' }, async (held) => {
      expect(held.fence >> 32n).toBe(1n)
      expect(held.current?.value).toBe(1)
    })
  })
})

describe('locks that were restored from a backup', () => {
  /** What stood under `locks/` at one time, as a backup of the lock table has it. */
  const backup = (bucket: MemoryBucket) =>
    bucket
      .keys()
      .filter((key) => key.startsWith('locks/'))
      .map((key) => [key, bucket.peek(key)!.bytes] as const)

  it('refuse, once they are reset, a holder that the backup does not know', async () => {
    const bucket = new MemoryBucket()
    const [left, right] = [await open(bucket), await open(bucket)]
    const [a, b] = [left.document('shop/prod', json<string>()), right.document('shop/prod', json<string>())]
    await a.withLock({ operation: 'x' }, (held) => held.commit('first'))
    const old = backup(bucket)
    const zombie = await a.lock({ operation: 'zombie' }) // after a clean predecessor, so it has not claimed the head
    for (const [key, bytes] of old) bucket.overwrite(key, bytes) // the restore
    expect((await right.resetLocks({ dryRun: true })).map(({ name }) => name)).toEqual(['shop/prod'])
    expect((await right.resetLocks()).map(({ name }) => name)).toEqual(['shop/prod'])
    expect(await right.resetLocks()).toEqual([])
    const next = await b.lock({ operation: 'next' })
    expect(next.fence).toBeGreaterThan(zombie.fence)
    expect(next.fence >> 32n).toBe(1n)
    await expect(zombie.commit('overwritten')).rejects.toMatchObject({ code: 'LeaseLost' })
    await next.commit('second')
    await next.release()
    expect((await a.read())?.value).toBe('second')
  })

  it('are not freed by a late copy of the release that the backup had not seen', async () => {
    const table = new MemoryLockTable()
    const locks = memoryLockStore(table)
    const writes: Parameters<LockStore['write']>[] = []
    const lock: LockStore = {
      ...locks,
      write(...args) {
        writes.push(args)
        return locks.write(...args)
      },
    }
    const store = await openStore({ store: memoryStore(), lock, keys: 'plaintext', memory: false })
    const document = store.document('shop/prod', json<number>())
    const held = await document.lock({ operation: 'x' })
    await held.commit(1)
    const [key] = writes.at(-1) ?? expect.fail('the lock was not written')
    const backup = table.peek(key)!
    await held.release()
    const release = writes.at(-1)!
    await document.withLock({ operation: 'y' }, () => {}) // commits nothing: no head knows its fence

    table.overwrite(key, backup)
    await locks.write(...release) // it fits what the backup has
    expect(table.peek(key)).toMatchObject({ held: false, clean: true })
    table.overwrite(key, backup)
    await store.resetLocks()
    await expect(locks.write(...release)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    expect(table.peek(key)).toMatchObject({ held: true, reset: true })
  })

  it('stay held by whoever is at work, and the one after begins the new era', async () => {
    const bucket = new MemoryBucket()
    const store = await open(bucket)
    const document = store.document('shop/prod', json<number>())
    const held = await document.lock({ operation: 'x', leaseMs: 60_000 })
    await store.resetLocks()
    await held.commit(1)
    await expect(
      (await open(bucket)).document('shop/prod', json<number>()).lock({ operation: 'y' }),
    ).rejects.toMatchObject({
      code: 'Locked',
    })
    await held.release()
    await document.withLock({ operation: 'z' }, async (next) => {
      expect(next.fence >> 32n).toBe(1n)
      await next.commit(2)
    })
    // From here on predecessors are clean again.
    await document.withLock({ operation: 'z' }, (next) => expect(next.fence >> 32n).toBe(1n))
  })
})
