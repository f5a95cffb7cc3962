import { afterAll, beforeAll, describe, it } from 'vitest'
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
import { fileHarness } from '../file/harness.ts'
import { fixtureHarness } from '../s3/fixture-harness.ts'
import { dynamoHarness, startDynalite } from './dynamo.ts'
import { objectLocks } from './harness.ts'

const prove = process.env.KEELSTATE_PROVE !== undefined
const options = { rounds: prove ? 100 : 10 }

let dynalite: Awaited<ReturnType<typeof startDynalite>>
beforeAll(async () => {
  dynalite = await startDynalite()
})
afterAll(() => dynalite.close())

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
  testLockStore(objectLocks(fileHarness()), options),
  testLockStore(objectLocks(fixtureHarness('the S3 fixture')), options),
  testLockStore(
    {
      name: 'memory',
      manyStores: true,
      open: async () => openTable(new MemoryLockTable()),
      openAgain: async (locks) => openTable(tables.get(locks)!),
    },
    options,
  ),
  testLockStore(
    dynamoHarness('dynamodb on dynalite', () => dynalite),
    options,
  ),
]
for (const suite of suites) registerSuite(suite, { describe, it })
