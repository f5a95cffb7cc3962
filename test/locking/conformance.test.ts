import { describe, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import type { LockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import {
  MemoryLockTable,
  memoryLockStore,
  type ObjectStoreHarness,
  registerSuite,
  testLockStore,
} from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { objectLocks } from './harness.ts'

const options = { rounds: count(100, 10) }
reportCounts(import.meta.filename, { 'rounds of races': options.rounds })

const buckets = new WeakMap<ObjectStore, MemoryBucket>()
const openOn = (bucket: MemoryBucket) => {
  const store = memoryStore({ bucket })
  buckets.set(store, bucket)
  return store
}
const memory: ObjectStoreHarness = {
  name: 'memory',
  open: async () => openOn(new MemoryBucket()),
  openAgain: async (store) => openOn(buckets.get(store)!),
}

const tables = new WeakMap<LockStore, MemoryLockTable>()
const openTable = (table: MemoryLockTable) => {
  const locks = memoryLockStore(table)
  tables.set(locks, table)
  return locks
}

const suites = [
  testLockStore(objectLocks(memory), options),
  testLockStore(
    {
      name: 'memory',
      manyStores: true,
      open: async () => openTable(new MemoryLockTable()),
      openAgain: async (locks) => openTable(tables.get(locks)!),
    },
    options,
  ),
]
for (const suite of suites) registerSuite(suite, { describe, it })
