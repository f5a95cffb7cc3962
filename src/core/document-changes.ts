import { createHash } from 'node:crypto'
import { type Access, deadlineFor } from './access.ts'
import {
  type AddOptions,
  type ChangeOptions,
  checkAdd,
  checkChange,
  conditionOf,
  type Parent,
  signatureOf,
} from './change-options.ts'
import { mayReferTo, type Prepared, prepareContent, readContent } from './contents.ts'
import { ReadableDocument } from './document-reader.ts'
import { addRevision, bury, checkCondition, INLINE_BYTES, moveCurrent, removeLabel, setLabel } from './draft.ts'
import { KeelstateError, printable } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadBody } from './head-body.ts'
import type { Change, Draft, HeadWriter, Landed } from './head-writer.ts'
import { History } from './history.ts'
import { drop, type PrunePolicy, type PruneReport, prune } from './prune.ts'
import type { Content, RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type Revision, type RevisionInfo } from './revision.ts'
import type { CallOptions } from './store.ts'

/** Bytes that a revision's record takes in a head, roughly. */
export const RECORD_WEIGHT: number = 400

/** What adding a revision with this content takes. Above `INLINE_BYTES` the content travels apart. */
function weightOf(body: Uint8Array): number {
  return body.length > INLINE_BYTES ? RECORD_WEIGHT : RECORD_WEIGHT + body.length
}

export interface CommitOptions extends AddOptions {
  /**
   * What this change replaces. A revision that was read: it must still be current, and not have been left in between. An id: it must be
   * current. `'none'`: there must be no current revision. `'any'`: whatever is current.
   */
  parent: Parent
}

/**
 * The changes that can be made to a document, with its lock or without: each is one conditional write of the head, after uploads for contents
 * over 8 KiB. It landed, was refused, or rejects with `OutcomeUnknown`.
 */
export class ChangeableDocument<T> extends ReadableDocument<T> {
  /**
   * Adds a revision and makes it current.
   *
   * @throws {KeelstateError} `Conflict` when `parent` is not what is current; `OutcomeUnknown` when it cannot be known whether it landed.
   */
  async commit(value: T, options: CommitOptions): Promise<Revision<T>> {
    checkAdd(options)
    const condition = conditionOf(options.parent)
    const { codec } = this.parts
    const body = await codec.encode(value)
    const writer = await this.parts.writer()
    const prepared = await this.#prepare(writer, body, options.signal)
    const { result, write } = await this.submit(
      writer,
      {
        weight: weightOf(body),
        apply: async (draft, deadline) => {
          checkCondition(draft.body, condition, this.name)
          await this.#refuseTaken(writer, draft, deadline, options)
          return await this.addAndMove(writer.access, draft, body, prepared, options, deadline)
        },
      },
      options.signal,
    )
    return this.landed(result, write, value)
  }

  /**
   * Adds a revision without making it current: `setCurrent` may, later.
   *
   * @throws {KeelstateError} `Conflict` when it was made elsewhere and its id is taken.
   */
  async add(value: T, options: AddOptions = {}): Promise<RevisionInfo> {
    checkAdd(options)
    const body = await this.parts.codec.encode(value)
    const writer = await this.parts.writer()
    const prepared = await this.#prepare(writer, body, options.signal)
    const { result, write } = await this.submit(
      writer,
      {
        weight: weightOf(body),
        apply: async (draft, deadline) => {
          await this.#refuseTaken(writer, draft, deadline, options)
          const content = await this.#contentFor(writer.access, draft, body, prepared, deadline)
          const added = this.#record(
            writer.access,
            draft,
            { content, bytes: body.length, digest: digestOf(body) },
            options,
          )
          return { body: withLabel(added.body, options.label, added.record), result: added.record }
        },
      },
      options.signal,
    )
    return infoOf(result, { body: write.body, seq: write.header.seq })
  }

  /**
   * Makes a kept revision current as it is, without adding one. History does not show it; prefer `rollback`.
   *
   * @throws {KeelstateError} `NotFound` when no kept revision has that name.
   */
  async setCurrent(reference: string, options: CallOptions & { parent?: Parent } = {}): Promise<RevisionInfo> {
    const condition = conditionOf(options.parent ?? 'any')
    const target = await this.info(reference, options)
    const writer = await this.parts.writer()
    const { result, write } = await this.submit(
      writer,
      {
        weight: RECORD_WEIGHT,
        apply: async (draft, deadline) => {
          checkCondition(draft.body, condition, this.name)
          const found = await new History(writer.access, writer.segments, draft, deadline).byReference(
            target.id,
            this.name,
          )
          const { at } = signatureOf(writer.access, {}, this.parts.by)
          return { body: moveCurrent(draft.body, draft.seq, found.record, found.stored, at), result: found.record }
        },
      },
      options.signal,
    )
    return infoOf(result, { body: write.body, seq: write.header.seq })
  }

  /**
   * Drops revisions by id from the history, in one head write. Ids of revisions that are not there are ignored; one that bears a label stays, as it does in
   * `prune`. Their numbers are never used again. A content that no kept revision shares is condemned with them: a `collect` after its grace period deletes
   * it.
   *
   * @returns The ids that were dropped, newest first, and how many revisions are kept.
   * @throws {KeelstateError} `Conflict` when one of them is current; nothing is dropped then.
   */
  async drop(ids: readonly string[], options: CallOptions = {}): Promise<PruneReport> {
    return await drop(await this.parts.writer(), ids, this.name, this.parts.lease, options.signal)
  }

  /** Makes an earlier content current again, as a new revision that shares it: history says who went back, and why. */
  async rollback(reference: string, options: ChangeOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    checkChange(options)
    const condition = conditionOf(options.parent ?? 'any')
    const { codec, contents } = this.parts
    const writer = await this.parts.writer()
    const target = await this.info(reference, options) // a relative name means what it means now
    const { result, write } = await this.submit(
      writer,
      {
        weight: RECORD_WEIGHT,
        apply: async (draft, deadline) => {
          checkCondition(draft.body, condition, this.name)
          const { record } = await new History(writer.access, writer.segments, draft, deadline).byReference(
            target.id,
            this.name,
          )
          const opened = await codec.decode(
            await readContent(writer.access, contents, record.content, draft.keys, deadline),
            record.type,
          )
          const { content, bytes, digest } = record
          const rollback = { content, bytes, digest, from: record.id }
          const added = this.#addCurrent(writer.access, draft, rollback, { ...options, type: record.type })
          return { body: added.body, result: { ...added.result, value: opened } }
        },
      },
      options.signal,
    )
    return this.landed(result, write, result.value)
  }

  /** Names a kept revision. A label that exists is moved. */
  async label(label: string, reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    const target = await this.info(reference, options)
    const writer = await this.parts.writer()
    const { result, write } = await this.submit(
      writer,
      {
        weight: 200,
        apply: async (draft, deadline) => {
          const { record } = await new History(writer.access, writer.segments, draft, deadline).byReference(
            target.id,
            this.name,
          )
          return { body: setLabel(draft.body, label, record), result: record }
        },
      },
      options.signal,
    )
    return infoOf(result, { body: write.body, seq: write.header.seq })
  }

  /** @throws {KeelstateError} `NotFound` (subject `label`) when there is no such label. */
  async unlabel(label: string, options: CallOptions = {}): Promise<void> {
    const writer = await this.parts.writer()
    await this.submit(
      writer,
      {
        weight: 0,
        apply: async ({ body }) => {
          if (!body.labels.has(label)) {
            throw new KeelstateError('NotFound', {
              key: this.name,
              message: `${this.name} has no label ${JSON.stringify(label)}.`,
              details: { subject: 'label' },
            })
          }
          return { body: removeLabel(body, label), result: undefined }
        },
      },
      options.signal,
    )
  }

  /**
   * Deletes the document: a tombstone takes the place of everything, revisions and labels included. A later commit with `parent: 'none'` begins
   * anew and goes on counting. The objects stay for their grace period, until `collect`.
   *
   * @throws {KeelstateError} `NotFound` when there is nothing to delete.
   */
  async delete(options: ChangeOptions & { parent?: Parent } = {}): Promise<void> {
    checkChange(options)
    const condition = conditionOf(options.parent ?? 'any')
    const writer = await this.parts.writer()
    await this.submit(
      writer,
      {
        weight: 0,
        apply: async ({ body, seq }) => {
          if (body.lastNumber === 0 || body.tombstone !== undefined) throw this.absent()
          checkCondition(body, condition, this.name)
          return { body: bury(body, seq, signatureOf(writer.access, options, this.parts.by)), result: undefined }
        },
      },
      options.signal,
    )
  }

  /** Drops old revisions by policy. */
  async prune(policy: PrunePolicy, options: CallOptions = {}): Promise<PruneReport> {
    return await prune(await this.parts.writer(), policy, this.parts.lease, options.signal)
  }

  /** @internal */
  protected submit<R>(writer: HeadWriter, change: Change<R>, signal: AbortSignal | undefined): Promise<Landed<R>> {
    return writer.submit({ ...change, lease: this.parts.lease }, signal)
  }

  /** Uploads a large content before its head write is queued, so that uploads of many callers go side by side. */
  async #prepare(writer: HeadWriter, body: Uint8Array, signal: AbortSignal | undefined): Promise<{ now: Prepared }> {
    if (body.length <= INLINE_BYTES) return { now: { inline: body } }
    const deadline = deadlineFor(writer.access, signal)
    const head = writer.known === undefined ? await writer.refresh(deadline) : writer.known.head
    return {
      now: await prepareContent(
        writer.access,
        body,
        await writer.keysFor(head, deadline),
        head?.header.seq ?? 0,
        deadline,
      ),
    }
  }

  /** An id that comes from elsewhere may be taken: two revisions never share one. */
  async #refuseTaken(writer: HeadWriter, draft: Draft, deadline: Deadline, { made }: AddOptions): Promise<void> {
    if (made === undefined) return
    const taken = await new History(writer.access, writer.segments, draft, deadline).byId(made.id)
    if (taken === undefined) return
    throw new KeelstateError('Conflict', {
      key: this.name,
      message: `${this.name} has a revision ${printable(made.id)} already.`,
      hint: 'Compare the two: its SHA-256 says whether it is the same content.',
    })
  }

  /** What the head will refer to: uploaded again where a barrier or a new data key came between. What was uploaded need not be read back. */
  async #contentFor(
    access: Access,
    draft: Draft,
    body: Uint8Array,
    prepared: { now: Prepared },
    deadline: Deadline,
  ): Promise<Content> {
    if (!mayReferTo(prepared.now, draft.base?.body.barrier ?? 0, draft.keys)) {
      prepared.now = await prepareContent(access, body, draft.keys, draft.base?.header.seq ?? 0, deadline)
    }
    if ('inline' in prepared.now) return prepared.now
    const { reference } = prepared.now.upload
    this.parts.contents.set(reference.object, body)
    return { reference }
  }

  /** @internal */
  protected async addAndMove(
    access: Access,
    draft: Draft,
    body: Uint8Array,
    prepared: { now: Prepared },
    options: AddOptions,
    deadline: Deadline,
  ): Promise<Added> {
    const content = await this.#contentFor(access, draft, body, prepared, deadline)
    return this.#addCurrent(access, draft, { content, bytes: body.length, digest: digestOf(body) }, options)
  }

  #addCurrent(access: Access, draft: Draft, what: NewContent, options: AddOptions): Added {
    const { body, record } = this.#record(access, draft, what, options)
    const moved = moveCurrent(body, draft.seq, record, false, record.at)
    const replaced = draft.body.current
    return {
      body: withLabel(moved, options.label, record),
      result: {
        record,
        ...(replaced === undefined ? {} : { replaced: infoOf(replaced, { body: draft.body, seq: draft.seq - 1 }) }),
      },
    }
  }

  #record(
    access: Access,
    draft: Draft,
    what: NewContent,
    options: AddOptions,
  ): { body: HeadBody; record: RevisionRecord } {
    const type = options.type ?? this.parts.codec.type
    const ids = this.parts.revisionIds(type, draft.body.lastIds)
    const last = draft.body.lastIds.get(ids.form) ?? ''
    const now = access.environment.now() // one reading: a name that is a time agrees with `at`
    const clock = { now: () => now, random: () => access.environment.random() }
    const id = options.made?.id ?? ids.next(clock, last)
    if (!ids.has(id)) throw strangeId(id, ids.form)
    const newest = last !== '' && ids.compare(id, last) < 0 ? last : id
    return addRevision({ ...draft.body, lastIds: new Map(draft.body.lastIds).set(ids.form, newest) }, draft.seq, {
      id,
      ...signatureOf(access, options, this.parts.by, now),
      ...(options.made === undefined ? {} : { at: options.made.at }),
      type,
      ...what,
      epoch: draft.epoch,
    })
  }

  /** @internal */
  protected landed(
    result: Added['result'],
    write: { body: Head['body']; header: Head['header'] },
    value: T,
  ): Revision<T> {
    const info = infoOf(result.record, { body: write.body, seq: write.header.seq })
    return { ...info, value, ...(result.replaced === undefined ? {} : { replaced: result.replaced }) }
  }
}

/** @internal */
export interface Added {
  body: Head['body']
  result: { record: RevisionRecord; replaced?: RevisionInfo }
}

interface NewContent {
  readonly content: Content
  readonly bytes: number
  readonly digest: string
  readonly from?: string
}

function withLabel(body: HeadBody, label: string | undefined, record: RevisionRecord): HeadBody {
  return label === undefined ? body : setLabel(body, label, record)
}

function strangeId(id: string, form: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: `${JSON.stringify(printable(id, 80))} cannot name a revision here: ids of this document are of the form "${form}".`,
  })
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64')
}
