import { channel } from 'node:diagnostics_channel'
import type { AddOptions, ChangeOptions, Parent } from './change-options.ts'
import type { CompactOptions, CompactReport } from './compact.ts'
import type { VersionedDocument } from './document.ts'
import type { CommitOptions } from './document-changes.ts'
import type { Recovered, RecoverOptions } from './document-recovery.ts'
import { KeelstateError } from './errors.ts'
import type { HeadWriter } from './head-writer.ts'
import { type Lease, leaseLost, tellReleaseFailed } from './lease.ts'
import { higher, type RememberedHead, toRemember } from './memory.ts'
import type { PrunePolicy, PruneReport } from './prune.ts'
import type { Revision, RevisionInfo } from './revision.ts'
import type { SpooledSave } from './spool.ts'
import type { CallOptions } from './store.ts'

const rebaseFailures = channel('keelstate:rebase-failed')

/**
 * A document while its lock is held. Every change is made under the lease: it carries the lease's fence, and is refused with `LeaseLost` once the lease is
 * gone, by this object or by the store. There is no `update`: nobody else should be changing the document.
 */
export class LockedDocument<T, C = never> {
  readonly name: string
  readonly #document: VersionedDocument<T, C>
  readonly #writer: HeadWriter
  readonly #lease: Lease
  readonly #onReleaseFailed: ((error: unknown) => void) | undefined
  /** With its content, unless the lock was taken without it. */
  #current: RevisionInfo | Revision<T> | undefined
  #certain = true
  #ended = false
  #rebasing: Promise<void> | undefined
  #underWay = 0

  /** @internal Made by `VersionedDocument.lock`. */
  constructor(
    document: VersionedDocument<T, C>,
    writer: HeadWriter,
    lease: Lease,
    current: RevisionInfo | Revision<T> | undefined,
    onReleaseFailed: ((error: unknown) => void) | undefined,
  ) {
    this.name = document.name
    this.#document = document
    this.#writer = writer
    this.#lease = lease
    this.#current = current
    this.#onReleaseFailed = onReleaseFailed
  }

  /**
   * The current revision as this handle last saw it: when the lock was taken, or after its own last change.
   *
   * @throws {KeelstateError} `InvalidInput` when its content was not read because the lock was taken with `content: false`.
   */
  get current(): Revision<T> | undefined {
    if (this.#current === undefined || 'value' in this.#current) return this.#current
    throw new KeelstateError('InvalidInput', {
      key: this.name,
      message: `The lock of ${this.name} was taken without reading the content of what is current.`,
      hint: 'currentInfo says what is current. Take the lock without content: false to have its value.',
    })
  }

  /** `current` without its value: there also when the lock was taken with `content: false`. */
  get currentInfo(): RevisionInfo | undefined {
    return this.#current
  }

  /** Names this acquisition: what `keelstate unlock --owner` and `KEELSTATE_OWNER` take. */
  get owner(): string {
    return this.#lease.owner
  }

  /** Fencing token: higher than that of every earlier holder. */
  get fence(): bigint {
    return this.#lease.fence
  }

  /** Fires, for good, when the lock is lost: renewed too late, or broken. Its reason is a `LeaseLost` error. */
  get signal(): AbortSignal {
    return this.#lease.signal
  }

  /**
   * Adds a revision and makes it current.
   *
   * @param options.parent What it replaces; default what this handle saw last.
   * @throws {KeelstateError} `LeaseLost`; `Conflict` when somebody without a lock changed the document; `OutcomeUnknown`.
   */
  async commit(value: T | C, options: Partial<CommitOptions> = {}): Promise<Revision<T>> {
    return this.#move(await this.#noting(() => this.#document.commit(value, this.#onWhatWasSeen(options))))
  }

  /** As `VersionedDocument.recover`, under this lock. */
  async recover(save: SpooledSave, options: RecoverOptions = {}): Promise<Recovered> {
    const recovered = await this.#noting(() => this.#document.recover(save, options))
    if (recovered.revision?.current) this.#current = recovered.revision
    return recovered
  }

  /** As `VersionedDocument.add`. */
  async add(value: T | C, options: AddOptions = {}): Promise<RevisionInfo> {
    return await this.#noting(() => this.#document.add(value, options))
  }

  /**
   * As `VersionedDocument.setCurrent`.
   *
   * @param options.parent What must be current; default what this handle saw last.
   */
  async setCurrent(reference: string, options: CallOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    const { id } = await this.#noting(() => this.#document.setCurrent(reference, this.#onWhatWasSeen(options)))
    return this.#move(await this.#document.revision(id, options)) // by now the reference may mean another one
  }

  /** As `VersionedDocument.drop`. */
  async drop(ids: readonly string[], options: CallOptions = {}): Promise<PruneReport> {
    return await this.#noting(() => this.#document.drop(ids, options))
  }

  /**
   * As `VersionedDocument.rollback`.
   *
   * @param options.parent What it replaces; default what this handle saw last.
   */
  async rollback(reference: string, options: ChangeOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    return this.#move(await this.#noting(() => this.#document.rollback(reference, this.#onWhatWasSeen(options))))
  }

  /** As `VersionedDocument.label`. */
  async label(label: string, reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    return await this.#noting(() => this.#document.label(label, reference, options))
  }

  /** As `VersionedDocument.unlabel`. */
  async unlabel(label: string, options: CallOptions = {}): Promise<void> {
    await this.#noting(() => this.#document.unlabel(label, options))
  }

  /**
   * As `VersionedDocument.delete`.
   *
   * @param options.parent What must be current; default what this handle saw last.
   */
  async delete(options: ChangeOptions & { parent?: Parent } = {}): Promise<void> {
    await this.#noting(() => this.#document.delete(this.#onWhatWasSeen(options)))
    this.#current = undefined
  }

  /** As `VersionedDocument.prune`. */
  async prune(policy: PrunePolicy, options: CallOptions = {}): Promise<PruneReport> {
    return await this.#noting(() => this.#document.prune(policy, options))
  }

  /** As `VersionedDocument.compact`. */
  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    return await this.#noting(() => this.#document.compact(options))
  }

  /**
   * Gives the lock up; takes 10 s at most, and is the end: no change begins under it from the call on. Calling it again does nothing.
   *
   * Where many changes stand on the last whole content, the current one is stored whole before, for which it takes 20 s more at most; should that fail, the
   * next holder does it.
   *
   * @param options.signal Ends the attempts: settles within 5 s then.
   * @returns Whether it was held to the end. False when it was broken or taken over before: `signal` has fired, and its reason says which. False, too,
   *   when an earlier call failed.
   * @throws {KeelstateError} when it is not known that the lock was given up; it ends with its lease then, unless `forceUnlock(owner)` ends it before.
   */
  async release(options: CallOptions = {}): Promise<boolean> {
    this.#rebasing ??= this.#rebase(options)
    this.#ended = true
    await this.#rebasing
    return await this.#lease.release(this.#seen(), this.#certain && this.#underWay === 0, options)
  }

  /** The highest head that was seen. What readers remember is bounded, and this document may have been forgotten there. */
  #seen(): RememberedHead | undefined {
    const { memory, identity } = this.#writer.access
    const known = this.#writer.known?.head
    const remembered = memory.recall(identity)
    return known === undefined ? remembered : higher(remembered, toRemember(known.header))
  }

  /** Leaves the lock held, without renewing it, for a process that is told `owner`. This handle is of no use afterwards. */
  leave(): void {
    this.#lease.leave()
  }

  /** Releases, and never rejects: a failed release must not hide the error that led here. It is told to `onReleaseFailed` and published. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release()
    } catch (error) {
      tellReleaseFailed(this.name, error)
      this.#onReleaseFailed?.(error)
    }
  }

  /** What somebody without a lock wrote meanwhile is never replaced unseen: that is a `Conflict`. */
  #onWhatWasSeen<O extends { parent?: Parent }>(options: O): O & { parent: Parent } {
    return { ...options, parent: options.parent ?? this.#current ?? 'none' }
  }

  #move(current: Revision<T>): Revision<T> {
    this.#current = current
    return current
  }

  async #rebase(options: CallOptions): Promise<void> {
    if (this.#lease.signal.aborted) return
    try {
      await this.#noting(() => this.#document.rebase(options))
    } catch (error) {
      rebaseFailures.publish({ name: this.name, error })
    }
  }

  /** A commit whose outcome is not known, or that nobody waited for, may yet land: the next holder must claim the head first. */
  async #noting<R>(change: () => Promise<R>): Promise<R> {
    if (this.#ended) throw leaseLost(this.name, 'it is released')
    this.#underWay++
    try {
      return await change()
    } catch (error) {
      if (KeelstateError.is(error, 'OutcomeUnknown') || KeelstateError.is(error, 'RolledBack')) this.#certain = false
      throw error
    } finally {
      this.#underWay--
    }
  }
}
