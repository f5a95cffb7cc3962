import { createHash } from 'node:crypto'
import { type Access, deadlineFor } from './access.ts'
import { type ChangeOptions, checkChange, conditionOf, type Parent, signatureOf } from './change-options.ts'
import { type CollectOptions, type CollectReport, collect } from './collect.ts'
import { mayReferTo, type Prepared, prepareContent, readContent } from './contents.ts'
import { ReadableDocument } from './document-reader.ts'
import { addRevision, bury, checkCondition, INLINE_BYTES, moveCurrent, removeLabel, setLabel } from './draft.ts'
import { KeelstateError } from './errors.ts'
import type { Head } from './head.ts'
import type { Change, Draft, HeadWriter, Landed } from './head-writer.ts'
import { History } from './history.ts'
import type { Lease, LockHolder, LockOptions } from './lease.ts'
import { LockedDocument } from './locked-document.ts'
import { toRemember } from './memory.ts'
import { type PrunePolicy, type PruneReport, prune } from './prune.ts'
import type { Content, RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type Revision, type RevisionInfo } from './revision.ts'
import type { CallOptions } from './store.ts'

const RECORD_WEIGHT = 400 // bytes that a revision's record takes in a head, roughly

export interface CommitOptions extends ChangeOptions {
  /**
   * What this change replaces. A revision that was read: it must still be current, and not have been left in between. An id: it must be
   * current. `'none'`: there must be no current revision. `'any'`: whatever is current.
   */
  parent: Parent
}

/**
 * One versioned document: a head that moves only by conditional write, and the revisions that it leads to.
 *
 * Every change is one conditional write of the head (after uploads, for contents over 8 KiB), and either landed, was refused, or rejects
 * with `OutcomeUnknown`.
 */
export class VersionedDocument<T> extends ReadableDocument<T> {
  /**
   * Adds a revision and makes it current.
   *
   * @throws {KeelstateError} `Conflict` when `parent` is not what is current; `OutcomeUnknown` when it cannot be known whether it landed.
   */
  async commit(value: T, options: CommitOptions): Promise<Revision<T>> {
    checkChange(options)
    const condition = conditionOf(options.parent)
    const { codec } = this.parts
    const body = Uint8Array.from(codec.encode(value))
    const writer = await this.parts.writer()
    const prepared = await this.#prepare(writer, body, options.signal)
    const { result, write } = await this.#submit(writer,
      {
        weight: RECORD_WEIGHT + Math.min(body.length, INLINE_BYTES),
        apply: async (draft, deadline) => {
          checkCondition(draft.body, condition, this.name)
          return await this.#addAndMove(writer.access, draft, body, prepared, options, deadline)
        },
      },
      options.signal,
    )
    return this.#landed(result, write, value)
  }

  /**
   * Reads the current value, lets `change` make the next, and commits that on it; after a conflict, again. Concurrent calls in one process share
   * writes: each gets the result of the one before.
   *
   * @param change Must not have effects of its own: it may run several times. What it throws is thrown, and nothing is written for it.
   */
  async update(
    change: (now: T | undefined, current: RevisionInfo | undefined) => T | Promise<T>,
    options: ChangeOptions = {},
  ): Promise<Revision<T>> {
    checkChange(options)
    const { codec, contents } = this.parts
    const writer = await this.parts.writer()
    const { result, write } = await this.#submit(writer,
      {
        weight: RECORD_WEIGHT,
        apply: async (draft, deadline) => {
          const { current } = draft.body
          const now =
            current &&
            codec.decode(
              await readContent(writer.access, contents, current.content, draft.keys, deadline),
              current.type,
            )
          const value = await change(now, current && infoOf(current, { body: draft.body, seq: draft.seq - 1 }))
          const body = Uint8Array.from(codec.encode(value))
          const base = draft.base?.header.seq ?? 0
          const prepared = { now: await prepareContent(writer.access, body, draft.keys, base, deadline) }
          const added = await this.#addAndMove(writer.access, draft, body, prepared, options, deadline)
          return { body: added.body, result: { ...added.result, value } }
        },
      },
      options.signal,
    )
    return this.#landed(result, write, result.value)
  }

  /** Makes an earlier content current again, as a new revision that shares it: history says who went back, and why. */
  async rollback(reference: string, options: ChangeOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    checkChange(options)
    const condition = conditionOf(options.parent ?? 'any')
    const { codec, contents } = this.parts
    const writer = await this.parts.writer()
    const target = await this.info(reference, options) // a relative name means what it means now
    const { result, write } = await this.#submit(writer,
      {
        weight: RECORD_WEIGHT,
        apply: async (draft, deadline) => {
          checkCondition(draft.body, condition, this.name)
          const { record } = await new History(writer.access, writer.segments, draft, deadline).byReference(
            target.id,
            this.name,
          )
          const opened = codec.decode(
            await readContent(writer.access, contents, record.content, draft.keys, deadline),
            record.type,
          )
          const added = this.#add(
            writer.access,
            draft,
            { ...record, from: record.id },
            { ...options, type: record.type },
          )
          return { body: added.body, result: { ...added.result, value: opened } }
        },
      },
      options.signal,
    )
    return this.#landed(result, write, result.value)
  }

  /** Names a kept revision. A label that exists is moved. */
  async label(label: string, reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    const target = await this.info(reference, options)
    const writer = await this.parts.writer()
    const { result, write } = await this.#submit(writer,
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
    await this.#submit(writer,
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
    await this.#submit(writer,
      {
        weight: 0,
        apply: async ({ base, body, seq }) => {
          if (base === undefined || body.tombstone !== undefined) throw this.absent()
          checkCondition(body, condition, this.name)
          return { body: bury(body, seq, signatureOf(writer.access, options, this.parts.by)), result: undefined }
        },
      },
      options.signal,
    )
  }

  /**
   * Takes the document's lock and reads the current revision beside it.
   *
   * Prefer `withLock`, which cannot forget to release. The handle renews its lease until it is released.
   *
   * @throws {KeelstateError} `Locked` when another holder has it after `waitMs`, saying who; `RolledBack`.
   */
  async lock(options: LockOptions): Promise<LockedDocument<T>> {
    const writer = await this.parts.writer()
    return await this.#handle(writer, await this.parts.locker.acquire(writer, options), options)
  }

  /**
   * Works under a lock that somebody took for this process and told it the owner id of. Leaving does not release it.
   *
   * @throws {KeelstateError} `LeaseLost` when it is not held under that id.
   */
  async lockedBy(owner: string, options: CallOptions = {}): Promise<LockedDocument<T>> {
    const writer = await this.parts.writer()
    return await this.#handle(writer, await this.parts.locker.resume(writer, owner, options), options)
  }

  /**
   * Runs `work` while holding the lock, and releases it whatever happens.
   *
   * @param work Gets the locked document; its `signal` fires when the lock is lost.
   * @throws What `work` throws, or `Locked`. A failed release after `work` failed is only told to `onReleaseFailed`.
   */
  async withLock<R>(options: LockOptions, work: (held: LockedDocument<T>) => R | Promise<R>): Promise<R> {
    const held = await this.lock(options)
    let result: R
    try {
      result = await work(held)
    } catch (error) {
      await held[Symbol.asyncDispose]()
      throw error
    }
    await held.release()
    return result
  }

  /** Who holds the lock, or held it last; `undefined` when it was never taken. */
  async holder(options: CallOptions = {}): Promise<LockHolder | undefined> {
    return await this.parts.locker.holder(await this.parts.writer(), options)
  }

  /**
   * Breaks the lock of the holder with this owner id. From then on the store refuses whatever that holder still tries to write here.
   *
   * @throws {KeelstateError} `Conflict` when it is not held under that id; nothing is broken then.
   */
  async forceUnlock(owner: string, options: CallOptions = {}): Promise<void> {
    await this.parts.locker.forceUnlock(await this.parts.writer(), owner, options)
  }

  /** Drops old revisions by policy. */
  async prune(policy: PrunePolicy, options: CallOptions = {}): Promise<PruneReport> {
    return await prune(await this.parts.writer(), policy, options.signal)
  }

  /** Deletes objects that nothing refers to. */
  async collect(options: CollectOptions = {}): Promise<CollectReport> {
    return await collect(await this.parts.writer(), options)
  }

  async #handle(
    writer: HeadWriter,
    { lease, head }: { lease: Lease; head: Head | undefined },
    options: CallOptions & Pick<LockOptions, 'onReleaseFailed'>,
  ): Promise<LockedDocument<T>> {
    const bound = new VersionedDocument<T>({ ...this.parts, lease })
    try {
      const current = head?.body.current === undefined ? undefined : await bound.readAt(head, options)
      return new LockedDocument<T>(bound, writer, lease, current, options.onReleaseFailed)
    } catch (error) {
      await lease.release(head && toRemember(head.header), true).catch(() => undefined)
      throw error
    }
  }

  #submit<R>(writer: HeadWriter, change: Change<R>, signal: AbortSignal | undefined): Promise<Landed<R>> {
    return writer.submit({ ...change, lease: this.parts.lease }, signal)
  }

  /** Uploads a large content before its head write is queued, so that uploads of many callers go side by side. */
  async #prepare(writer: HeadWriter, body: Uint8Array, signal: AbortSignal | undefined): Promise<{ now: Prepared }> {
    if (body.length <= INLINE_BYTES) return { now: { inline: body } }
    const deadline = deadlineFor(writer.access, signal)
    const head = writer.known === undefined ? await writer.refresh(deadline) : writer.known.head
    return {
      now: await prepareContent(writer.access, body, await writer.keysFor(head), head?.header.seq ?? 0, deadline),
    }
  }

  async #addAndMove(
    access: Access,
    draft: Draft,
    body: Uint8Array,
    prepared: { now: Prepared },
    options: ChangeOptions,
    deadline: Deadline,
  ): Promise<Added> {
    if (!mayReferTo(prepared.now, draft.base?.body.barrier ?? 0, draft.keys)) {
      prepared.now = await prepareContent(access, body, draft.keys, draft.base?.header.seq ?? 0, deadline)
    }
    const content = 'inline' in prepared.now ? prepared.now : { reference: prepared.now.upload.reference }
    const digest = createHash('sha256').update(body).digest('base64')
    return this.#add(access, draft, { content, bytes: body.length, digest }, options)
  }

  #add(
    access: Access,
    draft: Draft,
    what: { content: Content; bytes: number; digest: string; from?: string },
    options: ChangeOptions,
  ): Added {
    const { environment } = access
    const signature = signatureOf(access, options, this.parts.by)
    const id = this.parts.revisionIds(environment, draft.body.lastId)
    const { body, record } = addRevision({ ...draft.body, lastId: id }, draft.seq, {
      id,
      ...signature,
      type: options.type ?? this.parts.codec.type,
      bytes: what.bytes,
      digest: what.digest,
      content: what.content,
      ...(what.from === undefined ? {} : { from: what.from }),
      epoch: draft.epoch,
    })
    const moved = moveCurrent(body, draft.seq, record, false, signature.at)
    const replaced = draft.body.current
    return {
      body: options.label === undefined ? moved : setLabel(moved, options.label, record),
      result: {
        record,
        ...(replaced === undefined ? {} : { replaced: infoOf(replaced, { body: draft.body, seq: draft.seq - 1 }) }),
      },
    }
  }

  #landed(result: Added['result'], write: { body: Head['body']; header: Head['header'] }, value: T): Revision<T> {
    const info = infoOf(result.record, { body: write.body, seq: write.header.seq })
    return { ...info, value, ...(result.replaced === undefined ? {} : { replaced: result.replaced }) }
  }
}

interface Added {
  body: Head['body']
  result: { record: RevisionRecord; replaced?: RevisionInfo }
}
