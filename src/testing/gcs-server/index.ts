export type { HttpRequestRecord as GcsRequestRecord } from '../http-fixture.ts'
export type { GcsCredential, GcsDenial, GcsPermission } from './access.ts'
export type {
  GcsBinding,
  GcsBucket,
  GcsBucketOptions,
  GcsBucketSnapshot,
  GcsObjectMetadata,
  GcsObjectVersion,
} from './buckets.ts'
export type { GcsFlaws } from './flaws.ts'
export { type GcsServer, type GcsServerOptions, startGcsServer } from './server.ts'
