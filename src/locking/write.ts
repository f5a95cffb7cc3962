import { KeelstateError } from '../core/errors.ts'
import { type Deadline, isNotExecuted, isTransient } from '../core/retry.ts'
import type { LockKey, LockStore, StoredLock } from './lock-store.ts'
import type { LockRecord } from './record.ts'

/** What became of a write of a record. `refused`: something else stands there now. */
export type Written = { written: StoredLock } | { refused: StoredLock | undefined }

/**
 * One conditional write of a lock record, with read-back: a failure may be the answer to an earlier attempt of the same write.
 *
 * @throws {KeelstateError} the service's definite refusal, when no attempt can have been executed; `OutcomeUnknown` when the record cannot be read
 *   back, or does not show the write although an attempt may still be under way.
 */
export async function writeRecord(
  locks: LockStore,
  key: LockKey,
  base: StoredLock | undefined,
  next: LockRecord,
  deadline: Deadline,
): Promise<Written> {
  let standing = base
  let mayHaveLanded = false
  for (;;) {
    let failure: unknown
    try {
      return {
        written: await deadline.attempt('lock.write', key.identity, 0, (options) =>
          locks.write(key, standing, next, options),
        ),
      }
    } catch (error) {
      failure = error
    }
    const refused = KeelstateError.is(failure, 'PreconditionFailed') || KeelstateError.is(failure, 'NotFound')
    if (!refused && isNotExecuted(failure) && !mayHaveLanded) {
      if (!isTransient(failure) || deadline.left <= 0 || deadline.aborted) throw failure
      await deadline.backoff(failure)
      continue
    }
    if (!refused && !isNotExecuted(failure)) mayHaveLanded = true
    const now = await readBack(locks, key, deadline, failure)
    if (now?.record.token === next.token) return { written: now }
    if (!isSame(now, base)) return { refused: now }
    if (deadline.left <= 0 || deadline.aborted || (isNotExecuted(failure) && !refused && !isTransient(failure))) {
      throw mayHaveLanded ? unknownLock(key, failure) : failure
    }
    standing = now
    await deadline.backoff(failure).catch(() => undefined)
  }
}

/** Reads the record after an attempt of unknown outcome; an abort of the caller leaves it 5 s. */
export async function readBack(
  locks: LockStore,
  key: LockKey,
  deadline: Deadline,
  failure: unknown,
): Promise<StoredLock | undefined> {
  const within = deadline.aborted || deadline.left <= 0 ? deadline.settling() : deadline
  try {
    return await within.repeat('lock.read', key.identity, 0, (options) => locks.read(key, options))
  } catch {
    throw unknownLock(key, failure)
  }
}

export function unknownLock(key: LockKey, cause: unknown): KeelstateError<'Unavailable'> {
  return new KeelstateError('Unavailable', {
    operation: 'lock.write',
    key: key.identity,
    message: `It is not known whether the lock of ${key.identity} was changed.`,
    hint: 'Try again. If it was taken and nobody renews it, it is free again after its lease.',
    cause,
  })
}

function isSame(now: StoredLock | undefined, base: StoredLock | undefined): boolean {
  if (now === undefined || base === undefined) return now === base
  return (
    now.record.token === base.record.token &&
    now.record.owner === base.record.owner &&
    now.record.fence === base.record.fence
  )
}
