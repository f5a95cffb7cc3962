export type { S3ClientSlice } from './client.ts'
export { parseS3Address, type S3Credentials, type S3KeyPair, type S3StoreOptions } from './options.ts'
export { s3Store } from './store.ts'
