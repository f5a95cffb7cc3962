import { hex } from '../core/header.ts'
import type { LockPlace, LockStatus } from '../core/lease.ts'
import { formatName, nameOfLockKey } from '../core/names.ts'
import { Deadline } from '../core/retry.ts'
import type { CallOptions } from '../core/store.ts'
import type { LockKey, LockStore } from './lock-store.ts'
import { holderOf, type LockRecord } from './record.ts'
import { unknownLock, writeRecord } from './write.ts'

const ROUNDS = 100 // of losing a record to its holder's heartbeat, which comes every few seconds

/** Yields every lock of a store whose record names a document. */
export async function* listLocks(
  locks: LockStore,
  { storeId }: LockPlace,
  options: CallOptions = {},
): AsyncGenerator<LockStatus> {
  for await (const { key, record } of named(locks, storeId, options)) yield statusOf(key, record)
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
): Promise<LockStatus[]> {
  const marked: LockStatus[] = []
  for await (const { key, record } of named(locks, place.storeId, options)) {
    if (record.reset) continue
    if (!dryRun) await mark(locks, key, place, options)
    marked.push(statusOf(key, record))
  }
  return marked
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

async function* named(
  locks: LockStore,
  storeId: string,
  options: CallOptions,
): AsyncGenerator<{ key: LockKey; record: LockRecord }> {
  for await (const { identity, record } of locks.list(storeId, options)) {
    const name = nameOfLockKey(`locks/${identity}/~`)
    if (name !== undefined) yield { key: { storeId, name, identity }, record }
  }
}

function statusOf({ name }: LockKey, record: LockRecord): LockStatus {
  return { ...holderOf(record), name: formatName(name), kind: name.kind }
}
