import { randomBytes } from 'node:crypto'
import { lstat, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { KeelstateError } from '../core/errors.ts'
import type { Host } from './host.ts'
import { shown } from './text.ts'

const KEY_BYTES = 32 // what a static key is made of: AES-256
const PRIVATE = 0o600

/**
 * Reads a body to push: a file, or standard input for `-`.
 *
 * @throws {KeelstateError} `InvalidInput` when the file cannot be read.
 */
export async function readBody(file: string, host: Host): Promise<Uint8Array> {
  if (file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of addAbortSignal(host.signal, host.stdin)) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks)
  }
  try {
    return await readFile(resolve(host.cwd, file), { signal: host.signal })
  } catch (cause) {
    throw host.signal.aborted ? cause : fileError('read', file, cause)
  }
}

/**
 * Writes a file that only its owner may read, in one step: whoever opens it finds the old content or the new, never a part.
 *
 * @throws {KeelstateError} `InvalidInput` when it cannot be written there; `NoSpace` when the disk is full.
 */
export async function replaceFile(file: string, content: Uint8Array, cwd: string): Promise<void> {
  const target = await regularTarget(resolve(cwd, file), file)
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await create(temporary, content)
    await rename(temporary, target)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw fileError('write', file, cause)
  }
}

/**
 * Writes a new static key: 32 random bytes in base64, readable by its owner only.
 *
 * @throws {KeelstateError} `AlreadyExists` when the file is there; a key is never overwritten.
 */
export async function createKeyFile(file: string, cwd: string): Promise<void> {
  try {
    await create(resolve(cwd, file), `${randomBytes(KEY_BYTES).toString('base64')}\n`)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError('write', file, cause)
    throw new KeelstateError('AlreadyExists', {
      operation: 'init',
      key: file,
      message: `${shown(file)} exists already, and a key is never overwritten: what it sealed could not be opened again.`,
      hint: `To use that key, give --key file:${shown(file)} instead of --new-key.`,
    })
  }
}

/** Takes back a key that was made for something that then failed: nothing was sealed under it. */
export async function removeKeyFile(file: string, cwd: string): Promise<void> {
  await rm(resolve(cwd, file), { force: true })
}

/** The file behind a link. A device, pipe or folder must not be replaced by a file, which a rename would do. */
async function regularTarget(path: string, file: string): Promise<string> {
  let target: string
  try {
    target = await realpath(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw fileError('write', file, cause)
  }
  if ((await lstat(target)).isFile()) return target
  throw new KeelstateError('InvalidInput', {
    key: file,
    message: `${shown(file)} is not a regular file; it cannot be replaced.`,
    hint: 'Leave --output out and redirect standard output.',
  })
}

/** Creates a private file; its bytes have reached the disk when this resolves. */
async function create(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx', PRIVATE)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

function fileError(verb: 'read' | 'write', file: string, cause: unknown): KeelstateError {
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new KeelstateError('NoSpace', {
      key: file,
      message: `There is no room left to write ${shown(file)}.`,
      cause,
    })
  }
  const why: Record<string, string> = {
    ENOENT: verb === 'read' ? 'there is no such file' : 'its folder does not exist',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    EROFS: 'the file system is read-only',
  }
  return new KeelstateError('InvalidInput', {
    key: file,
    message: `Cannot ${verb} ${shown(file)}: ${why[code] ?? code}.`,
    details: { status: code },
    cause,
  })
}
