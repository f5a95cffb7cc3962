export { MemoryBucket, type MemoryObject } from './bucket.ts'
export type { MemoryStoreOptions } from './options.ts'
export { memoryStore } from './store.ts'
