import { hostname, userInfo } from 'node:os'
import type { Environment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import type { Head } from '../core/head.ts'
import type { HeadWriter } from '../core/head-writer.ts'
import { type HeadHeader, hex } from '../core/header.ts'
import {
  type Lease,
  type Locker,
  type LockHolder,
  type LockOptions,
  type LockPlace,
  type LockStatus,
  leaseLost,
  tellReleaseFailed,
  type UnreadableLock,
} from '../core/lease.ts'
import { lineageBreak, rolledBack, toRemember } from '../core/memory.ts'
import { formatName } from '../core/names.ts'
import { Deadline, type Limits } from '../core/retry.ts'
import type { CallOptions } from '../core/store.ts'
import { type Acquired, acquireLock, locked } from './acquire.ts'
import { listLocks, resetLocks } from './all-locks.ts'
import { claimHead } from './epoch.ts'
import { HeldLease, startNow } from './lease.ts'
import type { LockKey, LockStore, StoredLock } from './lock-store.ts'
import { holderOf, type LockRecord, MAX_LEASE_MS } from './record.ts'
import { writeRecord } from './write.ts'

const DEFAULT_LEASE_MS = 30_000

/** What the steps of an acquisition share. */
export interface AcquireParts {
  readonly locks: LockStore
  readonly key: LockKey
  readonly environment: Environment
  readonly limits: Limits
  readonly deadline: (signal: AbortSignal | undefined) => Deadline
  /** Takes charge of work that nobody waits for: closing does. */
  readonly background: (work: Promise<unknown>) => void
  /** What the holder says of itself. */
  readonly self: (
    options: LockOptions,
  ) => Pick<LockRecord, 'leaseMs' | 'since' | 'who' | 'host' | 'operation' | 'reason' | 'run'>
}

/** Locks documents by records in a lock store. docs/decisions/0010-locks.md */
export class LeaseLocker implements Locker {
  readonly #locks: LockStore
  /** Locks that are being given up. Each comes to an end within 10 s and what one request may take. */
  readonly #releases = new Set<Promise<unknown>>()

  #self: { who: string; host: string } | undefined

  constructor(locks: LockStore) {
    this.#locks = locks
  }

  async acquire(writer: HeadWriter, options: LockOptions): Promise<{ lease: Lease; head: Head | undefined }> {
    checkOptions(options, this.#locks)
    await writer.access.sealer.check(options) // who cannot write has no use for the lock
    const parts = this.#parts(writer)
    const giveUp = new AbortController()
    const signal = options.signal === undefined ? giveUp.signal : AbortSignal.any([options.signal, giveUp.signal])
    let reading: Promise<Head | undefined> | undefined
    let acquired: Acquired
    try {
      acquired = await acquireLock(parts, options, {
        // The head is read beside the first attempt; the record will say whether that read was fresh.
        onSent() {
          reading = writer.refresh(parts.deadline(signal))
          reading.catch(() => undefined)
        },
        // What is read now says little of when the lock will be free: it is read again then.
        onWaiting() {
          reading = undefined
        },
      })
    } catch (error) {
      giveUp.abort(error)
      throw error
    }
    const { heartbeat = true } = options
    return await this.#begin(writer, acquired, { heartbeat, borrowed: false }, reading, options.signal)
  }

  async resume(
    writer: HeadWriter,
    owner: string,
    options: CallOptions,
  ): Promise<{ lease: Lease; head: Head | undefined }> {
    await writer.access.sealer.check(options)
    const parts = this.#parts(writer)
    const deadline = parts.deadline(options.signal)
    const started = startNow(parts.environment)
    const standing = await this.#read(parts, deadline)
    if (standing?.record.owner !== owner || !standing.record.held) {
      throw leaseLost(
        formatName(writer.access.name),
        standing?.record.held ? 'somebody else holds it' : 'it is not held under that owner id',
      )
    }
    const borrowed = { heartbeat: true, borrowed: true }
    return await this.#begin(writer, { stored: standing, started }, borrowed, undefined, options.signal)
  }

  async holder(writer: HeadWriter, options: CallOptions = {}): Promise<LockHolder | undefined> {
    const parts = this.#parts(writer)
    const standing = await this.#read(parts, parts.deadline(options.signal))
    return standing && holderOf(standing.record)
  }

  async forceUnlock(writer: HeadWriter, owner: string, options: CallOptions = {}): Promise<void> {
    const parts = this.#parts(writer)
    const deadline = parts.deadline(options.signal)
    for (let attempted = false; ; attempted = true) {
      const standing = await this.#read(parts, deadline)
      if (standing?.record.owner !== owner) {
        if (attempted) return // it held the lock when we began to break it, and does not now
        throw otherHolder(writer, standing)
      }
      if (!standing.record.held) return
      const { record } = standing
      const next = {
        ...record,
        token: hex(parts.environment.randomBytes(16)),
        held: false,
        clean: false,
        uncertain: false,
        fence: record.fence + 1n,
      }
      const outcome = await writeRecord(parts.locks, parts.key, standing, next, deadline)
      if ('written' in outcome) return
      // It was renewed or released meanwhile: look again.
    }
  }

  async accept(
    writer: HeadWriter,
    head: HeadHeader | undefined,
    { dryRun = false, ...options }: CallOptions & { dryRun?: boolean } = {},
  ): Promise<boolean> {
    const parts = this.#parts(writer)
    const deadline = parts.deadline(options.signal)
    const now = head === undefined ? { seq: 0, id: '', birth: '' } : toRemember(head)
    for (;;) {
      const standing = await this.#read(parts, deadline)
      if (standing === undefined) return false
      const { record } = standing
      const broken = breakOf(record, head)
      if (broken !== undefined && record.held) throw locked(parts.key, record)
      // An earlier holder's late write may fit the restored head: the next one claims it, also after a clean release.
      if (broken === undefined && (record.held || !record.clean)) return false
      if (dryRun) return true
      const token = hex(parts.environment.randomBytes(16))
      const last = broken === undefined ? {} : { lastSeq: now.seq, lastId: now.id, birth: now.birth }
      const next = { ...record, ...last, token, clean: false }
      if ('written' in (await writeRecord(parts.locks, parts.key, standing, next, deadline))) return true
    }
  }

  list(place: LockPlace, options: CallOptions = {}): AsyncIterable<LockStatus | UnreadableLock> {
    return listLocks(this.#locks, place, options)
  }

  async reset(
    place: LockPlace,
    options: CallOptions & { dryRun?: boolean } = {},
  ): Promise<(LockStatus | UnreadableLock)[]> {
    return await resetLocks(this.#locks, place, options)
  }

  async close(): Promise<void> {
    await Promise.all(this.#releases)
    await this.#locks.close()
  }

  #background(work: Promise<unknown>): void {
    const ended: Promise<unknown> = work.catch(() => undefined).finally(() => this.#releases.delete(ended))
    this.#releases.add(ended)
  }

  async #begin(
    writer: HeadWriter,
    acquired: Acquired,
    options: { heartbeat: boolean; borrowed: boolean },
    reading: Promise<Head | undefined> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ lease: Lease; head: Head | undefined }> {
    const { key, limits, environment, deadline: deadlineFrom, background: onReleasing } = this.#parts(writer)
    const deadline = deadlineFrom(signal) // its own: waiting may have taken longer than an operation may
    const { borrowed } = options
    const lease = new HeldLease(
      { locks: this.#locks, key, environment, limits, onReleasing, ...options },
      acquired.stored,
      acquired.started,
    )
    let claiming = false
    try {
      // A process may end in the middle of a commit without the others knowing: from now on a release is not clean, whoever makes it.
      if (borrowed) await lease.prove({ uncertain: true }, { signal })
      let head = await this.#freshHead(writer, lease, reading, deadline)
      const claimed = lease.inOrder || (borrowed && head?.header.epoch === lease.fence)
      if (!claimed || (head !== undefined && lease.fence <= head.header.epoch && !borrowed)) {
        claiming = true
        head = await claimHead(writer, lease, head, deadline, signal)
      } else lease.markClaimed()
      await lease.ensure({ signal }) // what came before may have taken the whole lease
      return { lease, head }
    } catch (error) {
      // A successor must not start from a head that it read before this one was claimed.
      const seen = claiming && writer.lastSeen ? toRemember(writer.lastSeen.header) : undefined
      const releasing = lease.release(seen, !KeelstateError.is(error, 'OutcomeUnknown'))
      const told = releasing.catch((failure: unknown) => tellReleaseFailed(formatName(key.name), failure))
      if (!signal?.aborted) await told // who gave up is not kept waiting
      throw error
    }
  }

  /** The head as it was when the lock was taken, or later. A read that began before counts only if it saw what the last holder saw. */
  async #freshHead(
    writer: HeadWriter,
    lease: HeldLease,
    reading: Promise<Head | undefined> | undefined,
    deadline: Deadline,
  ): Promise<Head | undefined> {
    const { lastSeq, lastId, birth } = lease.record
    const early = reading && (await reading)
    if (reading !== undefined && (early?.header.seq ?? 0) >= lastSeq && !breakOf(lease.record, early?.header))
      return early
    const head = await writer.refresh(deadline)
    const seen = { birth, seq: lastSeq, id: lastId }
    const why = breakOf(lease.record, head?.header)
    if (why !== undefined) throw rolledBack(writer.access.headKey, why, seen, head?.header)
    return head
  }

  async #read(parts: AcquireParts, deadline: Deadline): Promise<StoredLock | undefined> {
    return await deadline.repeat('lock.read', parts.key.identity, 0, (call) => parts.locks.read(parts.key, call))
  }

  #whoAndWhere(): { who: string; host: string } {
    this.#self ??= whoAndWhere()
    return this.#self
  }

  #parts(writer: HeadWriter): AcquireParts {
    const { access } = writer
    const { environment } = access
    return {
      locks: this.#locks,
      key: { storeId: hex(access.scope.storeId), name: access.name, identity: access.identity },
      environment,
      limits: access.limits,
      deadline: (signal) => new Deadline(environment, access.limits, signal),
      background: (work) => this.#background(work),
      self: (options) => ({
        leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
        since: new Date(environment.now()).toISOString(),
        ...this.#whoAndWhere(),
        operation: options.operation,
        ...(options.reason === undefined ? {} : { reason: options.reason }),
        ...(options.run === undefined ? {} : { run: options.run }),
      }),
    }
  }
}

/** Says how a head fails to descend from the one that the last holder saw. */
function breakOf({ lastSeq, lastId, birth }: LockRecord, head: HeadHeader | undefined): string | undefined {
  return lastSeq === 0 ? undefined : lineageBreak(head, { birth, seq: lastSeq, id: lastId })
}

function whoAndWhere(): { who: string; host: string } {
  try {
    return { who: userInfo().username, host: hostname() }
  } catch {
    return { who: 'unknown', host: hostname() }
  }
}

function otherHolder(writer: HeadWriter, standing: StoredLock | undefined): KeelstateError<'Conflict'> {
  const name = formatName(writer.access.name)
  return new KeelstateError('Conflict', {
    operation: 'lock.forceUnlock',
    key: name,
    message: standing?.record.held
      ? `${name} is held under another owner id by now. Nothing was broken.`
      : `${name} is not locked under that owner id.`,
    hint: `See who holds it: keelstate unlock ${name}`,
  })
}

function checkOptions(options: LockOptions, { address, shortestLeaseMs = 0 }: LockStore): void {
  const wrong = (option: string, what: string, why = '', hint?: string) => {
    throw new KeelstateError('InvalidOptions', {
      operation: 'document.lock',
      message: `${option} must be ${what}.${why}`,
      details: { option },
      ...(hint !== undefined && { hint }),
    })
  }
  if (typeof options.operation !== 'string' || options.operation === '')
    wrong('operation', 'a word or two that say what the lock is for')
  for (const option of ['operation', 'reason', 'run'] as const)
    if ((options[option]?.length ?? 0) > 256) wrong(option, 'at most 256 characters')
  const { leaseMs, waitMs } = options
  if (leaseMs !== undefined && !(Number.isInteger(leaseMs) && leaseMs >= 1_000 && leaseMs <= MAX_LEASE_MS))
    wrong('leaseMs', 'a whole number of ms from 1,000 to 86,400,000')
  if (leaseMs !== undefined && leaseMs < shortestLeaseMs) {
    const why = ` The lock lies in ${address}, which takes too few writes of one object a second to renew a shorter lease.`
    wrong(
      'leaseMs',
      `${shortestLeaseMs} or more`,
      why,
      'Take a longer lease, or keep locks in DynamoDB (lock: dynamodb://…).',
    )
  }
  if (waitMs !== undefined && !(waitMs >= 0)) wrong('waitMs', '0 or more ms')
}
