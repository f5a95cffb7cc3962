import { resolve } from 'node:path'
import { checkOptions, type OptionRules, optional, textThat, valueThat, wholeNumber } from '../core/driver-options.ts'
import { KeelstateError } from '../core/errors.ts'

export interface FileStoreOptions {
  /** The store's folder; a relative path counts from the working directory at the time of the call. It has to exist: see `FileStore.prepare`. */
  root: string
  /** Largest body in bytes; default 256 MiB. */
  maxBytes?: number | undefined
  /** How old, in ms, what a killed writer left has to be before `delete` removes it; default one hour. Nothing but tidiness rests on it. */
  leftoverAgeMs?: number | undefined
}

export type ParsedFileStoreOptions = Required<{ [K in keyof FileStoreOptions]: NonNullable<FileStoreOptions[K]> }>

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024
const DEFAULT_LEFTOVER_AGE_MS = 60 * 60 * 1_000 // longer than any upload

const RULES: OptionRules<FileStoreOptions> = {
  root: textThat((path) => path !== '' && !path.includes('\0'), 'has to be a path, without NUL'),
  maxBytes: optional(wholeNumber()),
  leftoverAgeMs: optional(
    valueThat(
      (value) => typeof value === 'number' && value >= 0 && Number.isFinite(value),
      'has to be a number of ms from 0',
    ),
  ),
}

/** @throws {KeelstateError} `InvalidOptions` that names the option; `Unsupported` on Windows. */
export function parseFileStoreOptions(options: FileStoreOptions): ParsedFileStoreOptions {
  checkOptions('fileStore', options, RULES)
  if (process.platform === 'win32') {
    throw new KeelstateError('Unsupported', {
      operation: 'fileStore',
      message: `A store in a folder (${options.root}) is not supported on Windows: nobody has tested its atomic steps there.`,
      hint: 'Use a store in a bucket, or run under WSL with the folder inside the Linux file system.',
    })
  }
  return {
    root: resolve(options.root),
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    leftoverAgeMs: options.leftoverAgeMs ?? DEFAULT_LEFTOVER_AGE_MS,
  }
}
