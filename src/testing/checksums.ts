const POLYNOMIAL = 0x82f63b78 // Castagnoli, reflected

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1))
  return crc
})

/** CRC-32C: four bytes, the most significant first. */
export function crc32c(body: Uint8Array): Buffer {
  let crc = ~0
  for (const byte of body) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(~crc >>> 0)
  return bytes
}
