import type { DriverCall } from './driver-attempt.ts'
import { KeelstateError } from './errors.ts'

const FIRST_GUESS = 64 * 1024 // bytes, when the service does not say how many will come

/**
 * Collects a body into bytes of their own.
 *
 * @param length What the service said that it would send.
 * @param onChunk Called whenever something arrived.
 * @throws {KeelstateError} `TooLarge`; an error with the code `TRUNCATED` when another number of bytes arrived than was said.
 */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  length: number | undefined,
  maxBytes: number,
  call: DriverCall,
  onChunk: () => void,
): Promise<Uint8Array> {
  if (length !== undefined && length > maxBytes) throw tooLarge(call, length, maxBytes)
  let bytes = new Uint8Array(length ?? Math.min(FIRST_GUESS, maxBytes))
  let at = 0
  for await (const chunk of body) {
    onChunk()
    const end = at + chunk.length
    if (end > bytes.length) {
      if (length !== undefined) throw truncated(end, length)
      if (end > maxBytes) throw tooLarge(call, end, maxBytes)
      const larger = new Uint8Array(Math.min(Math.max(end, 2 * bytes.length), maxBytes))
      larger.set(bytes.subarray(0, at))
      bytes = larger
    }
    bytes.set(chunk, at)
    at = end
  }
  if (length !== undefined && at !== length) throw truncated(at, length)
  return at === bytes.length ? bytes : bytes.slice(0, at)
}

function truncated(arrived: number, length: number): Error {
  return Object.assign(new Error(`${arrived} bytes arrived of a body of ${length}.`), { code: 'TRUNCATED' })
}

function tooLarge(call: DriverCall, bytes: number, maxBytes: number): KeelstateError<'TooLarge'> {
  return new KeelstateError('TooLarge', {
    operation: call.operation,
    key: call.key,
    message: `${call.key} has ${bytes} bytes or more; this store takes ${maxBytes}.`,
    hint: 'The option maxBytes sets the limit.',
    details: { bytes, maxBytes },
  })
}
