import { cloudOf } from '../clouds.ts'
import { killsInABucketOf } from './buckets.ts'

await killsInABucketOf(cloudOf('s3'), import.meta.filename)
