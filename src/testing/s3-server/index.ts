export type { HttpRequestRecord as S3RequestRecord } from '../http-fixture.ts'
export type { S3Credential, S3Denial, S3Permission } from './access.ts'
export type {
  BucketOptions,
  BucketSnapshot,
  NewObject,
  ObjectVersion,
  S3Bucket,
  ServerSideEncryption,
  Versioning,
} from './buckets.ts'
export type { S3Flaws } from './flaws.ts'
export type { ConditionsMode } from './operations.ts'
export { type S3Server, type S3ServerOptions, startS3Server } from './server.ts'
export type { BucketSetting, BucketSettings } from './settings.ts'
