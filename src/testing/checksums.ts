/** CRC-32C (Castagnoli), reflected polynomial 0x82F63B78; four bytes, the most significant first. */
export function crc32c(body: Uint8Array): Buffer {
  let crc = ~0
  for (const byte of body) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1))
  }
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(~crc >>> 0)
  return bytes
}
