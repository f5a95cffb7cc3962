import { brotliCompressSync, constants } from 'node:zlib'
import { KeelstateError, printable } from './errors.ts'
import { type CondemnedBatch, EMPTY_BODY, type HeadBody, tailJson } from './head-body.ts'
import type { RevisionRecord } from './record.ts'

/** Steps on a head's body. Pure: each takes a body and gives a new one. docs/decisions/0003-group-commit-and-refusals.md */

export const INLINE_BYTES: number = 8 * 1024 // contents up to this travel in the head
const TAIL_RECORDS = 16
const TAIL_BYTES = 6 * 1024 // compressed; with the rest a head stays well below 32 KiB
const HEADER_BYTES = 600 // what a head takes beside its body, at least: slots, ids, commitment, less what leaving current adds to a record
const UNINDEXED_SEQS = 56 // of the 64 slots: what is spilled must still be in a slot when the spill is retried
const MAX_UNTILS = 64
const MAX_LABELS = 64
const MAX_LABEL_BYTES = 128
const MAX_CONDEMNED_BATCHES = 8

/** What a change must replace. */
export type Condition =
  | { kind: 'any' }
  | { kind: 'none' }
  /** The revision with this id is current now. */
  | { kind: 'id'; id: string }
  /** The same, and it was not left since the head with `seenSeq`. */
  | { kind: 'unmoved'; id: string; seenSeq: number }

/** Who changes something, and when by their clock. */
export interface Signature {
  readonly at: string
  readonly by: string
  readonly message: string
}

/** The content of a revision as its record has it. */
export type RecordContent = Pick<RevisionRecord, 'bytes' | 'digest' | 'content' | 'base' | 'full' | 'parts'>

export interface NewRevision extends Signature, RecordContent {
  readonly id: string
  readonly type: string
  readonly from?: string
  readonly epoch: bigint
}

/** @throws {KeelstateError} `Conflict` that says what is current instead. */
export function checkCondition(body: HeadBody, condition: Condition, name: string): void {
  const { current } = body
  if (condition.kind === 'any') return
  const holds =
    (condition.kind === 'none' && current === undefined) ||
    (condition.kind === 'id' && current?.id === condition.id) ||
    (condition.kind === 'unmoved' && current?.id === condition.id && body.currentSeq <= condition.seenSeq)
  if (holds) return
  const expected =
    condition.kind === 'none'
      ? 'no revision was expected'
      : condition.kind === 'unmoved' && current?.id === condition.id
        ? `${condition.id} is current again, but it was left in between`
        : `${condition.id} was expected`
  const found =
    current === undefined
      ? 'there is none'
      : `${printable(current.id)} by ${printable(current.by)} at ${printable(current.at)} is current`
  throw new KeelstateError('Conflict', {
    key: name,
    message: `${name} has moved: ${expected}, ${found}.`,
    details: current === undefined ? {} : { current: current.id, by: current.by, at: current.at },
    hint: 'Read it again, look at what changed, and repeat your change on that.',
  })
}

/** Adds a revision to the tail. It is not current yet. */
export function addRevision(
  body: HeadBody,
  seq: number,
  revision: NewRevision,
): { body: HeadBody; record: RevisionRecord } {
  const { current } = body
  const record: RevisionRecord = { ...revision, number: body.lastNumber + 1, seq }
  const child = current === undefined ? record : { ...record, parent: current.id }
  return { record: child, body: { ...living(body), lastNumber: child.number, tail: [...body.tail, child] } }
}

function living(body: HeadBody): HeadBody {
  if (body.tombstone === undefined) return body // copying all but one member costs more than it seems
  const { tombstone: _, ...rest } = body
  return rest
}

/** Makes a kept revision current. `stored` = its record stands in a segment, not in the tail. */
export function moveCurrent(
  body: HeadBody,
  seq: number,
  target: RevisionRecord,
  stored: boolean,
  at: string,
): HeadBody {
  if (body.current?.number === target.number) return body
  const left = leaveCurrent(body, at)
  return {
    ...left,
    current: target.until === undefined ? target : withoutUntil(target),
    currentStored: stored,
    currentSeq: seq,
    tail: left.tail.filter((record) => record.number !== target.number),
  }
}

function withoutUntil({ until: _, ...rest }: RevisionRecord): RevisionRecord {
  return rest
}

/** Files what is current as a revision that was. Another has to take its place in what this gives. */
function leaveCurrent(body: HeadBody, at: string): HeadBody {
  const { current } = body
  if (current === undefined) return body
  if (body.currentStored) return { ...body, currentStored: false, untils: new Map(body.untils).set(current.number, at) }
  const record = { ...current, until: at }
  const index = body.tail.findIndex((other) => other.number > record.number)
  return { ...body, tail: index < 0 ? [...body.tail, record] : body.tail.toSpliced(index, 0, record) }
}

/** @throws {KeelstateError} `InvalidInput` when the label's text or the number of labels is out of bounds. */
export function setLabel(body: HeadBody, label: string, target: { number: number; id: string }): HeadBody {
  checkLabel(label)
  const labels = new Map(body.labels).set(label, { number: target.number, id: target.id })
  if (labels.size > MAX_LABELS) {
    throw new KeelstateError('InvalidInput', {
      message: `A document can have ${MAX_LABELS} labels.`,
      hint: 'Remove a label first.',
    })
  }
  return { ...body, labels }
}

export function removeLabel(body: HeadBody, label: string): HeadBody {
  const labels = new Map(body.labels)
  labels.delete(label)
  return { ...body, labels }
}

/** A label must not be mistaken for another way to name a revision. */
export function checkLabel(label: string): void {
  const wrong =
    label === '' || Buffer.byteLength(label) > MAX_LABEL_BYTES
      ? `must have 1 to ${MAX_LABEL_BYTES} bytes`
      : printable(label, 1_000) !== label || /[\s~@]/.test(label)
        ? 'must not hold blanks, control characters, "~" or "@"'
        : label === 'current' || /^[0-9A-HJKMNP-TV-Z]{26}$/.test(label) || /^\d{4}-\d\d-\d\dT/.test(label)
          ? 'reads like a revision'
          : undefined
  if (wrong !== undefined) {
    throw new KeelstateError('InvalidInput', {
      message: `${JSON.stringify(printable(label, 60))} cannot be a label: it ${wrong}.`,
      hint: 'Use a word such as v1.2 or before-migration.',
    })
  }
}

/** Removes everything but what keeps counting. The next revision goes on from here. */
export function bury(body: HeadBody, seq: number, signature: Signature): HeadBody {
  return {
    ...EMPTY_BODY,
    lastNumber: body.lastNumber,
    lastIds: body.lastIds,
    currentSeq: seq,
    indexedSeq: body.indexedSeq,
    barrier: body.barrier,
    condemned: condemn(body.condemned, { at: signature.at }),
    tombstone: { at: signature.at, by: signature.by, message: signature.message },
    ...(body.keys === undefined ? {} : { keys: body.keys }),
  }
}

/** Adds a batch. When there are too many, the oldest lose the rest of their grace, which costs a slow reader one more read of the head. */
export function condemn(batches: readonly CondemnedBatch[], batch: CondemnedBatch): CondemnedBatch[] {
  return [...batches, batch].slice(-MAX_CONDEMNED_BATCHES)
}

/** Whether current may be due to be stored whole. A record that stands in a segment too is left to `compact`, which rewrites those. */
export function mayNeedRebase({ current, currentStored }: HeadBody): boolean {
  return !currentStored && (current?.base?.deltas ?? 0) > 1 && current?.full === undefined
}

/** Whether the tail must move to a segment before the head with `seq` can be written. */
export function needsSpill(body: HeadBody, seq: number, base?: SealedBody, tail: TailSize = new TailSize()): boolean {
  if (body.tail.length > TAIL_RECORDS || body.untils.size > MAX_UNTILS) return true
  if (seq - body.indexedSeq > UNINDEXED_SEQS) return true
  return body.tail.length > 0 && tail.atMost(body.tail, TAIL_BYTES, base) === false
}

/** A head that was read or written: its body, and what the whole takes as it is stored. */
export interface SealedBody {
  readonly body: HeadBody
  readonly bytes: number
}

/**
 * How much room a tail takes, compressed, or at most takes: a tail is compressed for this only when no bound will do. The next tail is what is
 * sealed in the head that it stands on, its current revision included, as a rule; else it grows by a record or two, which take no more than their plain length.
 */
export class TailSize {
  #known: readonly RevisionRecord[] = []
  /** The records that are known take no more than this. */
  #bound = 0

  /** @param base The head that the next one stands on. */
  atMost(tail: readonly RevisionRecord[], bytes: number, base: SealedBody | undefined): boolean {
    if (base !== undefined && base.bytes - HEADER_BYTES <= bytes && isIn(tail, base.body)) return true
    const grown = tail.length >= this.#known.length && this.#known.every((record, i) => record === tail[i])
    const added = grown ? tail.slice(this.#known.length) : tail
    this.#bound = (grown ? this.#bound : 0) + (added.length === 0 ? 0 : tailJson(added).length)
    this.#known = tail
    if (this.#bound > bytes)
      this.#bound = brotliCompressSync(tailJson(tail), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }).length
    return this.#bound <= bytes
  }
}

/** Whether all that is in the tail was in this body: as the tail, or as what was current. */
function isIn(tail: readonly RevisionRecord[], body: HeadBody): boolean {
  const known = new Set(body.tail)
  return tail.every(
    (record) => known.has(record) || (record.id === body.current?.id && record.seq === body.current.seq),
  )
}
