import { describe, expect, it } from 'vitest'
import { decodeHeader, encodeHeader, type Header, hex, type Role } from '../../src/core/header.ts'
import type { DocumentKeys, Sealer } from '../../src/core/sealer.ts'
import { count, reportCounts } from '../counts.ts'
import * as byHand from './by-hand.ts'
import {
  contentOf,
  headOf,
  KEY,
  readHead,
  readObject,
  refusal,
  SCOPE,
  SeededBytes,
  STORE_ID,
  sealerFor,
  verdict,
} from './fixtures.ts'

const BODY = Buffer.from('{"replicas":1}')

/** The regions of a head, in order, and what the reader says when one bit in them was flipped. A changed length moves what follows. */
const HEAD_REGIONS: readonly (readonly [name: string, length: number, says: RegExp])[] = [
  ['magic', 4, /^Corrupt magic$/],
  ['version', 1, /^Unsupported$/],
  ['suite', 1, /^(Unsupported|Corrupt suite)$/],
  ['flags', 1, /^Corrupt (commitment|role)$/],
  ['segment size', 1, /^Corrupt (commitment|segmentLog2)$/],
  ['store id', 16, /^Corrupt storeId$/],
  ['length of the kind', 2, /^Corrupt (kind|length|seq|role)$/],
  ['kind', 5, /^Corrupt kind$/],
  ['length of the name', 2, /^Corrupt (name|length|seq|role)$/],
  ['name', 9, /^Corrupt name$/],
  ['birth', 16, /^Corrupt commitment$/],
  ['seq', 8, /^Corrupt (commitment|seq)$/],
  ['write id', 16, /^Corrupt commitment$/],
  ['epoch', 8, /^Corrupt commitment$/],
  ['key id', 16, /^Corrupt keyId$/],
  ['slots', 512, /^Corrupt commitment$/],
  ['length of the key table', 2, /^Corrupt (keyTable|length)$/],
  ['version of the key table', 1, /^Unsupported$/],
  ['count of recipients', 1, /^Corrupt keyTable$/],
  ['recipient', 99, /^(Corrupt keyTable|DecryptFailed recipients)$/],
  ['message id', 32, /^Corrupt commitment$/],
  ['commitment', 32, /^Corrupt commitment$/],
  ['segment', BODY.length + 16, /^Corrupt segment 1$/],
]

const OBJECT_REGIONS: readonly (readonly [name: string, length: number, says: RegExp])[] = [
  ...HEAD_REGIONS.slice(0, 2),
  ['suite', 1, /^(Unsupported|Corrupt suite)$/],
  ['flags', 1, /^Corrupt (commitment|type|length|seq)$/],
  ...HEAD_REGIONS.slice(4, 10),
  ['role', 1, /^Corrupt role$/],
  ['object id', 16, /^Corrupt objectId$/],
  ['key id', 16, /^DecryptFailed keyId$/],
  ['first half of the message id', 16, /^Corrupt messageId$/],
  ['second half of the message id', 16, /^Corrupt commitment$/],
  ['commitment', 32, /^Corrupt commitment$/],
  ['segment', BODY.length + 16, /^Corrupt segment 1$/],
]

function flipped(bytes: Uint8Array, at: number, bit: number): Buffer {
  const out = Buffer.from(bytes)
  out[at]! ^= 1 << bit
  return out
}

/** A fresh process each time: nothing is remembered of an earlier read. */
function coldRead(bytes: Uint8Array, scope = SCOPE): Promise<Uint8Array> {
  return readHead(sealerFor(['env:STATE_KEY']), bytes, scope)
}

describe('every flipped bit', () => {
  it('of a head is an error that names what was changed', async () => {
    const keys = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes } = await keys.seal(headOf(SCOPE), BODY)
    expect(await coldRead(bytes)).toEqual(new Uint8Array(BODY))
    let at = 0
    for (const [name, length, says] of HEAD_REGIONS) {
      for (const end = at + length; at < end; at++) {
        for (let bit = 0; bit < 8; bit++) {
          if (name === 'slots' && bit !== at % 8) continue
          expect(await verdict(coldRead(flipped(bytes, at, bit))), `bit ${bit} of byte ${at}, ${name}`).toMatch(says)
        }
      }
    }
    expect(at).toBe(bytes.length)
  })

  it('of a head is found by a process that remembers the data key, too', async () => {
    const sealer = sealerFor(['env:STATE_KEY'])
    const keys = await sealer.create(SCOPE)
    const { bytes } = await keys.seal(headOf(SCOPE), BODY)
    const tableAt = bytes.length - 64 - BODY.length - 16 - keys.keyTable.length
    for (let at = tableAt; at < bytes.length; at++) {
      const says = await verdict(readHead(sealer, flipped(bytes, at, at % 8)))
      expect(says, `byte ${at}`).toBe(at < bytes.length - BODY.length - 16 ? 'Corrupt commitment' : 'Corrupt segment 1')
    }
  })

  it('of an object is an error that names what was changed', async () => {
    const keys = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes, objectId } = await keys.seal(contentOf(SCOPE), BODY)
    const read = (changed: Uint8Array) => readObject(keys, changed, { role: 'content', objectId })
    expect(await read(bytes)).toEqual(new Uint8Array(BODY))
    let at = 0
    for (const [name, length, says] of OBJECT_REGIONS) {
      for (const end = at + length; at < end; at++) {
        for (let bit = 0; bit < 8; bit++) {
          expect(await verdict(read(flipped(bytes, at, bit))), `bit ${bit} of byte ${at}, ${name}`).toMatch(says)
        }
      }
    }
    expect(at).toBe(bytes.length)
  })
})

describe('a message of several segments', () => {
  const random = new SeededBytes('segments')
  const dataKey = random.randomBytes(32)
  const body = random.randomBytes(3 * 4_096 + 100)
  const size = 4_096 + 16
  const sealed = sealByHand(dataKey, body)
  const start = sealed.length - body.length - 4 * 16
  const segment = (n: number) => sealed.subarray(start + n * size, start + (n + 1) * size)
  const withSegments = (...parts: Uint8Array[]) => Buffer.concat([sealed.subarray(0, start), ...parts])

  function sealByHand(key: Buffer, payload: Buffer, segmentLog2 = 12): Buffer {
    const scope = { storeId: STORE_ID, kind: SCOPE.kind, name: SCOPE.path }
    const wrap = byHand.wrapStatic(KEY, Buffer.alloc(24, 9), key, scope)
    const keyTable = byHand.writeKeyTable([wrap])
    const header: Header = { ...headOf(SCOPE), type: 'head', keyId: byHand.dataKeyId(key), keyTable } as Header
    const clear = Buffer.from(encodeHeader(header, { suite: 1, compressed: false, segmentLog2 }))
    return byHand.sealMessage(clear, key, byHand.makeMessageId(key, Buffer.alloc(32, 4), payload), payload)
  }

  it('opens as it is, whatever segment size its header gives', async () => {
    expect(Buffer.compare(await coldRead(sealed), body)).toBe(0)
    for (const log2 of [13, 20, 24]) {
      expect(Buffer.compare(await coldRead(sealByHand(dataKey, body, log2)), body)).toBe(0)
    }
  })

  it('is refused when its segment size is out of bounds, although everything else is right', async () => {
    for (const log2 of [0, 1, 11, 25, 31]) {
      const bytes = sealByHand(dataKey, body.subarray(0, 1), log2)
      expect(await verdict(coldRead(bytes))).toBe('Corrupt segmentLog2')
    }
  })

  it('is refused with segments swapped, repeated, dropped or cut', async () => {
    const cases: [string, Uint8Array, RegExp][] = [
      ['first two swapped', withSegments(segment(1), segment(0), segment(2), segment(3)), /^Corrupt segment 1$/],
      ['second and third swapped', withSegments(segment(0), segment(2), segment(1), segment(3)), /^Corrupt segment 2$/],
      [
        'second repeated',
        withSegments(segment(0), segment(1), segment(1), segment(2), segment(3)),
        /^Corrupt segment 3$/,
      ],
      ['second dropped', withSegments(segment(0), segment(2), segment(3)), /^Corrupt segment 2$/],
      ['first dropped', withSegments(segment(1), segment(2), segment(3)), /^Corrupt segment 1$/],
      ['last dropped', withSegments(segment(0), segment(1), segment(2)), /^Corrupt length$/],
      ['last two dropped', withSegments(segment(0), segment(1)), /^Corrupt length$/],
      ['all dropped', withSegments(), /^Corrupt length$/],
      [
        'last repeated',
        withSegments(segment(0), segment(1), segment(2), segment(3), segment(3)),
        /^Corrupt segment 4$/,
      ],
      ['cut inside the last', sealed.subarray(0, -1), /^Corrupt segment 4$/],
      ['cut inside the last tag', sealed.subarray(0, start + 3 * size + 8), /^Corrupt length$/],
      ['last emptied', sealed.subarray(0, start + 3 * size + 16), /^Corrupt length$/],
      ['a byte appended', Buffer.concat([sealed, Buffer.alloc(1)]), /^Corrupt segment 4$/],
    ]
    for (const [what, bytes, says] of cases) expect(await verdict(coldRead(bytes)), what).toMatch(says)
  })

  it('whose last segment is full is refused with anything behind it', async () => {
    const full = sealByHand(dataKey, body.subarray(0, 2 * 4_096))
    expect((await coldRead(full)).length).toBe(2 * 4_096)
    for (const extra of [1, 15, 16, 17, 4_096 + 16]) {
      const says = await verdict(coldRead(Buffer.concat([full, Buffer.alloc(extra, 1)])))
      expect(says, `${extra} bytes appended`).toBe('Corrupt length')
    }
  })

  it('says in words which segment failed, or that it was cut short', async () => {
    const third = await refusal(coldRead(flipped(sealed, start + 2 * size, 0)))
    expect(third.message).toBe('heads/… is damaged: its segment 3 of 4 was changed or is out of place.')
    const short = await refusal(coldRead(sealed.subarray(0, start + 2 * size)))
    expect(short.message).toBe('heads/… was cut short: it ends after segment 2, which is not its last.')
  })
})

describe('a genuine message in the wrong place', () => {
  const sealer = sealerFor(['env:STATE_KEY'])
  const elsewhere = { ...SCOPE, path: 'shop/test' }

  it('is refused by the field that differs: another store, kind, document, type, role or object', async () => {
    const keys = await sealer.create(SCOPE)
    const head = (await keys.seal(headOf(SCOPE), BODY)).bytes
    const one = await keys.seal(contentOf(SCOPE), BODY)
    const two = await keys.seal(contentOf(SCOPE), BODY)
    const asObject = (bytes: Uint8Array, objectId: Uint8Array, role: Role = 'content') =>
      readObject(keys, bytes, { role, objectId })
    expect(await verdict(coldRead(head, { ...SCOPE, storeId: Buffer.alloc(16, 1) }))).toBe('Corrupt storeId')
    expect(await verdict(coldRead(head, { ...SCOPE, kind: 'ledger' }))).toBe('Corrupt kind')
    expect(await verdict(coldRead(head, elsewhere))).toBe('Corrupt name')
    expect(await verdict(coldRead(one.bytes))).toBe('Corrupt type')
    expect(await verdict(asObject(head, one.objectId))).toBe('Corrupt type')
    expect(await verdict(asObject(one.bytes, one.objectId, 'segment'))).toBe('Corrupt role')
    expect(await verdict(asObject(one.bytes, two.objectId))).toBe('Corrupt objectId')
  })

  it('is refused by its seal when its header was rewritten to fit', async () => {
    const keys = await sealer.create(SCOPE)
    const { bytes, objectId } = await keys.seal({ type: 'object', scope: SCOPE, role: 'content' }, BODY)
    const { header, treatment, headerLength } = decodeHeader(bytes, 'k')
    const rewrite = (fields: Partial<Header>) =>
      Buffer.concat([encodeHeader({ ...header, ...fields } as Header, treatment), bytes.subarray(headerLength)])
    const inOther = rewrite({ scope: elsewhere })
    expect(await verdict(readObject(keys, inOther, { role: 'content', objectId }, elsewhere))).toBe(
      'Corrupt commitment',
    )
    const asSegment = rewrite({ role: 'segment' })
    expect(await verdict(readObject(keys, asSegment, { role: 'segment', objectId }))).toBe('Corrupt commitment')
    const otherId = Buffer.alloc(16, 3)
    const renamed = rewrite({ objectId: otherId })
    expect(await verdict(readObject(keys, renamed, { role: 'content', objectId: otherId }))).toBe('Corrupt messageId')
    const head = await keys.seal(headOf(SCOPE, { seq: 3 }), BODY)
    const parsed = decodeHeader(head.bytes, 'k')
    const later = Buffer.concat([
      encodeHeader({ ...parsed.header, seq: 4 } as Header, parsed.treatment),
      head.bytes.subarray(parsed.headerLength),
    ])
    expect(await verdict(coldRead(later))).toBe('Corrupt commitment')
  })

  it('is refused when its key table came from another document of the same key', async () => {
    const [here, there] = [await sealer.create(SCOPE), await sealer.create(elsewhere)]
    const parsed = decodeHeader((await here.seal(headOf(SCOPE), BODY)).bytes, 'k')
    const swap = (fields: Partial<Header>) =>
      Buffer.concat([
        encodeHeader({ ...parsed.header, ...fields } as Header, parsed.treatment),
        parsed.bytes.subarray(parsed.headerLength),
      ])
    const moved = await refusal(coldRead(swap({ keyTable: there.keyTable, keyId: there.keyId })))
    expect(moved).toMatchObject({ code: 'Corrupt', details: { differs: 'keyTable' } })
    expect(moved.message).toMatch(/key table that was changed or comes from another document/)
    expect(await verdict(coldRead(swap({ keyTable: there.keyTable })))).toBe('Corrupt keyTable')
    const again = await sealer.create(SCOPE)
    expect(await verdict(coldRead(swap({ keyTable: again.keyTable })))).toBe('Corrupt keyId')
    expect(await verdict(coldRead(swap({ keyTable: again.keyTable, keyId: again.keyId })))).toBe('Corrupt commitment')
  })
})

describe('random damage', () => {
  const CHANGES = count(10_000, 1_000)
  reportCounts(import.meta.filename, { 'changes of messages': CHANGES }, 'mutations 1')

  it('is always a typed error that names what differs, and never yields bytes', async () => {
    const random = new SeededBytes('mutations 1')
    const sealer = sealerFor(['env:STATE_KEY', 'env:OTHER_KEY'], 'mutations')
    const pool = await makePool(sealer, random)
    const known = new Set(pool.map(({ bytes }) => hex(bytes)))
    const seen = new Map<string, number>()
    for (let done = 0; done < CHANGES; ) {
      const victim = pool[random.below(pool.length)]!
      const donor = pool[random.below(pool.length)]!
      const changed = mutate(victim.bytes, donor.bytes, random)
      if (known.has(hex(changed))) continue
      const error = await refusal(victim.read(changed))
      const differs = 'differs' in error.details ? error.details.differs : undefined
      expect(['Corrupt', 'DecryptFailed', 'Unsupported'], error.message).toContain(error.code)
      expect(error.code === 'Unsupported' || differs !== undefined, error.message).toBe(true)
      const says = `${error.code} ${differs ?? ''}`
      seen.set(says, (seen.get(says) ?? 0) + 1)
      done += 1
    }
    // The damage reached every layer: header fields, key table, commitment, segments, lengths.
    const everywhere = [
      'Corrupt storeId',
      'Corrupt keyTable',
      'Corrupt commitment',
      'Corrupt segment 1',
      'Corrupt length',
    ]
    expect([...seen.keys()]).toEqual(expect.arrayContaining(everywhere))
  })
})

interface Victim {
  bytes: Uint8Array
  read(bytes: Uint8Array): Promise<unknown>
}

/** Heads and objects of two documents, small, large, compressed and not. */
async function makePool(sealer: Sealer, random: SeededBytes): Promise<Victim[]> {
  const pool: Victim[] = []
  for (const path of ['shop/prod', 'shop/test']) {
    const scope = { ...SCOPE, path }
    const keys: DocumentKeys = await sealer.create(scope)
    const bodies = [
      Buffer.alloc(0),
      BODY,
      random.randomBytes(700),
      Buffer.alloc(3_000, 'state '),
      random.randomBytes(600_000),
    ]
    for (const [n, body] of bodies.entries()) {
      const head = await keys.seal(headOf(scope, { seq: n + 1 }), body)
      const object = await keys.seal(contentOf(scope), body)
      const expected = { role: 'content', objectId: object.objectId } as const
      pool.push({ bytes: head.bytes, read: (bytes) => readHead(sealerFor(['env:STATE_KEY']), bytes, scope) })
      pool.push({ bytes: object.bytes, read: (bytes) => readObject(keys, bytes, expected, scope) })
    }
  }
  return pool
}

function mutate(bytes: Uint8Array, donor: Uint8Array, random: SeededBytes): Uint8Array {
  const out = Buffer.from(bytes)
  const at = random.below(2) === 0 ? random.below(out.length) : random.below(Math.min(out.length, 900))
  const length = 1 + random.below(Math.min(200, out.length - at))
  const part = out.subarray(at, at + length)
  switch (random.below(9)) {
    case 0:
      return flipped(out, at, random.below(8))
    case 1:
      random.randomBytes(length).copy(out, at)
      return out
    case 2:
      return out.subarray(0, at)
    case 3:
      return Buffer.concat([out, random.randomBytes(length)])
    case 4:
      return Buffer.concat([out.subarray(0, at), out.subarray(at + length)])
    case 5:
      return Buffer.concat([out.subarray(0, at + length), part, out.subarray(at + length)])
    case 6:
      return Buffer.concat([out.subarray(0, at), donor.subarray(at)])
    case 7:
      return Buffer.concat([out.subarray(0, at), donor.subarray(at, at + length), out.subarray(at + length)])
    default:
      return Buffer.concat([donor.subarray(0, at), out.subarray(at)])
  }
}
