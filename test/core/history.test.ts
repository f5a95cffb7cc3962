import { describe, expect, it } from 'vitest'
import type { Access } from '../../src/core/access.ts'
import { EMPTY_BODY, type HeadBody, type SegmentReference } from '../../src/core/head-body.ts'
import { History } from '../../src/core/history.ts'
import type { RevisionRecord } from '../../src/core/record.ts'
import { DEFAULT_LIMITS, Deadline } from '../../src/core/retry.ts'
import type { DocumentKeys } from '../../src/core/sealer.ts'
import type { IndexSegment, Segment, SegmentCache } from '../../src/core/segments.ts'
import { KeelstateError } from '../../src/index.ts'
import { Random } from './random.ts'
import { VirtualTime } from './virtual-time.ts'

const idOf = (number: number) => `id${String(number).padStart(4, '0')}`

function record(number: number): RevisionRecord {
  return {
    id: idOf(number),
    number,
    seq: number,
    ...(number === 1 ? {} : { parent: idOf(number - 1) }),
    at: 'then',
    by: 'me',
    message: '',
    epoch: 0n,
    type: 'bytes',
    bytes: 0,
    digest: '',
    content: { inline: new Uint8Array(0) },
  }
}

/** Segments in memory, and a count of how many were opened. */
class Segments {
  readonly stored = new Map<string, Segment | IndexSegment>()
  opened: string[] = []

  leaf(numbers: readonly number[]): SegmentReference {
    const segment = { records: numbers.map(record), firstSeq: 1, writeIds: new Uint8Array(0), untils: new Map() }
    return this.#store(segment, 0, numbers)
  }

  index(references: readonly SegmentReference[]): SegmentReference {
    const numbers = references.flatMap((one) => (one.numbers[0] > 0 ? [...one.numbers] : []))
    return this.#store({ references }, 1, numbers)
  }

  history(body: Partial<HeadBody>): History {
    const cache = {
      read: async (_: unknown, { object }: SegmentReference) => {
        this.opened.push(object)
        return this.stored.get(object)!
      },
    } as unknown as SegmentCache
    const head = { body: { ...EMPTY_BODY, ...body }, keys: undefined as unknown as DocumentKeys }
    const deadline = new Deadline(new VirtualTime(), DEFAULT_LIMITS)
    return new History(undefined as unknown as Access, cache, head, deadline)
  }

  #store(segment: Segment | IndexSegment, level: number, numbers: readonly number[]): SegmentReference {
    const object = String(this.stored.size)
    this.stored.set(object, segment)
    const range = [Math.min(...numbers), Math.max(...numbers)] as const
    return {
      object,
      sha256: '',
      key: '',
      length: 0,
      level,
      seqs: [0, 0],
      numbers: numbers.length === 0 ? [0, 0] : range,
      ids: numbers.length === 0 ? ['', ''] : [idOf(range[0]), idOf(range[1])],
    }
  }
}

async function newestFirst(history: History, below?: number): Promise<number[]> {
  const seen: number[] = []
  for await (const found of history.newestFirst(below)) seen.push(found.record.number)
  return seen
}

async function code(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'ok',
    (error: unknown) => (KeelstateError.is(error) ? error.code : String(error)),
  )
}

const upTo = (high: number, low = 1) => Array.from({ length: high - low + 1 }, (_, n) => low + n)

describe('history', () => {
  it('goes from the head through the segments, each revision once', async () => {
    const segments = new Segments()
    const history = segments.history({
      current: record(40),
      tail: upTo(39, 33).map(record),
      segments: [segments.leaf(upTo(16)), segments.leaf(upTo(32, 17))],
    })
    expect(await newestFirst(history)).toEqual(upTo(40).reverse())
    expect(await newestFirst(history, 20)).toEqual(upTo(19).reverse())
  })

  it('opens a segment only when its turn comes', async () => {
    const segments = new Segments()
    const history = segments.history({
      current: record(40),
      tail: upTo(39, 33).map(record),
      segments: [segments.leaf(upTo(16)), segments.leaf(upTo(32, 17))],
    })
    const seen: number[] = []
    for await (const { record } of history.newestFirst()) {
      seen.push(record.number)
      if (record.number > 32) expect(segments.opened).toEqual([])
      else if (record.number > 16) expect(segments.opened).toHaveLength(1)
    }
    expect(seen).toHaveLength(40)
    expect(segments.opened).toHaveLength(2)
  })

  it('merges segments whose ranges overlap, as they do after current was moved back', async () => {
    const random = new Random(99)
    for (let round = 0; round < 300; round++) {
      const segments = new Segments()
      const kept = upTo(1 + random.below(80)).filter(() => random.below(8) > 0)
      const places = new Map<number, number[]>()
      const current = kept.length === 0 ? undefined : random.pick(kept)
      const tail: number[] = []
      for (const number of kept) {
        const place = random.below(6)
        if (number === current && random.below(2) === 0) continue
        if (place === 0 && number !== current) tail.push(number)
        else places.set(place, [...(places.get(place) ?? []), number])
      }
      const leaves = [...places.values(), []].map((numbers) => segments.leaf(numbers))
      const some = leaves.splice(0, random.below(leaves.length + 1))
      const history = segments.history({
        ...(current === undefined
          ? {}
          : { current: record(current), currentStored: [...places.values()].flat().includes(current) }),
        tail: tail.map(record),
        segments: some.length === 0 ? leaves : [segments.index(some), ...leaves],
      })
      expect(await newestFirst(history)).toEqual([...kept].reverse())
      const number = 1 + random.below(90)
      expect((await history.byNumber(number))?.record.id).toBe(kept.includes(number) ? idOf(number) : undefined)
      expect((await history.byId(idOf(number)))?.record.number).toBe(kept.includes(number) ? number : undefined)
      expect(await newestFirst(history, number)).toEqual(kept.filter((one) => one < number).reverse())
    }
  })

  it('of a document without revisions is empty', async () => {
    const segments = new Segments()
    expect(await newestFirst(segments.history({}))).toEqual([])
    expect(await newestFirst(segments.history({ segments: [segments.leaf([])] }))).toEqual([])
  })
})

describe('a revision is named', () => {
  const segments = new Segments()
  const history = segments.history({
    current: record(40),
    tail: upTo(39, 33).map(record),
    labels: new Map([
      ['v1', { number: 7, id: idOf(7) }],
      ['@odd', { number: 8, id: idOf(8) }],
    ]),
    segments: [segments.leaf(upTo(16, 3)), segments.leaf(upTo(32, 17))],
  })

  it.each([
    ['current', 40],
    ['current~0', 40],
    ['current~1', 39],
    ['current~30', 10],
    ['@40', 40],
    ['@33', 33],
    ['@17', 17],
    ['@0017', 17],
    ['@17~2', 15],
    ['v1', 7],
    ['v1~1', 6],
    [idOf(20), 20],
    [`${idOf(20)}~4`, 16],
  ])('%s', async (name, number) => {
    expect((await history.byReference(name, 'doc')).record.number).toBe(number)
  })

  it.each([
    '',
    '~1',
    '@',
    '@0',
    '@41',
    '@1',
    '@-1',
    '@1.5',
    'v2',
    'id',
    'id9999',
    'current~40',
    'v1~9',
    'current~',
    'current~1~1',
    '__proto__',
  ])('%j is none of its names', async (name) => {
    expect(await code(history.byReference(name, 'doc'))).toBe('NotFound')
  })

  it('never opens a segment that cannot hold it', async () => {
    segments.opened = []
    await history.byReference('@5', 'doc')
    expect(segments.opened).toHaveLength(1)
    segments.opened = []
    await history.byReference('current~2', 'doc')
    expect(segments.opened).toEqual([])
  })
})
