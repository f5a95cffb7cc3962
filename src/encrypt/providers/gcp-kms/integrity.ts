import { crc32c } from '../../crc32c.ts'
import { isWrappedLength } from '../../wraps.ts'
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

/**
 * Reads the answer to `encrypt`: the name of the key, as the service has it, and the wrapped key.
 *
 * https://cloud.google.com/kms/docs/data-integrity-guidelines
 *
 * @throws {BrokenAnswer} unless a version of `key` wrapped, the service verified both checksums that it was sent, and its own fits.
 */
export function readEncrypted(answer: GcpKmsAnswer, key: GcpKmsKey): { keyId: string; wrapped: Uint8Array } {
  const read = membersOf(answer)
  const wrapped = bytesOf(read.ciphertext)
  if (read.verifiedPlaintextCrc32c !== true) throw new BrokenAnswer('it did not verify the checksum of the data key')
  if (read.verifiedAdditionalAuthenticatedDataCrc32c !== true)
    throw new BrokenAnswer('it did not verify the checksum of the additional authenticated data')
  if (!fits(read.ciphertextCrc32c, wrapped)) throw new BrokenAnswer('its wrapped key does not fit its checksum')
  const keyId = typeof read.name === 'string' ? keyOfVersion(read.name) : undefined
  if (keyId === undefined || !mayBeKey(key, keyId)) throw new BrokenAnswer('its answer names another key')
  if (!isWrappedLength(wrapped.length)) throw new BrokenAnswer('its wrapped key has an impossible length')
  return { keyId, wrapped }
}

/**
 * Reads the answer to `decrypt`. Whether the checksums of the request arrived is not part of it: that the ciphertext opened with the
 * additional authenticated data is the stronger proof.
 *
 * @throws {BrokenAnswer} unless the checksum fits.
 */
export function readDecrypted(answer: GcpKmsAnswer): Uint8Array {
  const { plaintext, plaintextCrc32c } = membersOf(answer)
  const dataKey = bytesOf(plaintext)
  if (!fits(plaintextCrc32c, dataKey)) throw new BrokenAnswer('its data key does not fit its checksum')
  return dataKey
}

/** Checksums are int64, which is a text in JSON. */
function fits(checksum: unknown, bytes: Uint8Array): boolean {
  return (typeof checksum === 'string' || typeof checksum === 'number') && String(checksum) === String(crc32c(bytes))
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new BrokenAnswer('its answer cannot be read')
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') !== value) throw new BrokenAnswer('its answer cannot be read')
  return new Uint8Array(bytes)
}

function membersOf({ text }: GcpKmsAnswer): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    throw new BrokenAnswer('its answer cannot be read') // what the parser says repeats parts of it
  }
}
