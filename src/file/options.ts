import { resolve } from 'node:path'
import { z } from 'zod'
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

const schema = z.strictObject({
  root: z
    .string()
    .min(1, 'a path is needed')
    .refine((path) => !path.includes('\0'), 'a path holds no NUL'),
  maxBytes: z.int().positive().default(DEFAULT_MAX_BYTES),
  leftoverAgeMs: z.number().nonnegative().default(DEFAULT_LEFTOVER_AGE_MS),
})

/** @throws {KeelstateError} `InvalidOptions` that names the option; `Unsupported` on Windows. */
export function parseFileStoreOptions(options: FileStoreOptions): ParsedFileStoreOptions {
  const parsed = schema.safeParse(options)
  if (!parsed.success) {
    const option = parsed.error.issues[0]?.path.join('.')
    throw new KeelstateError('InvalidOptions', {
      operation: 'fileStore',
      message: `The options of fileStore are not valid: ${z.prettifyError(parsed.error)}`,
      hint: 'It takes root (a path), maxBytes and leftoverAgeMs.',
      details: option === undefined || option === '' ? {} : { option },
    })
  }
  if (process.platform === 'win32') {
    throw new KeelstateError('Unsupported', {
      operation: 'fileStore',
      message: `A store in a folder (${parsed.data.root}) is not supported on Windows: nobody has tested its atomic steps there.`,
      hint: 'Use a store in a bucket, or run under WSL with the folder inside the Linux file system.',
    })
  }
  return { ...parsed.data, root: resolve(parsed.data.root) }
}
