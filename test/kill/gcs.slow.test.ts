import { cloudOf } from '../clouds.ts'
import { killsInABucketOf } from './buckets.ts'

await killsInABucketOf(cloudOf('gs'), import.meta.filename)
