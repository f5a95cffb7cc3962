import type { CallOptions } from '../core/store.ts'
import type { Snapshot } from './snapshot.ts'
import type { SnapshotChange } from './snapshot-change.ts'

/** How a deployment's lock is asked for. */
export interface DeploymentLockOptions extends CallOptions {
  /** Shown to those who wait; default `deployment`. */
  operation?: string
  reason?: string
  /** How long to wait for another holder, in ms. Default: until `signal` fires, as the original does. */
  waitMs?: number
  /** Time without a renewal after which this holder counts as dead, in ms; default 30,000. */
  leaseMs?: number
}

/** A deployment's lock while it is held. */
export interface Lock extends AsyncDisposable {
  /** Names this acquisition: what a forced unlock takes. */
  readonly owner: string
  /** Fires when the lock is lost: stop what it protects. */
  readonly signal: AbortSignal
  /**
   * Gives the lock up; takes 10 s at most. A second call resolves and touches nothing, nor does one after a forced unlock.
   *
   * @throws {KeelstateError} when it is not known that the lock was given up; it ends with its lease then.
   */
  unlock(options?: CallOptions): Promise<void>
}

/**
 * Where a deployment keeps its snapshots. Contract 000 (docs/contracts/deployments.md), with promises in the place of blocking calls.
 *
 * Revisions are named by the time at which they were written. What is written while this object holds its lock is written under that lock.
 */
export interface Backend {
  /** The stack's name. */
  stack(): string
  /** The current snapshot. @throws {KeelstateError} `NoCurrent`. */
  current(options?: CallOptions): Promise<Snapshot>
  /** The current revision's name. @throws {KeelstateError} `NoCurrent`. */
  currentRev(options?: CallOptions): Promise<string>
  /** @throws {KeelstateError} `NotFound`. */
  get(rev: string, options?: CallOptions): Promise<Snapshot>
  /** Stores a snapshot as a revision, and does not make it current. Equal snapshots are revisions of their own. */
  write(snapshot: Snapshot, options?: CallOptions): Promise<string>
  /** @throws {KeelstateError} `NotFound`. */
  setCurrent(rev: string, options?: CallOptions): Promise<void>
  /**
   * `write` and `setCurrent` in one conditional write: there is no moment between them.
   *
   * @param snapshot A snapshot; or what changes of the current one, which costs what it changes, however large the snapshot is.
   */
  commit(snapshot: Snapshot | SnapshotChange, options?: CallOptions & { message?: string }): Promise<string>
  /** Every kept revision, oldest first. */
  list(options?: CallOptions): Promise<string[]>
  /** Drops a revision. One that is not there is fine. @throws {KeelstateError} `Conflict` when it is current. */
  delete(rev: string, options?: CallOptions): Promise<void>
  /** Takes the lock, waiting for another holder. */
  lock(options?: DeploymentLockOptions): Promise<Lock>
  /**
   * Breaks a lock.
   *
   * @param options.owner Whose; without it, that of the holder which this call reads. Nobody else's is broken.
   */
  forceUnlock(options?: CallOptions & { owner?: string }): Promise<void>
}
