export type { GcsClientSlice } from './client.ts'
export { type GcsCredentials, type GcsServiceAccount, type GcsStoreOptions, parseGcsAddress } from './options.ts'
export { gcsStore } from './store.ts'
