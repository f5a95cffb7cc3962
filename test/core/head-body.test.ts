import { describe, expect, it } from 'vitest'
import { decodeHeadBody, EMPTY_BODY, encodeHeadBody, type HeadBody } from '../../src/core/head-body.ts'
import type { RevisionRecord } from '../../src/core/record.ts'
import { KeelstateError } from '../../src/index.ts'
import { Random } from './random.ts'

const HEX = '0123456789abcdef0123456789abcdef'
const TIME = '2026-01-02T03:04:05.678Z'

function randomRecord(random: Random, number: number): RevisionRecord {
  const inline = Buffer.from(random.bytes(random.below(40)))
  const maybe = <T extends object>(members: T): Partial<T> => (random.below(2) === 0 ? members : {})
  const large = random.below(3) === 0
  return {
    id: `id${number}`,
    number,
    seq: random.below(2 ** 31),
    ...maybe({ parent: 'p', from: 'f', until: TIME }),
    at: TIME,
    by: random.pick(['', 'me', 'größe']),
    message: random.pick(['', 'why\n']),
    epoch: random.pick([0n, 7n, 2n ** 64n - 1n]),
    type: 'json',
    bytes: large ? 99_999 : inline.length,
    digest: 'digest',
    content: large ? { reference: { object: HEX, sha256: 'hash', key: HEX, length: 5 } } : { inline },
  }
}

function randomBody(random: Random): HeadBody {
  const some = (count: number) => Array.from({ length: random.below(count) }, (_, n) => n)
  const maybe = <T extends object>(members: T): Partial<T> => (random.below(2) === 0 ? members : {})
  const reference = { object: HEX, sha256: 'hash', key: HEX, length: 7 }
  return {
    ...EMPTY_BODY,
    lastNumber: random.below(1_000),
    lastIds: new Map(some(3).map((n) => [`form${n}`, `id${n}`])),
    currentSeq: random.below(1_000),
    ...maybe({ current: randomRecord(random, 99) }),
    currentStored: random.below(2) === 0,
    tail: some(5).map((n) => randomRecord(random, n)),
    labels: new Map(
      some(4).map((n) => [random.pick(['__proto__', 'constructor', 'v1', '1']) + n, { number: n, id: 'x' }]),
    ),
    segments: some(4).map((n) => ({ ...reference, level: n, seqs: [n, n + 1], numbers: [0, 0], ids: ['', ''] })),
    indexedSeq: random.below(1_000),
    untils: new Map(some(4).map((n) => [n, TIME])),
    condemned: random.pick([[], [{ at: TIME }, { at: TIME, objects: [HEX] }, { at: TIME, list: reference }]]),
    barrier: random.below(10),
    ...maybe({ tombstone: { at: TIME, by: 'me', message: '' } }),
    ...maybe({ keys: 'earlier' }),
  }
}

describe('a head body', () => {
  it('is read as it was written', () => {
    const random = new Random(8)
    for (let round = 0; round < 500; round++) {
      const body = randomBody(random)
      expect(decodeHeadBody(encodeHeadBody(body), 'k')).toEqual(body)
    }
  })

  it('of a new document takes little', () => {
    expect(encodeHeadBody(EMPTY_BODY).length).toBeLessThan(60)
  })
})

/** A body with this JSON and these bytes behind it. */
function made(json: string, behind = ''): Uint8Array {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(json))
  return Buffer.concat([length, Buffer.from(json), Buffer.from(behind)])
}

const RIGHT = { lastNumber: 1, currentSeq: 1, indexedSeq: 0 }
const RECORD = { id: 'a', number: 1, seq: 1, at: TIME, type: 'json', bytes: 2, digest: 'd' }
const REFERENCE = { object: HEX, sha256: 'h', key: HEX, length: 1 }
const SEGMENT = { ...REFERENCE, level: 0, seqs: [1, 2], numbers: [1, 2], ids: ['a', 'b'] }

describe('a body that the seal vouches for and that is not right', () => {
  it.each<[string, object, string, string?]>([
    ['a missing counter', { currentSeq: 1, indexedSeq: 0 }, 'body.lastNumber'],
    ['a counter below zero', { ...RIGHT, lastNumber: -1 }, 'body.lastNumber'],
    ['a counter that is no whole number', { ...RIGHT, currentSeq: 1.5 }, 'body.currentSeq'],
    ['a counter beyond 2^53', { ...RIGHT, indexedSeq: 2 ** 53 }, 'body.indexedSeq'],
    ['a tail that is no list', { ...RIGHT, tail: {} }, 'body.tail'],
    ['a record that is none', { ...RIGHT, tail: ['x'] }, 'record'],
    ['a record without an id', { ...RIGHT, tail: [{ ...RECORD, id: 7 }] }, 'record.id', '{}'],
    ['an epoch that is no number', { ...RIGHT, tail: [{ ...RECORD, epoch: '-1' }] }, 'record.epoch', '{}'],
    [
      'a reference without an object',
      { ...RIGHT, tail: [{ ...RECORD, reference: { ...REFERENCE, object: 'x' } }] },
      'reference.object',
    ],
    [
      'a key id in capitals',
      { ...RIGHT, tail: [{ ...RECORD, reference: { ...REFERENCE, key: HEX.toUpperCase() } }] },
      'reference.key',
    ],
    ['labels that are no object', { ...RIGHT, labels: [] }, 'body.labels'],
    ['a label that names nothing', { ...RIGHT, labels: { v1: [1] } }, 'label.1'],
    ['a label that is null', { ...RIGHT, labels: { v1: null } }, 'label.0'],
    [
      'a segment without a level',
      { ...RIGHT, segments: [{ ...SEGMENT, level: undefined }] },
      'segment reference.level',
    ],
    ['a range of one', { ...RIGHT, segments: [{ ...SEGMENT, seqs: [1] }] }, 'range.1'],
    ['an until that is none', { ...RIGHT, untils: [[1]] }, 'until.1'],
    ['a condemned id that is none', { ...RIGHT, condemned: [{ at: TIME, objects: ['x'] }] }, 'condemned object.id'],
    ['a batch without a time', { ...RIGHT, condemned: [{}] }, 'condemned batch.at'],
    ['a tombstone without an author', { ...RIGHT, tombstone: { at: TIME, message: '' } }, 'tombstone.by'],
    ['an id that is no text', { ...RIGHT, lastIds: { ulid: 7 } }, 'ids.ulid'],
    ['fewer bytes than its records say', { ...RIGHT, tail: [RECORD] }, 'body', '{'],
    ['more bytes than its records say', { ...RIGHT, tail: [RECORD] }, 'body', '{}}'],
  ])('%s is Corrupt, and the member is named', (_, json, differs, behind = '') => {
    try {
      decodeHeadBody(made(JSON.stringify(json), behind), 'heads/state/doc/~')
      expect.unreachable()
    } catch (error) {
      expect(KeelstateError.is(error, 'Corrupt'), String(error)).toBe(true)
      expect(error).toMatchObject({ key: 'heads/state/doc/~', details: { differs } })
    }
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['half a length', Uint8Array.of(0, 0)],
    ['a length beyond its end', Uint8Array.of(0, 0, 0, 9, 123, 125)],
    ['no JSON', made('{"lastNumber":')],
    ['a list', made('[]')],
    ['null', made('null')],
  ])('%s is Corrupt', (_, body) => {
    expect(() => decodeHeadBody(body, 'k')).toThrow(expect.objectContaining({ code: 'Corrupt' }))
  })

  it('with a revision stored in a way of later builds is Unsupported', () => {
    const json = JSON.stringify({ ...RIGHT, tail: [{ ...RECORD, delta: 1 }] })
    expect(() => decodeHeadBody(made(json, '{}'), 'k')).toThrow(expect.objectContaining({ code: 'Unsupported' }))
  })

  it.each([
    { base: 1 },
    { base: [1, 1, 1] },
    { base: [1, 1, 1, -1] },
    { base: ['1', 1, 1, 1] },
    { full: {} },
    { full: 'object' },
  ])('with a change that stands on %j is Corrupt', (member) => {
    const json = JSON.stringify({ ...RIGHT, tail: [{ ...RECORD, ...member }] })
    expect(() => decodeHeadBody(made(json, '{}'), 'k')).toThrow(expect.objectContaining({ code: 'Corrupt' }))
  })
})
