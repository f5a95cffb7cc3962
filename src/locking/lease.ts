import type { Environment } from '../core/environment.ts'
import { type KeelstateError, throwIfAborted } from '../core/errors.ts'
import { hex } from '../core/header.ts'
import { type Lease, leaseLost } from '../core/lease.ts'
import type { RememberedHead } from '../core/memory.ts'
import { formatName } from '../core/names.ts'
import { Deadline, type Limits } from '../core/retry.ts'
import type { CallOptions } from '../core/store.ts'
import type { LockKey, LockStore, StoredLock } from './lock-store.ts'
import type { LockRecord } from './record.ts'
import { unknownLock, writeRecord } from './write.ts'

const RENEWALS_PER_LEASE = 3
const TOO_LITTLE = 1 / 3 // of the lease: with less than this left, a renewal goes before the next write
const BEATS_APART = 1 / 30 // of the lease, at least: a renewal that is refused at once is not tried in a tight loop
/** How long a release keeps trying, in ms; the lease ends by itself some time after. */
export const RELEASE_MS = 10_000
/** One attempt of a release, in ms at most: the first may be lost in silence. Also how long it waits for a heartbeat that is under way. */
export const RELEASE_ATTEMPT_MS: number = Math.ceil(RELEASE_MS / 3)

/** What a lease needs of its surroundings. */
export interface LeaseParts {
  readonly locks: LockStore
  readonly key: LockKey
  readonly environment: Environment
  readonly limits: Limits
  readonly heartbeat: boolean
  /** Taken from a process that goes on holding it: leaving does not release. */
  readonly borrowed: boolean
  /** Told of a release that has begun, so that closing waits for it. It may reject. */
  readonly onReleasing: (release: Promise<unknown>) => void
}

/** When a request was sent, on the two clocks of this machine. */
export interface Started {
  readonly monotonic: number
  readonly wall: number
}

export function startNow(environment: Environment): Started {
  return { monotonic: environment.monotonic(), wall: environment.now() }
}

/**
 * A lease that this process holds: renews it, knows when it can no longer be trusted, and gives it up.
 *
 * All writes to its record go one after another: a heartbeat that overtook another would look like a takeover.
 */
export class HeldLease implements Lease {
  readonly owner: string
  readonly #parts: LeaseParts
  readonly #controller = new AbortController()
  #stored: StoredLock
  #started: Started
  #writing: Promise<unknown> = Promise.resolve()
  #lost: KeelstateError<'LeaseLost'> | undefined
  #cancelHeartbeat = () => {}
  #cancelExpiry = () => {}
  #inOrder: boolean
  #ended = false
  #renewing: Promise<void> | undefined
  #releasing: Promise<boolean> | undefined
  /** Fires when a release waits no longer for the write that is under way. That write's outcome counts as unknown from then on. */
  readonly #overtaken = new AbortController()
  /** Tokens of writes whose outcome was never learnt: finding one in the record means that it landed. */
  readonly #unsettled = new Set<string>()

  /** @param started When the request was sent whose token stands in the record: the lease counts from there. */
  constructor(parts: LeaseParts, stored: StoredLock, started: Started) {
    this.#parts = parts
    this.#stored = stored
    this.#started = started
    this.owner = stored.record.owner
    this.#inOrder = stored.record.prevClean && !stored.record.reset
    this.#watchExpiry()
    this.#scheduleHeartbeat()
  }

  get fence(): bigint {
    return this.#stored.record.fence
  }

  get record(): LockRecord {
    return this.#stored.record
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether former holders are fenced off already, so that the head need not be claimed. */
  get inOrder(): boolean {
    return this.#inOrder
  }

  /** The head carries this lease's fence now. */
  markClaimed(): void {
    this.#inOrder = true
  }

  async ensure({ signal }: CallOptions = {}): Promise<void> {
    this.#refuseIfLost()
    if (this.#left() < this.#stored.record.leaseMs * TOO_LITTLE) {
      // A lock store that does not answer holds nobody up for longer than an attempt may take: the lease may well outlast that.
      const { environment, limits, key } = this.#parts
      const waiting = new Deadline(environment, { ...limits, operationMs: limits.attemptMs }, signal)
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined
      })
      const renewing = this.#renewing
      renewing.catch(() => undefined) // who asked may have given up by now: then nobody waits for it
      await waiting.within('lock.renew', key.identity, () => renewing).catch(() => undefined)
      throwIfAborted(signal, 'lock.renew', key.identity)
    }
    this.#refuseIfLost()
  }

  /**
   * Proves ownership by a write to the record, as the store sees it now.
   *
   * @param change A new fence, for a record that was made anew; or that commits by more than one process have to be reckoned with.
   * @throws {KeelstateError} `LeaseLost` when refused; `Unavailable` when it is not known; `Aborted` at once when the signal fires.
   */
  async prove(
    change: Partial<Pick<LockRecord, 'fence' | 'reset' | 'uncertain'>> = {},
    { signal }: CallOptions = {},
  ): Promise<void> {
    this.#refuseIfLost()
    const { environment, limits, key } = this.#parts
    await new Deadline(environment, limits, signal).within('lock.prove', key.identity, () => this.#renew(change))
    this.#refuseIfLost()
  }

  async release(seen: RememberedHead | undefined, certain: boolean, options: CallOptions = {}): Promise<boolean> {
    if (this.#ended) return (await this.#releasing?.catch(() => false)) ?? false
    this.#ended = true
    this.#cancelHeartbeat()
    this.#releasing = this.#release(seen, certain, options.signal)
    this.#parts.onReleasing(this.#releasing)
    return await this.#releasing
  }

  async #release(
    seen: RememberedHead | undefined,
    certain: boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { environment, limits, key, borrowed } = this.#parts
    const lost = this.#lost !== undefined
    const attemptMs = Math.min(limits.attemptMs, RELEASE_ATTEMPT_MS)
    const operationMs = Math.min(limits.operationMs, RELEASE_MS)
    const deadline = new Deadline(environment, { ...limits, attemptMs, operationMs }, signal)
    try {
      // A heartbeat that is under way comes first, but not for long: an answer that was lost must not keep the lock held.
      const turn = new Deadline(environment, { ...limits, operationMs: attemptMs }, signal)
      await turn.within('lock.release', key.identity, () => this.#writing).catch(() => undefined)
      this.#overtaken.abort()
      const clean = this.#inOrder && certain && !lost
      if (!borrowed) {
        await this.#writeInTurn(
          (now) => ({
            ...withLast(now, seen),
            held: false,
            clean: clean && !now.uncertain,
            uncertain: false,
          }),
          deadline,
        )
      } else if (!lost && withLast(this.#stored.record, seen) !== this.#stored.record) {
        await this.#writeInTurn((now) => withLast(now, seen), deadline)
      }
      return this.#lost === undefined
    } finally {
      this.#cancelExpiry()
      this.#lose('it was released')
    }
  }

  leave(): void {
    this.#ended = true
    this.#lose('it was left to another process')
  }

  async #renew(change: Partial<LockRecord> = {}): Promise<void> {
    const started = startNow(this.#parts.environment)
    const turn = this.#writing.then(async () => {
      const overtaken = this.#overtaken.signal
      return await this.#writeInTurn((now) => ({ ...now, ...change }), this.#renewalTime(overtaken), overtaken)
    })
    this.#writing = turn.catch(() => undefined)
    if ((await turn) === 'refused') return
    this.#started = started
    this.#watchExpiry()
    this.#scheduleHeartbeat()
  }

  /**
   * Writes the record. A refusal that is not our own earlier write means that the lease is gone.
   *
   * @param overtaken Fires when nobody waits for this write any more: it touches nothing of this object then.
   */
  async #writeInTurn(
    next: (now: LockRecord) => LockRecord,
    deadline: Deadline,
    overtaken?: AbortSignal,
  ): Promise<'written' | 'refused'> {
    const { locks, key, environment } = this.#parts
    for (;;) {
      const token = hex(environment.randomBytes(16))
      this.#unsettled.add(token)
      const outcome = await writeRecord(locks, key, this.#stored, { ...next(this.#stored.record), token }, deadline)
      if (overtaken?.aborted) throw unknownLock(key, undefined)
      this.#unsettled.delete(token)
      if ('written' in outcome) {
        this.#stored = outcome.written
        this.#unsettled.clear() // what was sent before can land no more
        return 'written'
      }
      const now = outcome.refused?.record
      // An earlier write of ours whose answer never came, or one by a process that works under the same lease.
      const ours = now?.owner === this.owner && (now.fence === this.fence || this.#unsettled.has(now.token))
      if (now?.held && ours && deadline.left > 0) {
        this.#stored = outcome.refused!
        continue
      }
      this.#lose(
        now === undefined
          ? 'its record is gone'
          : now.owner === this.owner
            ? 'it was broken'
            : 'somebody else holds it now',
      )
      return 'refused'
    }
  }

  /** A renewal is worth trying until the lease has run out. One lost message must not take the whole of it: there is time for another attempt. */
  #renewalTime(overtaken: AbortSignal): Deadline {
    const { environment, limits } = this.#parts
    const attemptMs = Math.min(limits.attemptMs, this.#stored.record.leaseMs / RENEWALS_PER_LEASE)
    const operationMs = Math.max(1, Math.min(limits.operationMs, this.#left()))
    return new Deadline(environment, { ...limits, attemptMs, operationMs }, overtaken)
  }

  /** What is left of the lease in ms. Counts by the clock that says more has passed: a suspended machine stops one of them. */
  #left(): number {
    const { environment } = this.#parts
    const elapsed = Math.max(environment.monotonic() - this.#started.monotonic, environment.now() - this.#started.wall)
    return this.#stored.record.leaseMs - elapsed
  }

  #refuseIfLost(): void {
    this.#checkTime()
    if (this.#lost !== undefined) throw this.#lost
    if (this.#ended) throw leaseLost(formatName(this.#parts.key.name), 'it is being released')
  }

  #checkTime(): void {
    if (this.#left() <= 0) this.#lose('it was not renewed in time')
  }

  #watchExpiry(): void {
    this.#cancelExpiry()
    if (this.#lost !== undefined) return
    const wait = () => {
      this.#cancelExpiry = this.#parts.environment.timer(Math.max(1, this.#left()), () => {
        this.#checkTime()
        if (this.#lost === undefined) wait()
      })
    }
    wait()
  }

  #scheduleHeartbeat(): void {
    this.#cancelHeartbeat()
    if (!this.#parts.heartbeat || this.#ended || this.#lost !== undefined) return
    const { leaseMs } = this.#stored.record
    const beat = leaseMs / RENEWALS_PER_LEASE
    // Counted like the lease: from when the request was sent, however late its answer came.
    const due = Math.max(leaseMs * BEATS_APART, Math.min(beat, this.#left() - leaseMs + beat))
    this.#cancelHeartbeat = this.#parts.environment.timer(due, () => {
      this.#checkTime()
      if (this.#ended || this.#lost !== undefined) return
      void this.#renew()
        .catch(() => undefined) // the lease runs on; the next beat tries again
        .finally(() => this.#scheduleHeartbeat())
    })
  }

  #lose(why: string): void {
    if (this.#lost !== undefined) return
    this.#lost = leaseLost(formatName(this.#parts.key.name), why)
    this.#cancelHeartbeat()
    this.#cancelExpiry()
    this.#controller.abort(this.#lost)
  }
}

/** The record with the higher of the heads that it and `seen` name; itself when that is its own. */
function withLast(record: LockRecord, seen: RememberedHead | undefined): LockRecord {
  if (seen === undefined || (seen.birth === record.birth && seen.seq <= record.lastSeq)) return record
  return { ...record, lastSeq: seen.seq, lastId: seen.id, birth: seen.birth }
}
