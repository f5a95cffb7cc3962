import type { Access } from './access.ts'
import type { Head } from './head.ts'
import { readSegmentReference, readUntils, type SegmentReference } from './head-body.ts'
import { corrupt, type HeadHeader, SLOT_BYTES, slotOf } from './header.ts'
import { fetchObject, uploadObject } from './objects.ts'
import { InlineReader, InlineWriter, type RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'

const FAN_OUT = 16 // references of one level before they become one of the next: 10,000 commits keep about a dozen
const NO_RANGE: readonly [number, number] = [0, 0]
const NO_IDS: readonly [string, string] = ['', '']

/** What a segment of level 0 holds: records that left the tail, and the write ids of the head writes since the previous one. */
export interface Segment {
  readonly records: readonly RevisionRecord[]
  /** Write ids (8 bytes each) of the seqs `firstSeq`, `firstSeq + 1`, … */
  readonly firstSeq: number
  readonly writeIds: Uint8Array
  readonly untils: ReadonlyMap<number, string>
}

/** A segment of a higher level holds references to the next lower one. */
export interface IndexSegment {
  readonly references: readonly SegmentReference[]
}

/** Segments never change, so what was read once need not be read again. Bounded by count, the least recently used goes first. */
export class SegmentCache {
  readonly #entries = new Map<string, Segment | IndexSegment>()
  readonly #max: number

  constructor(max = 64) {
    this.#max = max
  }

  async read(
    access: Access,
    reference: SegmentReference,
    keys: DocumentKeys,
    deadline: Deadline,
  ): Promise<Segment | IndexSegment> {
    const cached = this.#entries.get(reference.object)
    const segment = cached ?? (await readSegment(access, reference, keys, deadline))
    this.#entries.delete(reference.object)
    this.#entries.set(reference.object, segment)
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value!)
    return segment
  }
}

/** The write ids that a head still keeps in its slots, from `firstSeq` on. */
export function writeIdsSince(header: HeadHeader, firstSeq: number): Uint8Array {
  const ids = new Uint8Array(Math.max(0, header.seq - firstSeq + 1) * SLOT_BYTES)
  for (let seq = firstSeq; seq <= header.seq; seq++) ids.set(slotOf(header, seq)!, (seq - firstSeq) * SLOT_BYTES)
  return ids
}

/** Writes a segment and, where it completes sixteen of a level, the index segments above it, side by side. */
export async function appendSegment(
  access: Access,
  existing: readonly SegmentReference[],
  segment: Segment,
  keys: DocumentKeys,
  knownSeq: number,
  deadline: Deadline,
): Promise<SegmentReference[]> {
  const inline = new InlineWriter()
  const body = inline.finish({
    firstSeq: segment.firstSeq,
    writeIds: Buffer.from(segment.writeIds).toString('base64'),
    ...(segment.untils.size === 0 ? {} : { untils: [...segment.untils] }),
    records: segment.records.map((record) => inline.record(record)),
  })
  const { reference } = await uploadObject(access, 'segment', body, keys, knownSeq, deadline)
  const count = segment.writeIds.length / SLOT_BYTES
  const numbers = segment.records.map((record) => record.number)
  const ids = segment.records.map((record) => record.id).sort()
  let references: SegmentReference[] = [
    ...existing,
    {
      ...reference,
      level: 0,
      seqs: count === 0 ? NO_RANGE : [segment.firstSeq, segment.firstSeq + count - 1],
      numbers: numbers.length === 0 ? NO_RANGE : [Math.min(...numbers), Math.max(...numbers)],
      ids: ids.length === 0 ? NO_IDS : [ids[0]!, ids.at(-1)!],
    },
  ]
  for (let level = 0; ; level++) {
    const run = references.filter((one) => one.level === level)
    if (run.length < FAN_OUT) return references
    const index = new InlineWriter().finish({ segments: run })
    const upload = await uploadObject(access, 'index', index, keys, knownSeq, deadline)
    const ids = run.flatMap((one) => one.ids.filter((id) => id !== '')).sort()
    const merged: SegmentReference = {
      ...upload.reference,
      level: level + 1,
      seqs: span(run.map((one) => one.seqs)),
      numbers: span(run.map((one) => one.numbers)),
      ids: ids.length === 0 ? NO_IDS : [ids[0]!, ids.at(-1)!],
    }
    references = [...references.filter((one) => one.level !== level), merged]
  }
}

/** Yields the level-0 segments below these references, each level's in the given order. */
export async function* leaves(
  read: (reference: SegmentReference) => Promise<Segment | IndexSegment>,
  references: readonly SegmentReference[],
  wanted: (reference: SegmentReference) => boolean = () => true,
): AsyncGenerator<{ reference: SegmentReference; segment: Segment }> {
  for (const reference of references) {
    if (!wanted(reference)) continue
    const segment = await read(reference)
    if ('references' in segment) yield* leaves(read, segment.references, wanted)
    else yield { reference, segment }
  }
}

/** The write id (8 bytes) of a seq that the slots no longer keep, or `undefined` when the segments do not hold it either. */
export async function findWriteId(
  access: Access,
  cache: SegmentCache,
  head: Head,
  seq: number,
  deadline: Deadline,
): Promise<Uint8Array | undefined> {
  const read = (reference: SegmentReference) => cache.read(access, reference, head.keys, deadline)
  const holds = ({ seqs }: SegmentReference) => seqs[0] <= seq && seq <= seqs[1]
  for await (const { segment } of leaves(read, head.body.segments, holds)) {
    const at = (seq - segment.firstSeq) * SLOT_BYTES
    if (at >= 0 && at + SLOT_BYTES <= segment.writeIds.length) return segment.writeIds.subarray(at, at + SLOT_BYTES)
  }
  return undefined
}

async function readSegment(
  access: Access,
  reference: SegmentReference,
  keys: DocumentKeys,
  deadline: Deadline,
): Promise<Segment | IndexSegment> {
  const role = reference.level === 0 ? 'segment' : 'index'
  const bytes = await fetchObject(access, role, reference, keys, deadline)
  const key = `${access.headKey} segment ${reference.object}`
  const inline = new InlineReader(bytes, key)
  if (reference.level > 0) {
    const references = inline.json.list('segments').map((one) => readSegmentReference(one, key))
    if (references.some((one) => one.level >= reference.level))
      throw corrupt(key, 'refers to a segment of its own level', 'level')
    return { references }
  }
  const records = inline.json.list('records').map((record) => inline.record(record))
  inline.end()
  return {
    records,
    firstSeq: inline.json.count('firstSeq'),
    writeIds: Buffer.from(inline.json.text('writeIds'), 'base64'),
    untils: readUntils(inline.json.list('untils'), key),
  }
}

function span(ranges: readonly (readonly [number, number])[]): readonly [number, number] {
  const real = ranges.filter(([low]) => low > 0)
  if (real.length === 0) return NO_RANGE
  return [Math.min(...real.map(([low]) => low)), Math.max(...real.map(([, high]) => high))]
}
