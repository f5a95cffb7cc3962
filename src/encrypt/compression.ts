import { promisify } from 'node:util'
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
} from 'node:zlib'
import { KeelstateError } from '../core/errors.ts'
import { corrupt } from '../core/header.ts'
import { SYNCHRONOUS_BYTES } from './pace.ts'

const LARGE_CHUNK = 1 << 20 // zlib's own 16 KiB makes large bodies up to 4 times slower: one trip to the thread pool per chunk
const SMALL_CHUNK = 1 << 14
const QUALITY = 1 // faster and smaller than gzip -1; above it, time grows faster than bytes shrink

/** Brotli when that makes it smaller, else the body itself. */
export async function compress(body: Uint8Array): Promise<{ compressed: boolean; payload: Uint8Array }> {
  if (body.length === 0) return { compressed: false, payload: body }
  const options: BrotliOptions = {
    chunkSize: Math.min(body.length + 64, LARGE_CHUNK),
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  }
  const payload =
    body.length <= SYNCHRONOUS_BYTES
      ? brotliCompressSync(body, options)
      : await promisify(brotliCompress)(body, options)
  return payload.length < body.length ? { compressed: true, payload } : { compressed: false, payload: body }
}

/**
 * Undoes `compress` on bytes that were verified before.
 *
 * @throws {KeelstateError} `TooLarge` when more than `maxBytes` would come out; `Corrupt` when it is no Brotli stream.
 */
export async function decompress(payload: Uint8Array, maxBytes: number, key: string): Promise<Uint8Array> {
  try {
    if (payload.length <= SYNCHRONOUS_BYTES) {
      const small = decompressSmall(payload, Math.min(maxBytes, SYNCHRONOUS_BYTES))
      if (small !== undefined) return withoutBufferMethods(small)
    }
    return withoutBufferMethods(
      await promisify(brotliDecompress)(payload, { maxOutputLength: maxBytes, chunkSize: LARGE_CHUNK }),
    )
  } catch (cause) {
    if (isTooLarge(cause)) throw tooLarge(key, maxBytes, cause)
    throw corrupt(key, 'was sealed with a compressed body that cannot be decompressed', 'compression', cause)
  }
}

/** The same bytes as a plain array: `slice` of a Buffer shares memory, which a caller of `open` would not expect. */
function withoutBufferMethods(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** In one go; `undefined` when that would make more than `maxBytes`. */
function decompressSmall(payload: Uint8Array, maxBytes: number): Buffer | undefined {
  const chunkSize = Math.min(Math.max(payload.length * 8, SMALL_CHUNK), LARGE_CHUNK)
  try {
    return brotliDecompressSync(payload, { maxOutputLength: maxBytes, chunkSize })
  } catch (error) {
    if (isTooLarge(error)) return undefined
    throw error
  }
}

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}

function tooLarge(key: string, maxBytes: number, cause: unknown): KeelstateError<'TooLarge'> {
  return new KeelstateError('TooLarge', {
    key,
    message: `${key} holds more than ${maxBytes} bytes once decompressed, the limit of this process.`,
    details: { maxBytes },
    cause,
  })
}
