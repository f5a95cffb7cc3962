const POLYNOMIAL = 0x82f63b78 // Castagnoli, reflected

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1))
  return crc
})

/** CRC-32C (RFC 3720, appendix B.4), which `node:zlib` does not have: a number from 0 to 2³² - 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  return ~crc >>> 0
}
