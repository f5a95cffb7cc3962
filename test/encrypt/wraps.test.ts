import { describe, expect, it } from 'vitest'
import { decodeKeyTable, encodeKeyTable, MAX_RECIPIENTS } from '../../src/encrypt/wraps.ts'
import * as byHand from './by-hand.ts'
import { SeededBytes } from './fixtures.ts'

const ENTRY = { provider: 'static', keyId: '0123456789abcdef', wrapped: Buffer.alloc(72, 1) }

function differs(table: Uint8Array): string {
  try {
    decodeKeyTable(table, 'heads/…')
    return 'nothing'
  } catch (error) {
    const { code, details, message } = error as { code: string; details: { differs?: string }; message: string }
    return `${code} ${details.differs}: ${message}`
  }
}

describe('a key table', () => {
  it('comes back as it was written, from one recipient to sixteen, short fields and long', () => {
    const random = new SeededBytes('tables')
    for (let count = 1; count <= MAX_RECIPIENTS; count++) {
      const entries = Array.from({ length: count }, (_, n) => ({
        provider: ['static', 'passphrase', 'aws-kms', 'x'][n % 4]!,
        keyId: n === 0 ? 'k'.repeat(1_024) : `arn:aws:kms:eu-west-1:1:key/ü-${n}`,
        wrapped: random.randomBytes(n === 1 ? 4_096 : 1 + random.below(300)),
      }))
      const table = encodeKeyTable(entries)
      expect(decodeKeyTable(table, 'k').map((entry) => ({ ...entry, wrapped: Buffer.from(entry.wrapped) }))).toEqual(
        entries,
      )
      expect(Buffer.from(table)).toEqual(byHand.writeKeyTable(entries))
    }
  })

  it('with impossible counts or lengths is refused before they are used', () => {
    const good = Buffer.from(encodeKeyTable([ENTRY]))
    const set = (at: number, ...bytes: number[]) => {
      const table = Buffer.from(good)
      table.set(bytes, at)
      return table
    }
    expect(differs(Buffer.alloc(0))).toMatch(/^Corrupt keyTable: .*ends too early/)
    expect(differs(set(0, 2))).toMatch(/^Unsupported undefined: heads\/… has a key table of version 2/)
    expect(differs(set(1, 0))).toMatch(/^Corrupt keyTable: .*lists 0 recipients/)
    expect(differs(set(1, 17))).toMatch(/^Corrupt keyTable: .*lists 17 recipients/)
    expect(differs(set(1, 2))).toMatch(/^Corrupt keyTable: .*ends too early/)
    expect(differs(set(2, 0))).toMatch(/^Corrupt keyTable: .*impossible provider/)
    expect(differs(set(2, 200))).toMatch(/^Corrupt keyTable: .*ends too early/)
    expect(differs(set(3, 0x41))).toMatch(/^Corrupt keyTable: .*impossible provider/)
    expect(differs(set(9, 0, 0))).toMatch(/^Corrupt keyTable: .*a field of 0 bytes/)
    expect(differs(set(9, 4, 1))).toMatch(/^Corrupt keyTable: .*a field of 1025 bytes/)
    expect(differs(set(27, 0, 0))).toMatch(/^Corrupt keyTable: .*a field of 0 bytes/)
    expect(differs(set(27, 16, 1))).toMatch(/^Corrupt keyTable: .*a field of 4097 bytes/)
    expect(differs(Buffer.concat([good, Buffer.alloc(1)]))).toMatch(
      /^Corrupt keyTable: .*goes on after its last recipient/,
    )
    for (let length = 0; length < good.length; length++)
      expect(differs(good.subarray(0, length))).toMatch(/^Corrupt keyTable/)
  })

  it('that a reader would refuse is not written', () => {
    const write =
      (...entries: (typeof ENTRY)[]) =>
      () =>
        encodeKeyTable(entries)
    expect(write()).toThrow(/1 to 16 recipients, not 0/)
    expect(write(...Array.from({ length: 17 }, () => ENTRY))).toThrow(/1 to 16 recipients, not 17/)
    expect(write({ ...ENTRY, provider: 'Static' })).toThrow(/lower-case word/)
    expect(write({ ...ENTRY, keyId: '' })).toThrow(/key id has 1 to 1024 bytes, not 0/)
    expect(write({ ...ENTRY, keyId: 'k'.repeat(1_025) })).toThrow(/not 1025/)
    expect(write({ ...ENTRY, wrapped: Buffer.alloc(0) })).toThrow(/wrapped key has 1 to 4096 bytes, not 0/)
    expect(write({ ...ENTRY, wrapped: Buffer.alloc(4_097) })).toThrow(/not 4097/)
  })
})
