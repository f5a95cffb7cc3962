import type { KeelstateError } from '../core/errors.ts'
import type { Inspectable } from '../core/inspection.ts'
import type { DocumentName } from '../core/names.ts'
import type { CallOptions, VersionToken } from '../core/store.ts'
import type { LockRecord } from './record.ts'

/** Which lock: one per document. */
export interface LockKey {
  /** 32 hex digits. */
  readonly storeId: string
  readonly name: DocumentName
  /** `kind/name`, encoded. */
  readonly identity: string
}

/** A record as it stands, with whatever the store needs to write on exactly this state. */
export interface StoredLock {
  readonly record: LockRecord
  readonly version?: VersionToken
}

/** What an acquisition in one request asks for. */
export interface Claim {
  /** Everything that the holder says of itself; fence, clean, prevClean, reset and the last head come from the record. */
  readonly record: Pick<
    LockRecord,
    'owner' | 'token' | 'leaseMs' | 'since' | 'who' | 'host' | 'operation' | 'reason' | 'run'
  >
  /** Token of a dead holder that was watched for lease and margin: it may be replaced while it stands. */
  readonly watched: string | undefined
}

/** One of the records that `list` finds: as it stands, or why it cannot be read (`Corrupt`, or `Unsupported` for a newer format). */
export type ListedLock = { readonly identity: string } & (
  | { readonly record: LockRecord }
  | { readonly problem: KeelstateError }
)

/**
 * Where lock records live.
 *
 * **Contract.** Between the lease and whoever writes a lock store. A lock store translates: one attempt per call, the service's answer as it is.
 * Retries, read-backs, expiry and fences belong to the lease.
 *
 * **Missing records.** `read` resolves to `undefined`. A missing table or bucket rejects with `BucketMissing`. Nothing is ever deleted.
 *
 * **Conditions.** `write` replaces exactly `base` (owner, fence and token as read, or the version of the object), or creates where `base` is
 * `undefined`; otherwise `PreconditionFailed`, or `NotFound` with subject `object` where the service says that nothing stands there. Checked and
 * applied in one atomic step.
 *
 * **Consistency.** `read` sees every write that was answered before it began.
 *
 * **Cancellation and errors.** As in `ObjectStore`.
 */
export interface LockStore extends Inspectable {
  /** For messages; no secret. */
  readonly address: string

  /** A lease has to be this long at least, in ms, because the service takes writes of one record no faster than that. Left out: as short as one likes. */
  readonly shortestLeaseMs?: number | undefined

  read(key: LockKey, options?: CallOptions): Promise<StoredLock | undefined>

  write(key: LockKey, base: StoredLock | undefined, next: LockRecord, options?: CallOptions): Promise<StoredLock>

  /**
   * Reads, judges and takes the lock in one request, where the service can: absent, or released by another owner, or still under the watched
   * token. Sets held, owner, token; prevClean := clean (absent: false); clean, uncertain := false; fence + 1; `reset` := true where it was absent.
   */
  acquire?(
    key: LockKey,
    claim: Claim,
    options?: CallOptions,
  ): Promise<{ acquired: StoredLock } | { blocked: StoredLock }>

  /** All records of a store, in no particular order. One that cannot be read is yielded as such, and hides no other. */
  list(storeId: string, options?: CallOptions): AsyncIterable<ListedLock>

  close(): Promise<void>
}
