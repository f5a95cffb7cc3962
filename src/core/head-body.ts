import {
  Fields,
  InlineReader,
  InlineWriter,
  type ObjectReference,
  type RecordJson,
  type RevisionRecord,
  readReference,
} from './record.ts'

/** A segment that older revision records were moved to. Sixteen of one level become one of the next. */
export interface SegmentReference extends ObjectReference {
  readonly level: number
  /** First and last seq whose write ids it holds; `[0, 0]` when none. */
  readonly seqs: readonly [number, number]
  /** Lowest and highest revision number; `[0, 0]` when it holds no record. */
  readonly numbers: readonly [number, number]
  /** Lowest and highest revision id by code units; `['', '']` when it holds no record. */
  readonly ids: readonly [string, string]
}

export interface LabelTarget {
  readonly number: number
  readonly id: string
}

/** Objects that nothing refers to any more, kept for a while so that slow readers can finish. */
export interface CondemnedBatch {
  /** When, by the clock of who condemned, RFC 3339. */
  readonly at: string
  /** Object ids; absent = whatever there is (a tombstone), in which case nothing is deleted during the grace period. */
  readonly objects?: readonly string[]
  /** A list too long for the head lies in an object of its own. */
  readonly list?: ObjectReference
}

/**
 * What a head says below its seal. A plain value; every change makes a new one (`draft.ts`). docs/format.md "Head body".
 */
export interface HeadBody {
  /** The highest revision number given so far. */
  readonly lastNumber: number
  /** The newest generated revision id of each form: generated ids only grow. */
  readonly lastIds: ReadonlyMap<string, string>
  /** The head write that last moved current. */
  readonly currentSeq: number
  readonly current?: RevisionRecord
  /** The record of `current` also stands in a segment; when it is left, it needs no place in the tail. */
  readonly currentStored: boolean
  /** The newest revisions but the current one, by number. */
  readonly tail: readonly RevisionRecord[]
  readonly labels: ReadonlyMap<string, LabelTarget>
  /** Oldest first. */
  readonly segments: readonly SegmentReference[]
  /** Write ids up to this seq stand in segments. */
  readonly indexedSeq: number
  /** Later ends of being current, for records that already stand in a segment: number → time. */
  readonly untils: ReadonlyMap<number, string>
  readonly condemned: readonly CondemnedBatch[]
  /** Seq of the last barrier: older uploads may have been collected. */
  readonly barrier: number
  /** Set while the document is deleted. */
  readonly tombstone?: { readonly at: string; readonly by: string; readonly message: string }
  /** Earlier data keys; opaque. */
  readonly keys?: string
}

export const EMPTY_BODY: HeadBody = {
  lastNumber: 0,
  lastIds: new Map(),
  currentSeq: 0,
  currentStored: false,
  tail: [],
  labels: new Map(),
  segments: [],
  indexedSeq: 0,
  untils: new Map(),
  condemned: [],
  barrier: 0,
}

/** u32 length ‖ JSON ‖ inline contents: first the current revision's, then the tail's. The JSON has no member that is undefined. */
export function encodeHeadBody(body: HeadBody): Uint8Array {
  const inline = new InlineWriter()
  return inline.finish({
    lastNumber: body.lastNumber,
    lastIds: body.lastIds.size === 0 ? undefined : Object.fromEntries(body.lastIds),
    currentSeq: body.currentSeq,
    current: body.current && inline.record(body.current),
    currentStored: body.currentStored || undefined,
    tail: body.tail.length === 0 ? undefined : body.tail.map((record) => inline.record(record)),
    labels:
      body.labels.size === 0
        ? undefined
        : Object.fromEntries([...body.labels].map(([label, to]) => [label, [to.number, to.id]])),
    segments: body.segments.length === 0 ? undefined : body.segments,
    indexedSeq: body.indexedSeq,
    untils: body.untils.size === 0 ? undefined : [...body.untils],
    condemned: body.condemned.length === 0 ? undefined : body.condemned,
    barrier: body.barrier === 0 ? undefined : body.barrier,
    tombstone: body.tombstone,
    keys: body.keys,
  })
}

/** @throws {KeelstateError} `Corrupt` naming the member that is missing or malformed. */
export function decodeHeadBody(bytes: Uint8Array, key: string): HeadBody {
  const inline = new InlineReader(bytes, key)
  const f = inline.json
  const current = f.has('current') ? inline.record(f.get('current')) : undefined
  const tail = f.list('tail').map((record) => inline.record(record))
  inline.end()
  const tombstone = f.has('tombstone') ? new Fields(f.get('tombstone'), key, 'tombstone') : undefined
  const keys = f.textOr('keys')
  return {
    lastNumber: f.count('lastNumber'),
    lastIds: readTexts(f.object('lastIds'), key),
    currentSeq: f.count('currentSeq'),
    ...(current === undefined ? {} : { current }),
    currentStored: f.get('currentStored') === true,
    tail,
    labels: new Map(Object.entries(f.object('labels')).map(([label, to]) => [label, readLabel(to, key)])),
    segments: f.list('segments').map((value) => readSegmentReference(value, key)),
    indexedSeq: f.count('indexedSeq'),
    untils: readUntils(f.list('untils'), key),
    condemned: f.list('condemned').map((value) => readCondemned(value, key)),
    barrier: f.has('barrier') ? f.count('barrier') : 0,
    ...(tombstone === undefined
      ? {}
      : { tombstone: { at: tombstone.text('at'), by: tombstone.text('by'), message: tombstone.text('message') } }),
    ...(keys === undefined ? {} : { keys }),
  }
}

export function readSegmentReference(value: unknown, key: string): SegmentReference {
  const f = new Fields(value, key, 'segment reference')
  return {
    ...readReference(value, key),
    level: f.count('level'),
    seqs: readPair(f.list('seqs'), key),
    numbers: readPair(f.list('numbers'), key),
    ids: readTextPair(f.list('ids'), key),
  }
}

export function readUntils(list: readonly unknown[], key: string): Map<number, string> {
  return new Map(
    list.map((entry) => {
      const f = new Fields({ ...(entry as object) }, key, 'until')
      return [f.count('0'), f.text('1')]
    }),
  )
}

/** JSON of one record, for measuring how much room a tail takes. */
export function tailJson(tail: readonly RevisionRecord[]): Uint8Array {
  const inline = new InlineWriter()
  const records: RecordJson[] = tail.map((record) => inline.record(record))
  return inline.finish(records)
}

function readTexts(value: Readonly<Record<string, unknown>>, key: string): Map<string, string> {
  const f = new Fields(value, key, 'ids')
  return new Map(Object.keys(value).map((name) => [name, f.text(name)]))
}

function readLabel(value: unknown, key: string): LabelTarget {
  const f = new Fields({ ...(value as object) }, key, 'label')
  return { number: f.count('0'), id: f.text('1') }
}

function readPair(list: readonly unknown[], key: string): [number, number] {
  const f = new Fields({ ...list }, key, 'range')
  return [f.count('0'), f.count('1')]
}

function readTextPair(list: readonly unknown[], key: string): [string, string] {
  const f = new Fields({ ...list }, key, 'range')
  return [f.text('0'), f.text('1')]
}

function readCondemned(value: unknown, key: string): CondemnedBatch {
  const f = new Fields(value, key, 'condemned batch')
  return {
    at: f.text('at'),
    ...(f.has('objects')
      ? { objects: f.list('objects').map((id) => new Fields({ id }, key, 'condemned object').hex('id')) }
      : {}),
    ...(f.has('list') ? { list: readReference(f.get('list'), key) } : {}),
  }
}
