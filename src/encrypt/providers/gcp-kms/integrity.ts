import { z } from 'zod'
import { crc32c } from '../../crc32c.ts'
import { MAX_WRAPPED_BYTES } from '../../wraps.ts'
import { type GcpKmsKey, keyOfVersion, mayBeKey } from './address.ts'
import type { GcpKmsAnswer } from './client.ts'

/** Bytes as a request carries them: base64, with the checksum that the service is to verify. */
export interface CheckedBytes {
  readonly text: string
  readonly crc32c: string
}

/** An answer that arrived changed, or one to a request that did. Holds nothing of either. */
export class BrokenAnswer extends Error {
  override readonly name: string = 'BrokenAnswer'
}

export function checkedBytes(bytes: Uint8Array): CheckedBytes {
  return { text: Buffer.from(bytes).toString('base64'), crc32c: String(crc32c(bytes)) }
}

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const checksum = z.union([z.string(), z.number()]).transform(String) // int64: a text in JSON
const verified = z.boolean().default(false) // members that are false may be left out

const ENCRYPTED = z.object({
  name: z.string(),
  ciphertext: bytes,
  ciphertextCrc32c: checksum,
  verifiedPlaintextCrc32c: verified,
  verifiedAdditionalAuthenticatedDataCrc32c: verified,
})
const DECRYPTED = z.object({ plaintext: bytes, plaintextCrc32c: checksum })

/**
 * Reads the answer to `encrypt`: the name of the key, as the service has it, and the wrapped key.
 *
 * https://cloud.google.com/kms/docs/data-integrity-guidelines
 *
 * @throws {BrokenAnswer} unless a version of `key` wrapped, the service verified both checksums that it was sent, and its own fits.
 */
export function readEncrypted(answer: GcpKmsAnswer, key: GcpKmsKey): { keyId: string; wrapped: Uint8Array } {
  const read = parsed(ENCRYPTED, answer)
  if (!read.verifiedPlaintextCrc32c) throw new BrokenAnswer('it did not verify the checksum of the data key')
  if (!read.verifiedAdditionalAuthenticatedDataCrc32c)
    throw new BrokenAnswer('it did not verify the checksum of the additional authenticated data')
  if (read.ciphertextCrc32c !== String(crc32c(read.ciphertext)))
    throw new BrokenAnswer('the wrapped key in its answer does not fit its checksum')
  const keyId = keyOfVersion(read.name)
  if (keyId === undefined || !mayBeKey(key, keyId)) throw new BrokenAnswer('its answer names another key')
  if (!isPossibleLength(read.ciphertext.length)) throw new BrokenAnswer('its wrapped key has an impossible length')
  return { keyId, wrapped: read.ciphertext }
}

/**
 * Reads the answer to `decrypt`. Whether the checksums of the request arrived is not part of it: that the ciphertext opened with the
 * additional authenticated data is the stronger proof.
 *
 * @throws {BrokenAnswer} unless the checksum fits.
 */
export function readDecrypted(answer: GcpKmsAnswer): Uint8Array {
  const { plaintext, plaintextCrc32c } = parsed(DECRYPTED, answer)
  if (plaintextCrc32c !== String(crc32c(plaintext)))
    throw new BrokenAnswer('the data key in its answer does not fit its checksum')
  return plaintext
}

/** Whether a key table takes a wrapped key of that length. */
export function isPossibleLength(bytes: number): boolean {
  return bytes > 0 && bytes <= MAX_WRAPPED_BYTES
}

function parsed<T>(schema: z.ZodType<T>, { text }: GcpKmsAnswer): T {
  const read = schema.safeParse(jsonOf(text))
  if (read.success) return read.data
  throw new BrokenAnswer('its answer cannot be read') // what zod says repeats parts of it
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
