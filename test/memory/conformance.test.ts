import { describe, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'

const buckets = new WeakMap<ObjectStore, MemoryBucket>()

const suite = testObjectStore({
  name: 'memory',
  async open() {
    const bucket = new MemoryBucket()
    const store = memoryStore({ bucket, maxBytes: 16 * 1024 * 1024 })
    buckets.set(store, bucket)
    return store
  },
  openAgain: async (store) => memoryStore({ bucket: buckets.get(store), maxBytes: store.capabilities.maxBytes }),
})
registerSuite(suite, { describe, it })
