import { checkOptions, type OptionRules, optional, valueThat, wholeNumber } from '../core/driver-options.ts'
import { MemoryBucket } from './bucket.ts'

export interface MemoryStoreOptions {
  /** The bucket to work on, to share one between several handles. Default: a new and empty one. */
  bucket?: MemoryBucket | undefined
  /** Largest body in bytes; default 256 MiB. */
  maxBytes?: number | undefined
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024

const RULES: OptionRules<MemoryStoreOptions> = {
  bucket: optional(valueThat((value) => value instanceof MemoryBucket, 'has to be a MemoryBucket')),
  maxBytes: optional(wholeNumber()),
}

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseMemoryStoreOptions(options: MemoryStoreOptions): { bucket: MemoryBucket; maxBytes: number } {
  checkOptions('memoryStore', options, RULES)
  return { bucket: options.bucket ?? new MemoryBucket(), maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES }
}
