import { createHash } from 'node:crypto'
import { deadlineFor } from './access.ts'
import { baseOn, Chains, type Opening, wholeOf } from './chains.ts'
import type { Changes, Codec, EncodedChange } from './codec.ts'
import { mayReferTo, type Prepared, prepareContent } from './contents.ts'
import { encodeDelta } from './delta.ts'
import { INLINE_BYTES, type RecordContent } from './draft.ts'
import { KeelstateError, printable } from './errors.ts'
import type { BodyForm } from './form.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { same } from './header.ts'
import { History } from './history.ts'
import { changeBetween, type PartChange, Parts } from './parts.ts'
import type { Content, DeltaBase, RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'

/** Bytes that a revision's record takes in a head, roughly. */
export const RECORD_WEIGHT: number = 400

const WHOLE_BYTES = 4 * 1024 // a whole of this size is written as it is: a tail of such compresses well, and nothing need be put together

/** What somebody wants to add, before it is known on which head. */
export interface Addition<T> {
  /** Roughly what it adds to the head, in bytes. */
  readonly weight: number
  /** Uploads what is large before the head write is queued, so that the uploads of many callers go side by side. */
  prepare(signal: AbortSignal | undefined): Promise<void>
  /** What its revision holds when it is added to this draft. Runs again when another write came first. */
  place(draft: Draft, deadline: Deadline): Promise<Placed<T>>
}

export interface Placed<T> {
  readonly type: string
  readonly content: RecordContent
  /** The value that the revision will have. */
  readonly value: () => T
  /** Its parts, where they are known. */
  readonly parts?: Parts
}

export interface AdditionParts<T, C> {
  readonly name: string
  readonly codec: Codec<T, C>
  readonly opening: Opening
}

/** What a caller wants to add, encoded: a body, or a change of what is current. */
export type Encoded<T, C> =
  | { readonly body: Uint8Array; readonly type: string; readonly value: T }
  | { readonly change: EncodedChange; readonly changes: Changes<T, C> }

/**
 * Encodes what a caller wants to add.
 *
 * @param type Recorded with the revision; default the codec's.
 */
export async function encodeValue<T, C>(
  { name, codec }: Pick<AdditionParts<T, C>, 'name' | 'codec'>,
  value: T | C,
  type: string | undefined,
): Promise<Encoded<T, C>> {
  const { changes } = codec
  if (changes?.is(value)) {
    if (type !== undefined && type !== codec.type) throw otherType(name, type, codec.type)
    return { change: changes.encode(value as C), changes } // before anything is waited for: the caller may go on changing what it gave
  }
  return { body: await codec.encode(value as T), type: type ?? codec.type, value: value as T }
}

/** What adds it, through this writer. */
export function additionOf<T, C>(parts: AdditionParts<T, C>, encoded: Encoded<T, C>, writer: HeadWriter): Addition<T> {
  const upload = new Upload(writer, parts.opening)
  if ('change' in encoded) return new ChangeAddition(parts, encoded.changes, encoded.change, upload)
  return new BodyAddition(parts, encoded.value, encoded.body, encoded.type, upload)
}

/** Brings contents to where a head can refer to them: uploaded again where a barrier or a new data key came between. */
class Upload {
  readonly writer: HeadWriter
  readonly #opening: Opening
  #last: { bytes: Uint8Array; prepared: Prepared } | undefined

  constructor(writer: HeadWriter, opening: Opening) {
    this.writer = writer
    this.#opening = opening
  }

  async content(bytes: Uint8Array, draft: Pick<Draft, 'base' | 'keys'>, deadline: Deadline): Promise<Content> {
    const { access } = this.writer
    if (this.#last?.bytes !== bytes || !mayReferTo(this.#last.prepared, draft.base?.body.barrier ?? 0, draft.keys)) {
      const knownSeq = draft.base?.header.seq ?? 0
      this.#last = { bytes, prepared: await prepareContent(access, bytes, draft.keys, knownSeq, deadline) }
    }
    const { prepared } = this.#last
    if ('inline' in prepared) return prepared
    const { reference } = prepared.upload
    this.#opening.contents.set(reference.object, bytes) // what was uploaded need not be read back
    return { reference }
  }

  /** SHA-256 of a body; of one that was uploaded, it is known. */
  digestOf(bytes: Uint8Array): string {
    const last = this.#last?.bytes === bytes ? this.#last.prepared : undefined
    return last !== undefined && 'upload' in last ? last.upload.digest : digestOf(bytes)
  }
}

/** A body to be added: stored as a change of what is current where that is much less. */
class BodyAddition<T> implements Addition<T> {
  readonly #parts: AdditionParts<T, unknown>
  readonly #value: T
  readonly #body: Uint8Array
  readonly #type: string
  readonly #upload: Upload
  /** The form's own writer wrote it. */
  readonly #spelt: boolean
  /** What the body was compared with last, and what came of it. */
  #compared: { current: RevisionRecord; delta: Delta | undefined } | undefined
  #digest: string | undefined

  constructor(parts: AdditionParts<T, unknown>, value: T, body: Uint8Array, type: string, upload: Upload) {
    this.#parts = parts
    this.#value = value
    this.#body = body
    this.#type = type
    this.#upload = upload
    this.#spelt = parts.codec.changes?.form.name === type
  }

  get weight(): number {
    const bytes = this.#compared?.delta?.bytes ?? this.#body
    return bytes.length > INLINE_BYTES ? RECORD_WEIGHT : RECORD_WEIGHT + bytes.length
  }

  async prepare(signal: AbortSignal | undefined): Promise<void> {
    if (this.#body.length <= INLINE_BYTES) return
    const { writer } = this.#upload
    const deadline = deadlineFor(writer.access, signal)
    const head = writer.known === undefined ? await writer.refresh(deadline) : writer.known.head
    const draft = { base: head, body: head?.body, keys: await writer.keysFor(head, deadline) }
    const delta = await this.#deltaOn(draft, deadline)
    await this.#upload.content(delta?.bytes ?? this.#body, draft, deadline)
  }

  async place(draft: Draft, deadline: Deadline): Promise<Placed<T>> {
    const placed = { type: this.#type, value: () => this.#value }
    const delta = await this.#deltaOn(draft, deadline)
    if (delta !== undefined) return { ...placed, ...(await placeDelta(delta, this.#upload, draft, deadline)) }
    const content = await this.#upload.content(this.#body, draft, deadline)
    this.#digest ??= this.#upload.digestOf(this.#body)
    return {
      ...placed,
      content: {
        content,
        bytes: this.#body.length,
        digest: this.#digest,
        ...(this.#spelt && this.#body.length > WHOLE_BYTES ? { parts: true } : {}),
      },
    }
  }

  /** What leads here from the current revision, if that is at hand, of the same form, and much the same. */
  async #deltaOn(
    draft: { body: Draft['body'] | undefined; keys: Draft['keys'] },
    deadline: Deadline,
  ): Promise<Delta | undefined> {
    const current = draft.body?.current
    if (current === undefined || current.type !== this.#type || this.#body.length <= WHOLE_BYTES) return undefined
    if (this.#compared?.current === current) return this.#compared.delta
    const delta = await this.#compare(current, { body: draft.body!, keys: draft.keys }, deadline)
    this.#compared = { current, delta }
    return delta
  }

  async #compare(
    current: RevisionRecord,
    head: { body: Draft['body']; keys: Draft['keys'] },
    deadline: Deadline,
  ): Promise<Delta | undefined> {
    const { opening } = this.#parts
    const form = await opening.forms(this.#type)
    if (form === undefined || this.#body.length > opening.contents.maxBytes) return undefined
    const { writer } = this.#upload
    const chains = new Chains(
      writer.access,
      new History(writer.access, writer.segments, head, deadline),
      head.keys,
      deadline,
      opening,
    )
    const now = await standing(chains, current, form)
    if (now === undefined) return undefined
    const next = splitOr(form, this.#body)
    const change = next && changeBetween(now, next, form.ordered)
    if (change === undefined) return undefined
    const bytes = encodeDelta(change)
    if (bytes.length * 2 > this.#body.length) return undefined
    const parts = now.apply(change)
    // A body of another spelling (blanks, an order of its own) would come back in the form's.
    const spelt = () => form.spelt(change.put.map((put) => [put.key, put.bytes])) && same(form.join(parts), this.#body)
    if (!this.#spelt && !spelt()) return undefined
    return { bytes, base: baseOn(current, bytes.length), parts }
  }
}

/** A change to be applied to whatever is current. */
class ChangeAddition<T, C> implements Addition<T> {
  readonly #parts: AdditionParts<T, C>
  readonly #changes: Changes<T, C>
  readonly #encoded: EncodedChange
  readonly #upload: Upload
  #last: { change: PartChange; bytes: Uint8Array } | undefined

  constructor(parts: AdditionParts<T, C>, changes: Changes<T, C>, encoded: EncodedChange, upload: Upload) {
    this.#parts = parts
    this.#changes = changes
    this.#encoded = encoded
    this.#upload = upload
  }

  get weight(): number {
    return RECORD_WEIGHT + Math.min(this.#encoded.bytes, INLINE_BYTES)
  }

  async prepare(): Promise<void> {
    // What it is to stand on is known when it is its turn.
  }

  async place(draft: Draft, deadline: Deadline): Promise<Placed<T>> {
    const { form } = this.#changes
    const { current } = draft.body
    const { now, standable } = await this.#now(draft, current, deadline)
    const change = this.#encoded.on(now)
    const parts = (now ?? Parts.of([])).apply(change)
    const placed = { type: form.name, value: () => this.#changes.open(parts), parts }
    if (this.#last?.change !== change) this.#last = { change, bytes: encodeDelta(change) }
    const { bytes } = this.#last
    if (current !== undefined && standable && parts.bytes > WHOLE_BYTES && bytes.length * 2 <= parts.bytes) {
      const delta = { bytes, base: baseOn(current, bytes.length), parts }
      return { ...placed, ...(await placeDelta(delta, this.#upload, draft, deadline)) }
    }
    const body = form.join(parts)
    const content = await this.#upload.content(body, draft, deadline)
    return { ...placed, content: { content, bytes: body.length, digest: this.#upload.digestOf(body), parts: true } }
  }

  /** The parts of what is current, and whether a delta may stand on it as it is stored. */
  async #now(
    draft: Draft,
    current: RevisionRecord | undefined,
    deadline: Deadline,
  ): Promise<{ now: Parts | undefined; standable: boolean }> {
    if (current === undefined) return { now: undefined, standable: false }
    const { writer } = this.#upload
    const { access } = writer
    const chains = new Chains(
      access,
      new History(access, writer.segments, draft, deadline),
      draft.keys,
      deadline,
      this.#parts.opening,
    )
    const { form } = this.#changes
    const sameForm = current.type === form.name
    if (sameForm && (current.base !== undefined || current.parts || chains.cached(current) !== undefined))
      return { now: await chains.parts(current), standable: true }
    // Somebody wrote it as a body, perhaps not as the form would.
    const body = await chains.body(current)
    const normal = normalised(form, body, this.#parts.name, current)
    const now = Parts.of(form.split(normal))
    const standable = sameForm && same(normal, body)
    if (standable) chains.keep(current, now)
    return { now, standable }
  }
}

interface Delta {
  readonly bytes: Uint8Array
  readonly base: DeltaBase
  /** What it makes. */
  readonly parts: Parts
}

async function placeDelta(
  { bytes, base, parts }: Delta,
  upload: Upload,
  draft: Draft,
  deadline: Deadline,
): Promise<{ content: RecordContent; parts: Parts }> {
  const content = await upload.content(bytes, draft, deadline)
  return { content: { content, bytes: bytes.length, digest: digestOf(bytes), base }, parts }
}

/** The parts of what is current, when they cost no request and a delta may stand on them. */
async function standing(chains: Chains, current: RevisionRecord, form: BodyForm): Promise<Parts | undefined> {
  if (current.base !== undefined || current.parts || chains.cached(current) !== undefined)
    return await chains.partsAtHand(current)
  const whole = wholeOf(current)!
  const body = chains.bodyAtHand(whole)
  if (body === undefined) return undefined
  try {
    if (!same(form.normalise(body), body)) return undefined
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidInput')) return undefined
    throw error
  }
  const parts = Parts.of(form.split(body))
  chains.keep(current, parts)
  return parts
}

function splitOr(form: BodyForm, body: Uint8Array): ReturnType<BodyForm['split']> | undefined {
  try {
    return form.split(body)
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidInput')) return undefined
    throw error
  }
}

function normalised(form: BodyForm, body: Uint8Array, name: string, current: RevisionRecord): Uint8Array {
  try {
    return form.normalise(body)
  } catch (cause) {
    if (!KeelstateError.is(cause, 'InvalidInput')) throw cause
    throw new KeelstateError('InvalidInput', {
      key: name,
      message: `Revision @${current.number} of ${name}, of type ${JSON.stringify(printable(current.type))}, cannot be changed by parts: ${cause.message}`,
      hint: 'Commit a whole value in its place.',
      cause,
    })
  }
}

function otherType(name: string, type: string, right: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    key: name,
    message: `A change by parts is of type ${JSON.stringify(right)}, not ${JSON.stringify(printable(type))}.`,
    hint: 'Leave the type out.',
  })
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64')
}
