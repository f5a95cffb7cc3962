import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/encrypt/crc32c.ts'

// RFC 3720, appendix B.4, with the bytes of each sum in the order of a number; the last is the check value of the catalogue of CRCs.
const KNOWN: [string, Uint8Array, number][] = [
  ['nothing', new Uint8Array(), 0],
  ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes that count up', Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
  ['32 bytes that count down', Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
  ['the digits from 1 to 9', Buffer.from('123456789'), 0xe3069283],
]

describe('CRC-32C', () => {
  it.each(KNOWN)('of %s is the known one', (_, bytes, sum) => {
    expect(crc32c(bytes)).toBe(sum)
  })
})
