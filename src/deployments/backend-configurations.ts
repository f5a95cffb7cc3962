import { z } from 'zod'

const common = {
  keys: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Recipients of new documents, such as env:STATE_KEY; plaintext for none'),
  lock: z.string().optional().describe('store, or dynamodb://table?region=…'),
  storeId: z.string().optional(),
}

const memory = z.strictObject({ keys: common.keys.default('plaintext') })

const file = z.strictObject({ path: z.string().min(1).describe('The folder'), ...common })

const s3 = z.strictObject({
  bucket: z.string().min(1),
  prefix: z.string().optional(),
  region: z.string().optional(),
  endpoint: z.string().optional().describe('For S3-compatible stores'),
  ...common,
})

const gcs = z.strictObject({
  bucket: z.string().min(1),
  prefix: z.string().optional(),
  endpoint: z.string().optional().describe('For emulators'),
  userProject: z.string().optional().describe('Project that pays for the requests'),
  kmsKeyName: z.string().optional().describe('Cloud KMS key with which the service encrypts'),
  ...common,
})

export interface MemoryConfiguration {
  keys: string | string[]
}

export interface FileConfiguration extends MemoryConfiguration {
  path: string
  lock?: string | undefined
  storeId?: string | undefined
}

interface BucketConfiguration extends Omit<FileConfiguration, 'path'> {
  bucket: string
  prefix?: string | undefined
  endpoint?: string | undefined
}

export interface S3Configuration extends BucketConfiguration {
  region?: string | undefined
}

export interface GcsConfiguration extends BucketConfiguration {
  userProject?: string | undefined
  kmsKeyName?: string | undefined
}

/** What the configurations of the backends that come with the library may hold. */
export const CONFIGURATIONS: Readonly<{
  memory: z.ZodType<MemoryConfiguration>
  file: z.ZodType<FileConfiguration>
  s3: z.ZodType<S3Configuration>
  gcs: z.ZodType<GcsConfiguration>
}> = { memory, file, s3, gcs }
