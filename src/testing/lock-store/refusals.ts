import assert from 'node:assert/strict'
import type { LockStore } from '../../locking/index.ts'
import {
  assertRecord,
  assertRejects,
  claim,
  id,
  type LockStoreCase,
  listAll,
  lockOf,
  OTHER_STORE,
  record,
} from './context.ts'

const SETTLE_MS = 5_000 // what a caller who gave up may have to wait at most
const key = lockOf('shop/prod')

/** Every kind of call that the port has. */
function calls(locks: LockStore): ((signal?: AbortSignal) => Promise<unknown>)[] {
  const { acquire } = locks
  return [
    (signal) => locks.read(key, { signal }),
    (signal) => locks.write(key, undefined, record(), { signal }),
    async (signal) => {
      for await (const each of locks.list(key.storeId, { signal })) return each
      return undefined
    },
    ...(acquire === undefined ? [] : [(signal?: AbortSignal) => acquire.call(locks, key, claim(1, 2), { signal })]),
  ]
}

/** Listings, calls that are given up, and places that are not there. */
export const refusalCases: readonly LockStoreCase[] = [
  {
    name: 'a listing yields every record of a store once, over all its pages',
    async run({ locks, many }) {
      assert.equal((await listAll(locks)).size, 0)
      const next = Array.from({ length: many }, (_, n) => n)
      const lane = async () => {
        for (let n = next.pop(); n !== undefined; n = next.pop())
          await locks.write(lockOf(`many/${n}`), undefined, record({ token: id(n + 1), reason: 'x'.repeat(1_000) }))
      }
      await Promise.all(Array.from({ length: 8 }, lane))
      const all = await listAll(locks)
      assert.equal(all.size, many)
      for (let n = 0; n < many; n += 1) assert.equal(all.get(lockOf(`many/${n}`).identity)?.token, id(n + 1))
    },
  },
  {
    name: 'a listing yields records of one store only',
    needs: ['manyStores'],
    async run({ locks }) {
      await locks.write(lockOf('shop/prod'), undefined, record())
      await locks.write(lockOf('shop/other', OTHER_STORE), undefined, record())
      assert.deepEqual([...(await listAll(locks)).keys()], ['state/shop/prod'])
      assert.deepEqual([...(await listAll(locks, OTHER_STORE)).keys()], ['state/shop/other'])
    },
  },
  {
    name: 'a call whose signal has fired sends nothing and is Aborted',
    async run({ locks }) {
      const other = lockOf('shop/other')
      const base = await locks.write(other, undefined, record())
      const signal = AbortSignal.abort(new Error('given up'))
      for (const call of calls(locks)) await assertRejects(call(signal), 'Aborted')
      await assertRejects(locks.write(other, base, record({ token: id(9) }), { signal }), 'Aborted')
      assert.equal(await locks.read(key), undefined)
      await assertRecord(locks, other, record())
    },
  },
  {
    name: 'a call that the service never answers is Aborted soon after its signal fires',
    needs: ['stall'],
    async run({ locks, stall }) {
      await locks.read(key)
      await stall()
      for (const call of calls(locks)) {
        const abort = new AbortController()
        const began = Date.now()
        const ended = assertRejects(call(abort.signal), 'Aborted')
        setTimeout(() => abort.abort(new Error('given up')), 50)
        await ended
        assert.ok(Date.now() - began < SETTLE_MS, 'the call did not settle after its abort')
      }
    },
  },
  {
    name: 'a missing table or bucket is BucketMissing to every call, and never an unlocked document',
    needs: ['missingPlace'],
    async run({ openMissingPlace }) {
      const locks = await openMissingPlace()
      for (const call of calls(locks)) await assertRejects(call(), 'BucketMissing')
    },
  },
  {
    name: 'a place where the caller may do nothing is AccessDenied to every call',
    needs: ['denied'],
    async run({ openDenied }) {
      const locks = await openDenied()
      for (const call of calls(locks)) {
        const error = await assertRejects(call(), 'AccessDenied')
        assert.ok(error.hint === undefined || error.hint.length > 0)
      }
    },
  },
]
