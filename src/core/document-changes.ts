import type { Access } from './access.ts'
import { type Addition, additionOf, encodeValue, type Placed, RECORD_WEIGHT } from './additions.ts'
import {
  type AddOptions,
  type ChangeOptions,
  checkAdd,
  checkChange,
  conditionOf,
  type Parent,
  signatureOf,
} from './change-options.ts'
import { KeepingDocument } from './document-keeping.ts'
import { addRevision, bury, checkCondition, moveCurrent, type RecordContent, removeLabel, setLabel } from './draft.ts'
import { KeelstateError, printable } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadBody } from './head-body.ts'
import type { Change, Draft, HeadWriter, Landed } from './head-writer.ts'
import { History } from './history.ts'
import { drop, type PrunePolicy, type PruneReport, prune } from './prune.ts'
import type { RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type Revision, type RevisionInfo } from './revision.ts'
import type { Saving } from './saving.ts'
import type { CallOptions } from './store.ts'

export interface CommitOptions extends AddOptions {
  /**
   * What this change replaces. A revision that was read: it must still be current, and not have been left in between. An id: it must be
   * current. `'none'`: there must be no current revision. `'any'`: whatever is current.
   */
  parent: Parent
  /** What `saving` gave its work, of which this commit is the end. */
  saving?: Saving | undefined
}

/**
 * The changes that can be made to a document, with its lock or without: each is one conditional write of the head, after uploads for contents
 * over 8 KiB. It landed, was refused, or rejects with `OutcomeUnknown`.
 */
export class ChangeableDocument<T, C = never> extends KeepingDocument<T, C> {
  /**
   * Adds a revision and makes it current.
   *
   * @param value The whole value; or, where the document has them, a change of it, which costs what it changes.
   * @throws {KeelstateError} `Conflict` when `parent` is not what is current; `OutcomeUnknown` when it cannot be known whether it landed.
   */
  async commit(value: T | C, options: CommitOptions): Promise<Revision<T>> {
    checkAdd(options)
    const condition = conditionOf(options.parent)
    const making = () => options.saving?.replaces(condition) ?? this.saves('commit', options, condition)
    const { result, write } = await this.#adding(value, options, making, async (writer, draft, what, deadline) => {
      checkCondition(draft.body, condition, this.name)
      await this.refuseTaken(writer, draft, deadline, options)
      return await this.addAndMove(writer, draft, what, options, deadline)
    })
    return this.landed(result, write)
  }

  /**
   * Adds a revision without making it current: `setCurrent` may, later.
   *
   * @throws {KeelstateError} `Conflict` when it was made elsewhere and its id is taken.
   */
  async add(value: T | C, options: AddOptions = {}): Promise<RevisionInfo> {
    checkAdd(options)
    const making = () => this.saves('add', options, { kind: 'any' })
    const { result, write } = await this.#adding(value, options, making, async (writer, draft, what, deadline) => {
      await this.refuseTaken(writer, draft, deadline, options)
      return await this.addOnly(writer, draft, what, options, deadline)
    })
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
    const writer = await this.parts.writer(options.signal)
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
    return await drop(await this.parts.writer(options.signal), ids, this.name, this.parts.lease, options.signal)
  }

  /** Makes an earlier content current again, as a new revision that shares it: history says who went back, and why. */
  async rollback(reference: string, options: ChangeOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    checkChange(options)
    const condition = conditionOf(options.parent ?? 'any')
    const writer = await this.parts.writer(options.signal)
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
          const opened = await this.opened(this.chains(writer, draft, deadline), record)
          const back = { ...contentOf(record), from: record.id }
          const added = this.#addCurrent(writer.access, draft, back, { ...options, type: record.type })
          return { body: added.body, result: { ...added.result, value: () => opened } }
        },
      },
      options.signal,
    )
    return this.landed(result, write)
  }

  /** Names a kept revision. A label that exists is moved. */
  async label(label: string, reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    const target = await this.info(reference, options)
    const writer = await this.parts.writer(options.signal)
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
    const writer = await this.parts.writer(options.signal)
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
    const writer = await this.parts.writer(options.signal)
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
    return await prune(await this.parts.writer(options.signal), policy, this.parts.lease, options.signal)
  }

  /** @internal */
  protected submit<R>(writer: HeadWriter, change: Change<R>, signal: AbortSignal | undefined): Promise<Landed<R>> {
    return writer.submit({ ...change, lease: this.parts.lease }, signal)
  }

  /** Encodes a value and submits what adds it; should that fail, the value is kept, where the store keeps such. */
  async #adding<R>(
    value: T | C,
    options: AddOptions,
    making: () => Saving | Promise<Saving> | undefined,
    apply: (
      writer: HeadWriter,
      draft: Draft,
      what: Addition<T>,
      deadline: Deadline,
    ) => Promise<{ body: HeadBody; result: R }>,
  ): Promise<Landed<R>> {
    const encoded = await encodeValue(this.parts, value, options.type)
    const made = making()
    const saving = made && (await made)
    return await this.kept(saving, encoded, async () => {
      const writer = await this.parts.writer(options.signal)
      const what = additionOf(this.parts, encoded, writer)
      await what.prepare(options.signal)
      return await this.submit(
        writer,
        {
          weight: what.weight,
          apply: async (draft, deadline) => {
            saving?.judgedOn(draft)
            return await apply(writer, draft, what, deadline)
          },
          announce: saving?.announce,
        },
        options.signal,
      )
    })
  }

  /** @internal */
  protected async addOnly(
    writer: HeadWriter,
    draft: Draft,
    what: Addition<T>,
    options: AddOptions,
    deadline: Deadline,
  ): Promise<{ body: HeadBody; result: RevisionRecord }> {
    const placed = await what.place(draft, deadline)
    const added = this.#record(writer.access, draft, placed.content, { ...options, type: placed.type })
    this.#keep(writer, draft, added.record, placed, deadline)
    return { body: withLabel(added.body, options.label, added.record), result: added.record }
  }

  /** @internal An id that comes from elsewhere may be taken: two revisions never share one. */
  protected async refuseTaken(
    writer: HeadWriter,
    draft: Draft,
    deadline: Deadline,
    { made }: AddOptions,
  ): Promise<void> {
    if (made === undefined) return
    const taken = await new History(writer.access, writer.segments, draft, deadline).byId(made.id)
    if (taken === undefined) return
    throw new KeelstateError('Conflict', {
      key: this.name,
      message: `${this.name} has a revision ${printable(made.id)} already.`,
      hint: 'Compare the two: its SHA-256 says whether it is the same content.',
    })
  }

  /** @internal */
  protected async addAndMove(
    writer: HeadWriter,
    draft: Draft,
    what: Addition<T>,
    options: AddOptions,
    deadline: Deadline,
  ): Promise<{ body: HeadBody; result: Added['result'] & { value: () => T } }> {
    const placed = await what.place(draft, deadline)
    const added = this.#addCurrent(writer.access, draft, placed.content, { ...options, type: placed.type })
    this.#keep(writer, draft, added.result.record, placed, deadline)
    return { body: added.body, result: { ...added.result, value: placed.value } }
  }

  /** The next change stands on these parts. */
  #keep(writer: HeadWriter, draft: Draft, record: RevisionRecord, { parts }: Placed<T>, deadline: Deadline): void {
    if (parts !== undefined) this.chains(writer, draft, deadline).keep(record, parts)
  }

  #addCurrent(access: Access, draft: Draft, what: NewContent, options: AddOptions & { type: string }): Added {
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
    options: AddOptions & { type: string },
  ): { body: HeadBody; record: RevisionRecord } {
    const { type } = options
    const ids = this.parts.revisionIds(type, draft.body.lastIds)
    const last = draft.body.lastIds.get(ids.form) ?? ''
    const now = access.environment.now() // one reading: a name that is a time agrees with `at`
    const clock = { now: () => now, random: () => access.environment.random() }
    const id = options.made?.id ?? ids.next(clock, last)
    if (!ids.has(id)) throw strangeId(id, ids.form)
    const { at, by, message } = signatureOf(access, options, this.parts.by, now)
    const newest = last !== '' && ids.compare(id, last) < 0 ? last : id
    return addRevision({ ...draft.body, lastIds: new Map(draft.body.lastIds).set(ids.form, newest) }, draft.seq, {
      ...what,
      id,
      at: options.made?.at ?? at,
      by,
      message,
      type,
      epoch: draft.epoch,
    })
  }

  /** @internal */
  protected landed(
    result: Added['result'] & { value: () => T },
    write: { body: Head['body']; header: Head['header'] },
  ): Revision<T> {
    const info = infoOf(result.record, { body: write.body, seq: write.header.seq })
    let opened: { value: T } | undefined
    return {
      ...info,
      // Made when it is asked for: of a change of a large document it may cost more than the change did.
      get value() {
        opened ??= { value: result.value() }
        return opened.value
      },
      ...(result.replaced === undefined ? {} : { replaced: result.replaced }),
    }
  }
}

interface Added {
  body: Head['body']
  result: { record: RevisionRecord; replaced?: RevisionInfo }
}

interface NewContent extends RecordContent {
  readonly from?: string
}

/** A revision's content and what it stands on: two revisions may share both. */
function contentOf({ content, bytes, digest, base, full, parts }: RevisionRecord): RecordContent {
  return {
    content,
    bytes,
    digest,
    ...(base === undefined ? {} : { base }),
    ...(full === undefined ? {} : { full }),
    ...(parts === undefined ? {} : { parts }),
  }
}

function withLabel(body: HeadBody, label: string | undefined, record: RevisionRecord): HeadBody {
  return label === undefined ? body : setLabel(body, label, record)
}

function strangeId(id: string, form: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: `${JSON.stringify(printable(id, 80))} cannot name a revision here: ids of this document are of the form "${form}".`,
  })
}
