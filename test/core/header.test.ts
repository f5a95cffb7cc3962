import { describe, expect, it } from 'vitest'
import { decodeHeader, encodeHeader, type Header, hex, nextSlots, SLOTS, slotOf } from '../../src/core/header.ts'
import { Random } from './random.ts'

const random = new Random(1)
const TREATMENT = { suite: 1, compressed: true, segmentLog2: 18 }

describe('the slots of a head', () => {
  it('keep the write ids of the last 64 seqs, and tell those from others', () => {
    const ids: Uint8Array[] = [new Uint8Array(0)]
    let head: { seq: number; slots: Uint8Array } | undefined
    for (let seq = 1; seq <= 300; seq++) {
      ids.push(random.bytes(16))
      head = { seq, slots: nextSlots(head, seq, ids[seq]!) }
      for (let past = -2; past <= seq + 2; past++) {
        const kept = past >= 1 && past <= seq && past > seq - SLOTS
        const slot = slotOf(head, past)
        expect(slot === undefined ? undefined : hex(slot)).toBe(kept ? hex(ids[past]!.subarray(0, 8)) : undefined)
      }
    }
  })

  it('of one head are not changed by making those of the next', () => {
    const first = nextSlots(undefined, 1, random.bytes(16))
    const copy = Uint8Array.from(first)
    nextSlots({ slots: first }, 2, random.bytes(16))
    expect(first).toEqual(copy)
  })
})

describe('a clear header', () => {
  it('is read as it was written, whatever its names and tables', () => {
    for (let round = 0; round < 500; round++) {
      const scope = { storeId: random.bytes(16), kind: 'state', path: 'x'.repeat(random.below(900)) }
      const header: Header =
        random.below(2) === 0
          ? {
              type: 'head',
              scope,
              birth: random.bytes(16),
              seq: random.below(2 ** 31) * 2 ** 22,
              writeId: random.bytes(16),
              epoch: random.pick([0n, 1n, 2n ** 64n - 1n]),
              keyId: random.bytes(16),
              hasCurrent: random.below(2) === 0,
              slots: random.bytes(512),
              keyTable: random.bytes(random.below(2_000)),
            }
          : { type: 'object', scope, role: 'segment', objectId: random.bytes(16), keyId: random.bytes(16) }
      const bytes = Buffer.concat([encodeHeader(header, TREATMENT), random.bytes(20)])
      const read = decodeHeader(bytes, 'k')
      expect(read.headerLength).toBe(bytes.length - 20)
      expect(read.treatment).toEqual(TREATMENT)
      expect(Buffer.from(encodeHeader(read.header, read.treatment))).toEqual(bytes.subarray(0, -20))
    }
  })

  it('that ends too early is Corrupt at every length', () => {
    const scope = { storeId: random.bytes(16), kind: 'state', path: 'doc' }
    const bytes = encodeHeader(
      { type: 'object', scope, role: 'content', objectId: random.bytes(16), keyId: random.bytes(16) },
      TREATMENT,
    )
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeHeader(bytes.subarray(0, length), 'k')).toThrow(expect.objectContaining({ code: 'Corrupt' }))
    }
  })
})
