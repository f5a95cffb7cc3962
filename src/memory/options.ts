import { z } from 'zod'
import { KeelstateError } from '../core/errors.ts'
import { MemoryBucket } from './bucket.ts'

export interface MemoryStoreOptions {
  /** The bucket to work on, to share one between several handles. Default: a new and empty one. */
  bucket?: MemoryBucket | undefined
  /** Largest body in bytes; default 256 MiB. */
  maxBytes?: number | undefined
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024

const schema = z.strictObject({
  bucket: z.instanceof(MemoryBucket).optional(),
  maxBytes: z.int().positive().default(DEFAULT_MAX_BYTES),
})

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseMemoryStoreOptions(options: MemoryStoreOptions): { bucket: MemoryBucket; maxBytes: number } {
  const parsed = schema.safeParse(options)
  if (parsed.success) return { bucket: parsed.data.bucket ?? new MemoryBucket(), maxBytes: parsed.data.maxBytes }
  throw new KeelstateError('InvalidOptions', {
    operation: 'memoryStore',
    message: `The options of memoryStore are not valid: ${z.prettifyError(parsed.error)}`,
    hint: 'It takes bucket and maxBytes.',
  })
}
