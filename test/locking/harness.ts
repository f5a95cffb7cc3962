import { lockKey } from '../../src/core/names.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type LockStore, objectLockStore } from '../../src/locking/index.ts'
import type { LockStoreHarness, ObjectStoreHarness } from '../../src/testing/index.ts'

/** Lock objects in whatever the harness of a driver opens. */
export function objectLocks(objects: ObjectStoreHarness): LockStoreHarness {
  const stores = new Map<LockStore, ObjectStore>()
  const locksIn = (store: ObjectStore): LockStore => {
    const locks = { ...objectLockStore(store), close: () => store.close() }
    stores.set(locks, store)
    return locks
  }
  const { openAgain, openMissingBucket, openDenied, stall, dispose } = objects
  return {
    name: `objects on ${objects.name}`,
    open: async () => locksIn(await objects.open()),
    ...(openAgain && { openAgain: async (locks) => locksIn(await openAgain.call(objects, stores.get(locks)!)) }),
    ...(openMissingBucket && { openMissingPlace: async () => locksIn(await openMissingBucket.call(objects)) }),
    ...(openDenied && { openDenied: async () => locksIn(await openDenied.call(objects)) }),
    ...(stall && { stall: (locks) => stall.call(objects, stores.get(locks)!) }),
    ...(dispose && { dispose: (locks) => dispose.call(objects, stores.get(locks)!) }),
    async damage(locks, { name }) {
      const store = stores.get(locks)!
      const found = await store.get(lockKey(name))
      if (typeof found !== 'object') throw new Error('there is no record to damage')
      await store.put(lockKey(name), Buffer.from('{"format":"keelstate-lock/1","held":"no"}\n'), {
        ifMatch: found.token,
      })
    },
  }
}
