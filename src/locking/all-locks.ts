import { hex } from '../core/header.ts'
import type { LockPlace, LockStatus, UnreadableLock } from '../core/lease.ts'
import { formatName, nameOfLockKey } from '../core/names.ts'
import { Deadline, isTransient } from '../core/retry.ts'
import type { CallOptions } from '../core/store.ts'
import type { ListedLock, LockKey, LockStore } from './lock-store.ts'
import { holderOf } from './record.ts'
import { unknownLock, writeRecord } from './write.ts'

const ROUNDS = 100 // of losing a record to its holder's heartbeat, which comes every few seconds

/** Yields every lock of a store whose record's place names a document. */
export async function* listLocks(
  locks: LockStore,
  place: LockPlace,
  options: CallOptions = {},
): AsyncGenerator<LockStatus | UnreadableLock> {
  for await (const { key, found } of named(locks, place, options)) yield statusOf(key, found)
}

/**
 * Sets the mark `reset` on every record: whoever takes the lock next claims the head with a fence above its epoch, whatever the record says about its
 * predecessors. A restored record speaks of an earlier time: between the backup and now there were holders that it does not know. algorithms.md 4.
 *
 * A holder that is at work keeps its lock: it finds its owner and fence in the record, and goes on from there.
 */
export async function resetLocks(
  locks: LockStore,
  place: LockPlace,
  { dryRun = false, ...options }: CallOptions & { dryRun?: boolean } = {},
): Promise<(LockStatus | UnreadableLock)[]> {
  const told: (LockStatus | UnreadableLock)[] = []
  for await (const { key, found } of named(locks, place, options)) {
    const readable = 'record' in found
    if (readable && found.record.reset) continue
    if (readable && !dryRun) await mark(locks, key, place, options)
    told.push(statusOf(key, found))
  }
  return told
}

async function mark(locks: LockStore, key: LockKey, place: LockPlace, options: CallOptions): Promise<void> {
  const deadline = new Deadline(place.environment, place.limits, options.signal)
  for (let round = 0; round < ROUNDS; round++) {
    const standing = await deadline.repeat('lock.read', key.identity, 0, (call) => locks.read(key, call))
    if (standing === undefined || standing.record.reset) return // a record that is made anew bears the mark by itself
    const token = hex(place.environment.randomBytes(16))
    const next = { ...standing.record, token, clean: false, reset: true }
    if ('written' in (await writeRecord(locks, key, standing, next, deadline))) return
  }
  throw unknownLock(key, undefined)
}

/** Every record once. A listing that failed for a moment begins again: a lock store makes one attempt, and cannot go on in the middle. */
async function* named(
  locks: LockStore,
  { storeId, environment, limits }: LockPlace,
  { signal }: CallOptions,
): AsyncGenerator<{ key: LockKey; found: ListedLock }> {
  const seen = new Set<string>()
  const deadline = new Deadline(environment, limits, signal)
  for (;;) {
    try {
      for await (const found of locks.list(storeId, { signal })) {
        const { identity } = found
        const name = nameOfLockKey(`locks/${identity}/~`)
        if (name === undefined || seen.has(identity)) continue
        seen.add(identity)
        yield { key: { storeId, name, identity }, found }
      }
      return
    } catch (error) {
      if (!isTransient(error) || deadline.left <= 0 || deadline.aborted) throw error
      await deadline.backoff(error)
    }
  }
}

function statusOf({ name }: LockKey, found: ListedLock): LockStatus | UnreadableLock {
  const about = { name: formatName(name), kind: name.kind }
  return 'record' in found ? { ...holderOf(found.record), ...about } : { ...about, problem: found.problem }
}
