import type { Environment } from '../core/environment.ts'
import { hex } from '../core/header.ts'
import type { Finding } from '../core/inspection.ts'
import { documentName } from '../core/names.ts'
import { Deadline, type Limits } from '../core/retry.ts'
import type { LockKey, LockRecord, LockStore, StoredLock } from '../locking/index.ts'
import { type After, type Contender, contend, RaceJudge } from './race.ts'

const READERS = 4
const LEASE_MS = 30_000

/** What the probes of a lock store share: records of their own in it, which are no lock of any document. They stay. */
export class LockBench {
  readonly locks: LockStore
  readonly storeId: string
  readonly environment: Environment
  readonly writers: number
  readonly rounds: number
  readonly signal: AbortSignal | undefined
  readonly #limits: Limits

  constructor(
    locks: LockStore,
    parts: {
      readonly storeId: string
      readonly environment: Environment
      readonly limits: Limits
      readonly writers: number
      readonly rounds: number
      readonly signal: AbortSignal | undefined
    },
  ) {
    this.locks = locks
    this.storeId = parts.storeId
    this.environment = parts.environment
    this.writers = parts.writers
    this.rounds = parts.rounds
    this.signal = parts.signal
    this.#limits = parts.limits
  }

  /** `~` begins no identity of a document, so that no list of locks shows it. */
  key(name: 'probe' | 'pairing'): LockKey {
    return { storeId: this.storeId, name: documentName([name], 'doctor'), identity: `~doctor/${name}` }
  }

  deadline(): Deadline {
    return new Deadline(this.environment, this.#limits, this.signal)
  }

  async read(key: LockKey): Promise<StoredLock | undefined> {
    return await this.deadline().repeat('doctor.read', key.identity, 0, (call) => this.locks.read(key, call))
  }

  async write(key: LockKey, base: StoredLock | undefined, next: LockRecord): Promise<Contender<StoredLock>> {
    return await contend<StoredLock>(this.deadline(), key.identity, (call) => this.locks.write(key, base, next, call))
  }

  newId(): string {
    return hex(this.environment.randomBytes(16))
  }

  /** A record that nobody holds, with an owner and a token of its own. */
  newRecord(fence: bigint, reason?: string): LockRecord {
    return {
      held: false,
      owner: this.newId(),
      token: this.newId(),
      fence,
      leaseMs: LEASE_MS,
      clean: false,
      prevClean: false,
      uncertain: false,
      reset: false,
      lastSeq: 0,
      lastId: '',
      birth: '',
      since: new Date(this.environment.now()).toISOString(),
      who: 'keelstate doctor',
      host: '',
      operation: 'doctor',
      ...(reason === undefined ? {} : { reason }),
    }
  }
}

/** Races changes of one record on the same base, and creations the first time. */
export async function raceRecords(bench: LockBench, onRound: () => void): Promise<Finding> {
  const key = bench.key('probe')
  const judge = new RaceJudge()
  while (judge.rounds < bench.rounds && !judge.decided) {
    const base = await bench.read(key)
    const fence = (base?.record.fence ?? 0n) + 1n
    const records = Array.from({ length: bench.writers }, () => bench.newRecord(fence))
    const contenders = await Promise.all(records.map((record) => bench.write(key, base, record)))
    judge.note(
      contenders,
      standing(
        await bench.read(key),
        records.map(({ token }) => token),
        base,
      ),
    )
    onRound()
  }
  return judge.finding('lock-write-race', 'replace the same lock record', bench.writers)
}

/** Races acquisitions of one free lock, where the lock store takes it in one request. */
export async function raceAcquisitions(bench: LockBench, onRound: () => void): Promise<Finding | undefined> {
  const { locks } = bench
  if (locks.acquire === undefined) return undefined
  const key = bench.key('probe')
  const judge = new RaceJudge()
  while (judge.rounds < bench.rounds && !judge.decided) {
    const before = await bench.read(key)
    const freed = await bench.write(key, before, bench.newRecord((before?.record.fence ?? 0n) + 1n))
    if (freed.outcome !== 'won') {
      judge.note([], { stands: 'foreign' })
      onRound()
      continue
    }
    const claims = Array.from({ length: bench.writers }, () => bench.newRecord(0n))
    const contenders = await Promise.all(claims.map((claim) => acquire(bench, key, claim)))
    const now = await bench.read(key)
    const grew = now !== undefined && now.record.fence > freed.written.record.fence
    const after = standing(
      now,
      claims.map(({ token }) => token),
      freed.written,
    )
    if (isFreedBetween(contenders)) judge.note([], { stands: 'foreign' })
    // A fence that did not grow would let a former holder in.
    else judge.note(contenders, after.stands === 'contender' && !grew ? { stands: 'before' } : after)
    onRound()
  }
  const last = await bench.read(key)
  if (last?.record.held) await bench.write(key, last, bench.newRecord(last.record.fence + 1n))
  return judge.finding('lock-acquire-race', 'take the same lock', bench.writers)
}

/** A change of a record that was replaced has to be refused, and every reader has to see the last change at once. */
export async function lateChange(bench: LockBench): Promise<Finding> {
  const check = 'lock-refused'
  const todo = 'Keep locks elsewhere: this table does not hold what locks rest on.'
  const key = bench.key('probe')
  const first = await bench.read(key)
  const second = bench.newRecord((first?.record.fence ?? 0n) + 1n)
  const changed = await bench.write(key, first, second)
  const readers = await Promise.all(Array.from({ length: READERS }, () => bench.read(key)))
  const undecided: Finding = {
    check,
    verdict: 'unknown',
    says: 'A request was not answered, or somebody else is at work on the same probe.',
    todo: 'Run it again.',
  }
  if (changed.outcome !== 'won') return undecided
  if (readers.some((read) => read === undefined || read.record.token === first?.record.token))
    return { check, verdict: 'unsafe', says: 'A reader did not see a change that had been made before it asked.', todo }
  const third = bench.newRecord(second.fence)
  const late = await bench.write(key, first, third)
  const now = await bench.read(key)
  if (late.outcome === 'won' || now?.record.token === third.token)
    return { check, verdict: 'unsafe', says: 'A change of a lock record that had been replaced was carried out.', todo }
  if (late.outcome === 'unknown') return undecided
  for (const differs of [{ owner: bench.newId() }, { token: bench.newId() }, { fence: second.fence + 7n }]) {
    const base = { ...now!, record: { ...now!.record, ...differs } }
    // Lock stores that go by the version of an object need not look at the record.
    if (now?.version !== undefined) break
    const { outcome } = await bench.write(key, base, bench.newRecord(second.fence))
    if (outcome === 'unknown') return undecided
    if (outcome === 'won')
      return {
        check,
        verdict: 'unsafe',
        says: `A change of a lock record on another ${Object.keys(differs)[0]} than it has was carried out.`,
        todo,
      }
  }
  return {
    check,
    verdict: 'ok',
    says: 'Changes of a lock record that was replaced are refused, and readers see the last one.',
  }
}

/** Whether somebody else, such as another doctor, freed the lock between the claims that won: that counts the fence up, too. */
function isFreedBetween(contenders: readonly Contender<StoredLock>[]): boolean {
  const fences = contenders.flatMap((one) => (one.outcome === 'won' ? [one.written.record.fence] : []))
  fences.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const [, ...later] = fences
  return later.length > 0 && later.every((fence, n) => fence - fences[n]! > 1n)
}

async function acquire(bench: LockBench, key: LockKey, claimed: LockRecord): Promise<Contender<StoredLock>> {
  const { owner, token, leaseMs, since, who, host, operation } = claimed
  const claim = { record: { owner, token, leaseMs, since, who, host, operation }, watched: undefined }
  const taken = await contend<Awaited<ReturnType<NonNullable<LockStore['acquire']>>>>(
    bench.deadline(),
    key.identity,
    (call) => bench.locks.acquire!(key, claim, call),
  )
  if (taken.outcome !== 'won') return taken
  return 'acquired' in taken.written ? { outcome: 'won', written: taken.written.acquired } : { outcome: 'refused' }
}

function standing(now: StoredLock | undefined, tokens: readonly string[], base: StoredLock | undefined): After {
  if (now?.record.token === base?.record.token) return { stands: 'before' }
  const number = tokens.indexOf(now?.record.token ?? '')
  return number < 0 ? { stands: 'foreign' } : { stands: 'contender', number }
}
