import { type FileHandle, open } from 'node:fs/promises'
import { KeelstateError } from '../core/errors.ts'

/** Where a key's bytes lie: a variable of the environment or a file. */
export type KeySource =
  | { readonly from: 'env'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }

/** The environment's variables, as `process.env` has them. */
export type Variables = Readonly<Record<string, string | undefined>>

const KEY_BYTES = 32
const MAX_FILE_BYTES = 4_096 // a key file has some 45 bytes; whatever is larger is no key file
const OTHERS = 0o077 // permission bits of group and others

/**
 * Reads a static key: base64 of 32 bytes, or a file of exactly 32 bytes that are no text.
 *
 * @throws {KeelstateError} `InvalidOptions` that says what is wrong with variable or file, and never what is in it.
 */
export async function readStaticKey(source: KeySource, address: string, variables: Variables): Promise<Uint8Array> {
  if (source.from === 'env') return decodeKey(readVariable(source.name, address, variables), address)
  const bytes = await readKeyFile(source.path, address)
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
  if (bytes.length === KEY_BYTES && !isText) return bytes
  return decodeKey(bytes.toString('latin1'), address)
}

/** @throws {KeelstateError} `InvalidOptions` when the variable is not set or empty. */
export function readVariable(name: string, address: string, variables: Variables): string {
  const value = variables[name]
  if (value === undefined || value === '') {
    throw invalidKey(
      address,
      `the environment variable ${name} is ${value === '' ? 'empty' : 'not set'}`,
      `Set ${name}, or configure another key.`,
    )
  }
  return value
}

function decodeKey(text: string, address: string): Uint8Array {
  const trimmed = text.trim()
  const bytes = Buffer.from(trimmed, 'base64')
  const canonical = bytes.toString('base64')
  const hint = 'Make a key with: openssl rand -base64 32'
  if (trimmed !== canonical && trimmed !== canonical.replace(/=+$/, ''))
    throw invalidKey(address, 'it is not base64', hint)
  if (bytes.length !== KEY_BYTES)
    throw invalidKey(address, `it holds ${bytes.length} bytes instead of ${KEY_BYTES}`, hint)
  return bytes
}

async function readKeyFile(path: string, address: string): Promise<Buffer> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const { mode } = await file.stat()
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(3, '0')
      throw invalidKey(address, `others than its owner may use the file (mode ${shown})`, `chmod 600 ${path}`)
    }
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null)
      length += bytesRead
      if (bytesRead === 0 || length === buffer.length) break
    }
    if (length > MAX_FILE_BYTES) throw invalidKey(address, `the file is larger than ${MAX_FILE_BYTES} bytes`)
    return buffer.subarray(0, length)
  } catch (error) {
    throw KeelstateError.is(error) ? error : fileError(error as NodeJS.ErrnoException, address)
  } finally {
    await file?.close()
  }
}

function fileError(error: NodeJS.ErrnoException, address: string): KeelstateError {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return invalidKey(address, 'the file does not exist')
  if (error.code === 'EISDIR') return invalidKey(address, 'it is a folder')
  if (error.code === 'EACCES' || error.code === 'EPERM') return invalidKey(address, 'this user may not read the file')
  return invalidKey(address, `reading the file failed (${error.code ?? error.name})`)
}

function invalidKey(address: string, why: string, hint?: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    key: address,
    message: `The key ${address} cannot be used: ${why}.`,
    details: { option: 'keys' },
    ...(hint === undefined ? {} : { hint }),
  })
}
