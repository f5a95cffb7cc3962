import type { LockRecord, LockStore } from '../../src/locking/index.ts'
import type { MemoryLockTable } from '../../src/testing/index.ts'

/**
 * Wrong versions of the lock, made from the right one by what stands between it and its records: each does what a lease would do, or a lock store, that
 * lacked one rule of algorithms.md 4.
 */
export interface Mutant {
  /** What the lease is shown, or what becomes of its writes. */
  readonly lease?: (locks: LockStore) => LockStore
  /** What the lock store does. */
  readonly store?: (locks: LockStore, table: MemoryLockTable) => LockStore
}

/** What is acquired looks otherwise to the one who acquires it. */
const shown = (locks: LockStore, change: (record: LockRecord) => LockRecord): LockStore => ({
  ...locks,
  async acquire(key, claim, options) {
    const outcome = await locks.acquire!(key, claim, options)
    return 'acquired' in outcome ? { acquired: { record: change(outcome.acquired.record) } } : outcome
  },
})

/** A record is stored otherwise when it is acquired. */
const acquired = (
  locks: LockStore,
  table: MemoryLockTable,
  change: (now: LockRecord, before: LockRecord | undefined) => LockRecord,
): LockStore => ({
  ...locks,
  async acquire(key, claim, options) {
    const before = table.peek(key)
    const outcome = await locks.acquire!(key, claim, options)
    if (!('acquired' in outcome)) return outcome
    table.overwrite(key, change(outcome.acquired.record, before))
    return { acquired: { record: table.peek(key)! } }
  },
})

/** A record is written otherwise. */
const written = (
  locks: LockStore,
  change: (next: LockRecord, base: LockRecord | undefined) => LockRecord,
): LockStore => ({
  ...locks,
  write: (key, base, next, options) => locks.write(key, base, change(next, base?.record), options),
})

/** The head is not claimed, and who did not claim it says `clean` all the same. */
export const noBump: Mutant = {
  lease: (locks) => shown(locks, (record) => ({ ...record, prevClean: true, reset: false })),
}

/** The head is claimed without a proof of ownership. */
export const bumpWithoutProof: Mutant = {
  lease: (locks) => ({
    ...locks,
    async write(key, base, next, options) {
      const proves = base?.record.held && next.held
      return proves ? { record: next } : await locks.write(key, base, next, options)
    },
  }),
}

/** Every release is clean. */
export const alwaysClean: Mutant = {
  lease: (locks) => written(locks, (next) => ({ ...next, clean: !next.held || next.clean })),
}

/** Taking a lock leaves `clean` as it was. */
export const acquireKeepsClean: Mutant = {
  store: (locks, table) => acquired(locks, table, (now, before) => ({ ...now, clean: before?.clean ?? false })),
}

/** The read beside the acquisition counts, whatever the record says. */
export const earlyReadTrusted: Mutant = {
  lease: (locks) => shown(locks, (record) => ({ ...record, lastSeq: 0, lastId: '', birth: '' })),
}

/** A dead holder is replaced, whatever token stands there by then. */
export const takeOverWithoutToken: Mutant = {
  store: (locks, table) => ({
    ...locks,
    acquire: (key, claim, options) =>
      locks.acquire!(key, { ...claim, watched: claim.watched && table.peek(key)?.token }, options),
  }),
}

/** The lease counts from the attempt that told of it, not from the one whose token stands in the record. */
export const leaseFromLastAttempt: Mutant = {
  lease: (locks) => ({
    ...locks,
    async acquire(key, claim, options) {
      const outcome = await locks.acquire!(key, claim, options)
      if ('acquired' in outcome) return outcome
      const { record } = outcome.blocked
      const own = record.held && record.owner === claim.record.owner
      return own ? { acquired: { record: { ...record, token: claim.record.token } } } : outcome
    },
  }),
}

/** A record is changed by whoever owns it, whatever fence and token stand there. */
export const renewalByOwnerOnly: Mutant = {
  store: (locks, table) => ({
    ...locks,
    async write(key, base, next, options) {
      const standing = table.peek(key)
      const owns = base !== undefined && standing?.owner === base.record.owner
      return await locks.write(key, owns ? { record: standing } : base, next, options)
    },
  }),
}

/** A lock without a record was left cleanly, and fences begin somewhere high. */
export const lostRecordIsClean: Mutant = {
  store(locks, table) {
    let high = 2n ** 48n
    return acquired(locks, table, (now, before) => {
      if (before !== undefined) return now
      high += 2n ** 32n
      return { ...now, prevClean: true, reset: false, fence: high }
    })
  },
}

/** A fence that the head has passed is a lost lease. */
export const lostRecordIsLeaseLost: Mutant = {
  lease: (locks) =>
    written(locks, (next, base) => ({ ...next, fence: next.held ? (base?.fence ?? next.fence) : next.fence })),
}
