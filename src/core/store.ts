import type { Inspectable } from './inspection.ts'

/** A path below the store's prefix, made by `names.ts`: segments joined by `/`, no leading or trailing slash. */
export type ObjectKey = string

/** Names one stored state of one object. Opaque: only ever compared for equality and handed back to the driver. */
export type VersionToken = string

/** Options of every call of the port. */
export interface CallOptions {
  /** Gives the call up. See *Cancellation* on `ObjectStore`. */
  signal?: AbortSignal | undefined
}

export interface GetOptions extends CallOptions {
  /** Resolve to `'unchanged'` when the stored token still equals this one (a conditional read; saves the body). */
  unlessToken?: VersionToken | undefined
}

export interface ListOptions extends CallOptions {
  /** The `cursor` of the page before. */
  cursor?: string | undefined
  /** At most so many keys on the page; default and maximum 1,000. */
  limit?: number | undefined
}

export interface StoredObject {
  /** The whole body. The caller owns it. */
  bytes: Uint8Array
  token: VersionToken
}

export interface ListedObject {
  key: ObjectKey
  /** Stored size in bytes. */
  size: number
}

export interface ListPage {
  /** Ascending by the UTF-8 bytes of the key as the service stores it. */
  objects: ListedObject[]
  /** Present when there is more: pass it to the next call. */
  cursor?: string
}

/** There is no unconditional write: immutable objects are created, heads and locks are moved. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: VersionToken }

/** What a driver can promise. The conformance suite tests what is claimed and nothing else. */
export interface ObjectStoreCapabilities {
  /** `put` checks its condition and writes in one atomic step, for every writer on every machine. */
  conditionalPut: boolean
  /** `get` with `unlessToken` can answer `'unchanged'` (otherwise it always sends the body). */
  conditionalGet: boolean
  /** What is written survives the process. */
  durable: boolean
  /** Largest body in bytes that `put` takes. */
  maxBytes: number
  /**
   * The service is known by its protocol only, and many such services ignore conditions or race them: locks are kept in it once `keelstate doctor`
   * has proven that it does not. Default false.
   */
  proofNeeded?: boolean
  /**
   * A proof can be kept for the store: its address says where its requests go. False for a client that was passed in with an endpoint of its own: two
   * of them may have one address, so no proof counts, and only who says that the service is trusted is let in. Default true.
   */
  provable?: boolean
  /** Time between two writes of one object that the service wants, in ms: what comes sooner is `Throttled`. Left out: as often as one likes. */
  writeIntervalMs?: number
}

/**
 * A flat space of named byte objects, each with an opaque version token.
 *
 * **Contract.** Between keelstate and whoever writes a driver. A driver translates; it never interprets. It makes one attempt per
 * call and reports what the service answered. Retries, timeouts, verdicts and naming belong to the caller. Two kinds of key exist:
 * keys under `objects/` and the key `store` are *immutable* (only ever created, perhaps deleted), all others are *mutable* (created
 * and moved, never deleted). Every object is written by one request.
 *
 * **Missing objects.** `get` resolves to `undefined`. A missing *bucket* (or root folder) rejects with `BucketMissing`: an empty store and an
 * absent one must never look alike. A 403 rejects with `AccessDenied`, never with "absent".
 *
 * **Preconditions.** Checked and applied in one atomic step by the service. A driver that cannot promise this says so in
 * `capabilities.conditionalPut` and rejects conditional writes with `Unsupported`.
 *
 * **Ordering.** After `put` resolves, every later `get` and `list` by anyone sees it (or a newer one).
 *
 * **Cancellation.** When `signal` aborts, the call rejects with `Aborted` soon; a write may still land. A call whose signal has fired
 * before it began sends nothing.
 *
 * **Errors.** `put`: `PreconditionFailed` when the service said that the condition did not hold (412); `NotFound` with subject `object`
 * when it said that the object to be matched is absent (S3's 404 to `If-Match`); `Unavailable`, `Timeout`, `Aborted` when the outcome is not
 * known (5xx, 409, reset, lost answer), with `details.notExecuted` when it certainly had no effect (connection refused);
 * `Throttled` (429, SlowDown) when it was refused before execution; `AccessDenied`, `Unauthenticated`, `BucketMissing`, `InvalidInput`,
 * `TooLarge`, `NoSpace`, `Unsupported` are definite refusals. Bodies are copied in before `put` returns its promise, and out.
 */
export interface ObjectStore extends Inspectable {
  /** The address for messages and for what a reader remembers: names the place, holds no secret. */
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities

  /**
   * Makes what a new store needs, where that is the driver's to make (a folder). Absent on cloud drivers: keelstate never makes a bucket. Only
   * `Store.init` calls it.
   */
  prepare?(options?: CallOptions): Promise<void>

  /** Reads one object whole. */
  get(key: ObjectKey, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined>

  /** Stores `body` under `condition` and resolves to its new token. */
  put(key: ObjectKey, body: Uint8Array, condition: PutCondition, options?: CallOptions): Promise<VersionToken>

  /** Deletes immutable objects (≤ 1,000), absent ones included. Only the collector calls it. */
  delete(keys: readonly ObjectKey[], options?: CallOptions): Promise<void>

  /** One page of the keys that start with `prefix`, which is empty or ends in `/`. */
  list(prefix: string, options?: ListOptions): Promise<ListPage>

  /** Gives up sockets and handles. Calls after it reject with `Closed`. Calling it twice is fine. */
  close(): Promise<void>
}
