import { crc32c as crc32cNumber } from '../encrypt/crc32c.ts'

/** CRC-32C: four bytes, the most significant first. */
export function crc32c(body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32cNumber(body))
  return bytes
}
