import { channel } from 'node:diagnostics_channel'
import type { Environment } from './environment.ts'
import { KeelstateError } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import type { HeadHeader } from './header.ts'
import type { RememberedHead } from './memory.ts'
import type { Limits } from './retry.ts'
import type { CallOptions } from './store.ts'

const releaseFailures = channel('keelstate:release-failed')

/** A lease as the head's writer sees it. */
export interface LeaseGuard {
  /** Grows with every holder. Goes into each head written under the lease; a head with a higher epoch is beyond it. */
  readonly fence: bigint
  /**
   * Resolves while the lease can be trusted for another write, after renewing it when little is left. A renewal that gets no answer is waited for as
   * long as one request may take; the write goes on then while the lease lasts.
   *
   * @throws {KeelstateError} `LeaseLost`, from then on always; `Aborted` (nothing was written) when the signal fires during a renewal.
   */
  ensure(options?: CallOptions): Promise<void>
}

/** A lease that this process holds. */
export interface Lease extends LeaseGuard {
  /** Random, made for this acquisition: what `unlock --owner` takes. */
  readonly owner: string
  /** Fires, for good, when the lease can no longer be trusted. */
  readonly signal: AbortSignal
  /**
   * Gives the lock up. Nothing is deleted, and no write under the lease begins any more. A renewal under way is waited for 3.4 s at most; the whole takes
   * no longer than 10 s, and no longer than 5 s after the signal fired.
   *
   * @param seen The highest head that was seen.
   * @param certain No commit under the lease is of unknown outcome.
   * @returns Whether it was held to the end: false when it turned out to be lost before, or an earlier call failed.
   * @throws {KeelstateError} when it is not known that the lock was given up.
   */
  release(seen: RememberedHead | undefined, certain: boolean, options?: CallOptions): Promise<boolean>
  /** Leaves the lock held until its lease ends, for whoever knows the owner id. This object is of no use afterwards. */
  leave(): void
}

/** Who holds a lock, as its record says. Not authenticated. */
export interface LockHolder {
  readonly owner: string
  readonly held: boolean
  readonly who: string
  readonly host: string
  readonly operation: string
  readonly reason?: string
  /** Address of the pipeline run or the like. */
  readonly run?: string
  /** RFC 3339, by the holder's clock. */
  readonly since: string
  readonly leaseMs: number
  readonly fence: bigint
}

/** A lock and the document that it is of. */
export interface LockStatus extends LockHolder {
  /** The document, as typed. */
  readonly name: string
  readonly kind: string
}

/** A lock whose record cannot be read: damaged, or of a newer format. Nobody can take that lock until somebody has seen to the record. */
export interface UnreadableLock {
  /** The document, as typed. */
  readonly name: string
  readonly kind: string
  readonly problem: KeelstateError
}

/** Which locks: those of one store. */
export interface LockPlace {
  /** 32 hex digits. */
  readonly storeId: string
  readonly environment: Environment
  readonly limits: Limits
}

/**
 * When `signal` fires, the call rejects with `Aborted` within 5 s. Should the lock have been taken by then, or be taken by a request that is still on its way, it is
 * given up in the background, for 10 s or so at most; `Store.close` waits for that.
 */
export interface LockOptions extends CallOptions {
  /** What the lock is for, in a word or two: shown to those who wait. */
  operation: string
  reason?: string
  run?: string
  /** How long to wait for another holder, in ms; default 0: not at all. */
  waitMs?: number
  /** Time without a renewal after which the holder counts as dead, in ms; default 30,000, at most 24 h, at least 1,000; beside documents in Google Cloud Storage 10,000. */
  leaseMs?: number
  /**
   * Renews the lease while it is held; default true. Without it, it ends `leaseMs` after the last work: a change for which little of it is left renews it first,
   * and so does whoever works under its owner id (`lockedBy`).
   */
  heartbeat?: boolean
  /**
   * Reads the content of what is current, too; default true. With `false` a content over 8 KiB costs no request: `currentInfo` says what is current,
   * and `current` is not to be had.
   */
  content?: boolean
  /** Told who is waited for, at first and whenever that changes. */
  onWaiting?: (holder: LockHolder) => void
  /** Told when a release failed that nobody could catch (leaving an `await using` block, or after the function of `withLock` threw). */
  onReleaseFailed?: (error: unknown) => void
}

/** What `keelstate/locking` does for a document. */
export interface Locker {
  /** Takes the lock and reads the head beside it, so that what is handed out was written before the lock was taken, and by nobody since. */
  acquire(writer: HeadWriter, options: LockOptions): Promise<{ lease: Lease; head: Head | undefined }>
  /**
   * Works under a lease that another process of ours took, and renews it meanwhile. The processes under one owner id know nothing of each other's
   * commits, so that their lock is never released cleanly.
   */
  resume(writer: HeadWriter, owner: string, options: CallOptions): Promise<{ lease: Lease; head: Head | undefined }>
  /** Reads the lock's record. */
  holder(writer: HeadWriter, options?: CallOptions): Promise<LockHolder | undefined>
  /**
   * Breaks the lock of exactly this owner. Resolves too when that owner has released it already.
   *
   * @throws {KeelstateError} `Conflict` when the lock was taken by another owner since.
   */
  forceUnlock(writer: HeadWriter, owner: string, options?: CallOptions): Promise<void>
  /**
   * Makes a head that was restored the one that the next holder has to find, if the record knows a later or another one; and the next holder claims
   * it, whatever the last one left.
   *
   * @param options.dryRun Changes nothing.
   * @returns Whether the record was (would be) changed.
   * @throws {KeelstateError} `Locked` when somebody holds the lock, who knows that later head.
   */
  accept(
    writer: HeadWriter,
    head: HeadHeader | undefined,
    options?: CallOptions & { dryRun?: boolean },
  ): Promise<boolean>
  /** Every lock of a store, in no particular order. */
  list(place: LockPlace, options?: CallOptions): AsyncIterable<LockStatus | UnreadableLock>
  /** Marks the records that were restored from a backup, and says which; and which could not be marked. */
  reset(place: LockPlace, options?: CallOptions & { dryRun?: boolean }): Promise<(LockStatus | UnreadableLock)[]>
  /** Waits until the locks that are being given up are, or cannot be, and closes the lock store. */
  close(): Promise<void>
}

/**
 * Publishes on `keelstate:release-failed` that a lock could not be given up, where there is no caller to tell: it ends with its lease.
 *
 * @param name The document, as typed.
 */
export function tellReleaseFailed(name: string, error: unknown): void {
  releaseFailures.publish({ name, error })
}

export function leaseLost(key: string, why: string, cause?: unknown): KeelstateError<'LeaseLost'> {
  return new KeelstateError('LeaseLost', {
    key,
    message: `The lock on ${key} is lost: ${why}.`,
    hint: 'Nothing more can be written under it. Take the lock again, look at the current state, and repeat what is missing.',
    cause,
  })
}
