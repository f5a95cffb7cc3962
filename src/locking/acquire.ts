import { aborted, KeelstateError, printable } from '../core/errors.ts'
import { hex } from '../core/header.ts'
import { type LockHolder, type LockOptions, tellReleaseFailed } from '../core/lease.ts'
import { formatName } from '../core/names.ts'
import { Deadline, isNotExecuted, isTransient } from '../core/retry.ts'
import { RELEASE_ATTEMPT_MS, RELEASE_MS, type Started, startNow } from './lease.ts'
import type { LockKey, LockStore, StoredLock } from './lock-store.ts'
import type { AcquireParts } from './locker.ts'
import { holderOf, type LockRecord } from './record.ts'
import { EXPIRY_MARGIN_MS, TokenWatch } from './watch.ts'
import { readBack, unknownLock, writeRecord } from './write.ts'

const POLL_MS = 1_000 // a released lock is taken within this and one round trip, at no more than one request a second
const LOOK_AGAIN_MS = [1_000, 5_000] // when to look again for a lock that was taken although its taker gave up

/** A lock that was taken, and when the request was sent whose token stands in its record. */
export interface Acquired {
  readonly stored: StoredLock
  readonly started: Started
}

/** What the caller of an acquisition does meanwhile. */
export interface Meanwhile {
  /** The first request is on its way. */
  onSent(): void
  /** The lock is held: the wait begins. */
  onWaiting(): void
}

/**
 * Takes a lock: at once when it is free, after waiting when it is held, and from a dead holder.
 *
 * @throws {KeelstateError} `Locked` when it is still held after `waitMs`; `Aborted`.
 */
export async function acquireLock(parts: AcquireParts, options: LockOptions, meanwhile: Meanwhile): Promise<Acquired> {
  const { environment, key } = parts
  const watch = new TokenWatch(environment)
  const end = environment.monotonic() + (options.waitMs ?? 0)
  let seen: LockRecord | undefined
  let watched: string | undefined
  let onSent: (() => void) | undefined = () => meanwhile.onSent()
  let pause = Math.max(1, environment.random() * POLL_MS) // the first wait is jittered, so that waiters do not knock together
  for (;;) {
    const outcome = await attemptAcquire(parts, options, watched, onSent).catch((error: unknown) => {
      if (seen === undefined || !KeelstateError.is(error, 'Aborted')) throw error
      throw gaveUp(key, seen, options.signal?.reason, error.details.notExecuted === true)
    })
    onSent = undefined
    if ('acquired' in outcome) return outcome.acquired
    const { record } = outcome.blocked
    if (!record.held) continue // it was ours for a moment, and was broken before we knew: try under another owner id
    const deadIn = watch.note(record)
    watched = deadIn <= 0 ? record.token : undefined
    if (watched !== undefined) continue
    const left = end - environment.monotonic()
    if (left <= 0) throw locked(key, record)
    meanwhile.onWaiting()
    if (seen?.owner !== record.owner) options.onWaiting?.(holderOf(record))
    seen = record
    await environment.sleep(Math.max(1, Math.min(pause, left, deadIn)), options.signal).catch(() => {
      throw gaveUp(key, record, options.signal?.reason, true)
    })
    pause = POLL_MS
  }
}

/** One attempt, with its own owner id, brought to a certain end. */
async function attemptAcquire(
  parts: AcquireParts,
  options: LockOptions,
  watched: string | undefined,
  onSent?: () => void,
): Promise<{ acquired: Acquired } | { blocked: StoredLock }> {
  const { environment, locks, key } = parts
  const deadline = parts.deadline(options.signal)
  const owner = hex(environment.randomBytes(16))
  const sent = new Map<string, Started>() // by token: the lease counts from the attempt that stands in the record
  let mayHaveLanded = false
  for (;;) {
    const token = hex(environment.randomBytes(16))
    const started = startNow(environment)
    sent.set(token, started)
    let failure: unknown
    try {
      const claim = { record: { owner, token, ...parts.self(options) }, watched }
      const attempt = deadline.attempt('lock.acquire', key.identity, 0, (call) => tryAcquire(locks, key, claim, call))
      onSent?.()
      onSent = undefined
      const outcome = await attempt
      if ('acquired' in outcome) return { acquired: { stored: outcome.acquired, started } }
      if (outcome.blocked.record.owner !== owner) {
        if (mayHaveLanded) releaseLater(parts, owner) // an earlier attempt may yet get through, when this holder is gone
        return outcome
      }
      // Blocked by ourselves: an earlier attempt got through.
      if (outcome.blocked.record.held)
        return { acquired: { stored: outcome.blocked, started: firstOf(sent, outcome.blocked.record) } }
      if (sent.size > 1) releaseLater(parts, owner) // it was broken, and another attempt may yet get through
      return { blocked: outcome.blocked }
    } catch (error) {
      failure = error
    }
    if (isNotExecuted(failure) && !mayHaveLanded) {
      if (!isTransient(failure) || deadline.left <= 0 || deadline.aborted) throw failure
      await deadline.backoff(failure)
      continue
    }
    if (!isNotExecuted(failure)) mayHaveLanded = true
    const now = await readBack(locks, key, deadline, failure).catch((error: unknown) => {
      releaseLater(parts, owner)
      throw error
    })
    if (now?.record.owner === owner && now.record.held && !deadline.aborted) {
      return { acquired: { stored: now, started: firstOf(sent, now.record) } }
    }
    if (deadline.aborted || deadline.left <= 0 || (isNotExecuted(failure) && !isTransient(failure))) {
      releaseLater(parts, owner)
      throw deadline.aborted ? aborted('lock.acquire', key.identity, options.signal?.reason) : unknownLock(key, failure)
    }
    await deadline.backoff(failure).catch(() => undefined)
  }
}

/** One request where the lock store can, else a read and a conditional write. */
async function tryAcquire(
  locks: LockStore,
  key: LockKey,
  claim: Parameters<NonNullable<LockStore['acquire']>>[1],
  call: { signal?: AbortSignal | undefined },
): Promise<{ acquired: StoredLock } | { blocked: StoredLock }> {
  if (locks.acquire !== undefined) return await locks.acquire(key, claim, call)
  for (;;) {
    const standing = await locks.read(key, call)
    const free =
      standing === undefined ||
      (!standing.record.held && standing.record.owner !== claim.record.owner) ||
      standing.record.token === claim.watched
    if (!free) return { blocked: standing }
    try {
      return { acquired: await locks.write(key, standing, claimed(standing?.record, claim.record), call) }
    } catch (error) {
      // Somebody was quicker: what stands there now says who. (Or it was our own write: the caller knows its owner id.)
      if (!KeelstateError.is(error, 'PreconditionFailed') && !KeelstateError.is(error, 'NotFound')) throw error
    }
  }
}

/** The record of a new holder. */
function claimed(
  before: LockRecord | undefined,
  self: Parameters<NonNullable<LockStore['acquire']>>[1]['record'],
): LockRecord {
  return {
    ...self,
    held: true,
    fence: (before?.fence ?? 0n) + 1n,
    prevClean: before?.clean ?? false,
    clean: false,
    uncertain: false,
    reset: before === undefined || before.reset,
    lastSeq: before?.lastSeq ?? 0,
    lastId: before?.lastId ?? '',
    birth: before?.birth ?? '',
  }
}

function firstOf(sent: ReadonlyMap<string, Started>, record: LockRecord): Started {
  return sent.get(record.token) ?? [...sent.values()][0]!
}

/**
 * An acquisition that was given up may have got through, or still do: frees it by its owner id, in the background. Looks at once, and twice more within 6 s for
 * a request that is still on its way; gives up after 10 s without an answer. Not worth less than that: the lease may be one of a day.
 */
function releaseLater(parts: AcquireParts, owner: string): void {
  const { environment, limits, key } = parts
  const attemptMs = Math.min(limits.attemptMs, RELEASE_ATTEMPT_MS)
  const deadline = new Deadline(environment, { ...limits, attemptMs, operationMs: RELEASE_MS })
  const look = async () => {
    let failure: unknown
    for (const againMs of [...LOOK_AGAIN_MS, undefined]) {
      try {
        if (await releaseOwn(parts, owner, deadline)) return
        failure = undefined
      } catch (error) {
        failure = error
      }
      if (againMs === undefined || deadline.left <= 0) break
      await environment.sleep(Math.min(againMs, deadline.left))
    }
    if (failure !== undefined) tellReleaseFailed(formatName(key.name), failure)
  }
  parts.background(look())
}

/** Resolves to whether the acquisition under this owner id is over: no late copy of it takes the lock before somebody else has held it. */
async function releaseOwn(parts: AcquireParts, owner: string, deadline: Deadline): Promise<boolean> {
  const { environment, locks, key } = parts
  const now = await deadline.repeat('lock.read', key.identity, 0, (call) => locks.read(key, call))
  if (now?.record.owner !== owner) return false
  if (!now.record.held) return true
  const { prevClean, reset } = now.record
  const token = hex(environment.randomBytes(16))
  const next = { ...now.record, token, held: false, clean: prevClean && !reset }
  return 'written' in (await writeRecord(locks, key, now, next, deadline))
}

/** The caller ended the wait: still says who was waited for. */
function gaveUp(key: LockKey, record: LockRecord, reason: unknown, notExecuted: boolean): KeelstateError<'Aborted'> {
  const { message, hint } = locked(key, record)
  return new KeelstateError('Aborted', {
    operation: 'lock.acquire',
    key: formatName(key.name),
    message: `The wait for a lock was aborted by its caller. ${message}`,
    details: notExecuted ? { notExecuted } : {},
    ...(hint === undefined ? {} : { hint }),
    cause: reason,
  })
}

/** The error that says who holds a lock, and how it could be broken. */
export function locked(key: LockKey, record: LockRecord): KeelstateError<'Locked'> {
  const name = formatName(key.name)
  const holder: LockHolder = holderOf(record)
  const who = `${printable(holder.who)}@${printable(holder.host)}`
  const what = [printable(holder.operation), ...(holder.reason === undefined ? [] : [printable(holder.reason)])].join(
    ', ',
  )
  return new KeelstateError('Locked', {
    operation: 'lock.acquire',
    key: name,
    message: `${name} is locked by ${who} since ${printable(holder.since)} (${what}).`,
    details: { holder: who, since: holder.since, owner: holder.owner, operation: holder.operation },
    hint: `Wait (a dead holder is replaced after ${Math.ceil((holder.leaseMs + EXPIRY_MARGIN_MS) / 1000)} s), or break it: keelstate unlock ${name} --owner ${holder.owner}`,
  })
}
