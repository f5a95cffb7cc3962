import { channel } from 'node:diagnostics_channel'
import type { AddOptions, ChangeOptions, Parent } from './change-options.ts'
import type { CompactOptions, CompactReport } from './compact.ts'
import type { VersionedDocument } from './document.ts'
import { KeelstateError } from './errors.ts'
import type { HeadWriter } from './head-writer.ts'
import type { Lease } from './lease.ts'
import type { PrunePolicy, PruneReport } from './prune.ts'
import type { Revision, RevisionInfo } from './revision.ts'
import type { CallOptions } from './store.ts'

const releaseFailures = channel('keelstate:release-failed')
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
  #current: Revision<T> | undefined
  #certain = true
  #released = false
  #underWay = 0

  /** @internal Made by `VersionedDocument.lock`. */
  constructor(
    document: VersionedDocument<T, C>,
    writer: HeadWriter,
    lease: Lease,
    current: Revision<T> | undefined,
    onReleaseFailed: ((error: unknown) => void) | undefined,
  ) {
    this.name = document.name
    this.#document = document
    this.#writer = writer
    this.#lease = lease
    this.#current = current
    this.#onReleaseFailed = onReleaseFailed
  }

  /** The current revision as this handle last saw it: when the lock was taken, or after its own last change. */
  get current(): Revision<T> | undefined {
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
  async commit(value: T | C, options: AddOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    this.#current = await this.#noting(
      this.#document.commit(value, { ...options, parent: options.parent ?? this.#current ?? 'none' }),
    )
    return this.#current
  }

  /** As `VersionedDocument.add`. */
  async add(value: T | C, options: AddOptions = {}): Promise<RevisionInfo> {
    return await this.#noting(this.#document.add(value, options))
  }

  /** As `VersionedDocument.setCurrent`. */
  async setCurrent(reference: string, options: CallOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    const { id } = await this.#noting(this.#document.setCurrent(reference, options))
    this.#current = await this.#document.revision(id, options) // by now the reference may mean another one
    return this.#current
  }

  /** As `VersionedDocument.drop`. */
  async drop(ids: readonly string[], options: CallOptions = {}): Promise<PruneReport> {
    return await this.#noting(this.#document.drop(ids, options))
  }

  /** As `VersionedDocument.rollback`. */
  async rollback(reference: string, options: ChangeOptions & { parent?: Parent } = {}): Promise<Revision<T>> {
    this.#current = await this.#noting(this.#document.rollback(reference, options))
    return this.#current
  }

  /** As `VersionedDocument.label`. */
  async label(label: string, reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    return await this.#noting(this.#document.label(label, reference, options))
  }

  /** As `VersionedDocument.unlabel`. */
  async unlabel(label: string, options: CallOptions = {}): Promise<void> {
    await this.#noting(this.#document.unlabel(label, options))
  }

  /** As `VersionedDocument.delete`. */
  async delete(options: ChangeOptions & { parent?: Parent } = {}): Promise<void> {
    await this.#noting(this.#document.delete(options))
    this.#current = undefined
  }

  /** As `VersionedDocument.prune`. */
  async prune(policy: PrunePolicy, options: CallOptions = {}): Promise<PruneReport> {
    return await this.#noting(this.#document.prune(policy, options))
  }

  /** As `VersionedDocument.compact`. */
  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    return await this.#noting(this.#document.compact(options))
  }

  /**
   * Gives the lock up. Calling it again does nothing. Where many changes stand on the last whole content, the current one is stored whole before; should
   * that fail, the next holder does it.
   *
   * @returns Whether it was held to the end. False when it was broken or taken over before: `signal` has fired, and its reason says which.
   * @throws {KeelstateError} when it is not known that the lock was given up; it ends with its lease then.
   */
  async release(): Promise<boolean> {
    await this.#rebase()
    const { memory, identity } = this.#writer.access
    return await this.#lease.release(memory.recall(identity), this.#certain && this.#underWay === 0)
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
      releaseFailures.publish({ name: this.name, error })
      this.#onReleaseFailed?.(error)
    }
  }

  async #rebase(): Promise<void> {
    if (this.#released || this.#lease.signal.aborted) return
    this.#released = true
    try {
      await this.#noting(this.#document.rebase())
    } catch (error) {
      rebaseFailures.publish({ name: this.name, error })
    }
  }

  /** A commit whose outcome is not known, or that nobody waited for, may yet land: the next holder must claim the head first. */
  async #noting<R>(change: Promise<R>): Promise<R> {
    this.#underWay++
    try {
      return await change
    } catch (error) {
      if (KeelstateError.is(error, 'OutcomeUnknown') || KeelstateError.is(error, 'RolledBack')) this.#certain = false
      throw error
    } finally {
      this.#underWay--
    }
  }
}
