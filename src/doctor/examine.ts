import type { Environment } from '../core/environment.ts'
import { KeelstateError, printable, throwIfAborted } from '../core/errors.ts'
import { hex } from '../core/header.ts'
import type { Finding, Inspectable } from '../core/inspection.ts'
import { readMarker } from '../core/marker.ts'
import type { Limits } from '../core/retry.ts'
import type { CallOptions, ObjectStore } from '../core/store.ts'
import type { LockStore } from '../locking/index.ts'
import { Bench } from './bench.ts'
import { listAfterWrite, wholeBodies } from './contents.ts'
import { createTaken, raceCreates } from './creates.ts'
import { LockBench, lateChange, raceAcquisitions, raceRecords } from './locks.ts'
import { pairing } from './pairing.ts'
import { permissions } from './permissions.ts'
import { remember } from './remember.ts'
import { conditionalReads, raceUpdates, readAfterWrite, updateRefused } from './updates.ts'

/** What is examined, and how thoroughly. */
export interface ExamineParts {
  readonly store: ObjectStore
  /** Absent when locks are kept in the store itself: what is proven of the store holds for them. */
  readonly locks?: LockStore
  readonly environment: Environment
  readonly limits: Limits
  readonly writers: number
  readonly rounds: number
  readonly onProgress?: ((check: string, done: number, of: number) => void) | undefined
}

export interface DoctorReport {
  /** The address, without secrets. */
  store: string
  /** Of the lock table; absent when locks lie in the store. */
  locks?: string
  /** 32 hex digits; absent when no store was made here yet. */
  storeId?: string
  /**
   * `safe`: every check of the mechanism passed, and nothing unsafe was found. `unsafe`: at least one finding is. `unproven`: a check of the
   * mechanism could not be brought to an end.
   */
  verdict: 'safe' | 'unsafe' | 'unproven'
  findings: Finding[]
  /** A proof lies in the store, so that locks are let in; also one that could not be taken back. Of fewer than 10 rounds none is kept. */
  remembered: boolean
}

const AN_HOUR_MS = 60 * 60 * 1_000
const TRIES = 3

/** What proves that a store does what keelstate rests on. Everything else is advice. */
const MECHANISM = [
  'create-race',
  'create-refused',
  'update-race',
  'update-refused',
  'conditional-read',
  'read-after-write',
  'list-after-write',
  'bodies',
]

/**
 * Proves a store and a lock table by using them: writers race, readers look, and the service's settings are asked for.
 *
 * Works under names of its own, `objects/~doctor/…` and `doctor/…`; deletes the former, which nothing else refers to, and leaves two small
 * objects under the latter, which are moved and never deleted, like everything that is moved here.
 *
 * @throws {KeelstateError} when the place cannot be reached at all: `BucketMissing`, `Unauthenticated`, `Unavailable`; `Aborted`.
 */
export async function examine(parts: ExamineParts, options: CallOptions = {}): Promise<DoctorReport> {
  const { store, locks } = parts
  const { signal } = options
  const bench = new Bench(store, { ...parts, signal })
  const findings: Finding[] = []
  const storeId = await idOf(parts, signal)
  const progress = (check: string, of: number) => {
    let done = 0
    parts.onProgress?.(check, done, of)
    return () => parts.onProgress?.(check, ++done, of)
  }
  const run = async (check: string, of: number, work: (onRound: () => void) => Promise<Finding | undefined>) => {
    throwIfAborted(signal, 'doctor', store.address)
    const finding = await told(check, () => work(progress(check, of)))
    if (finding !== undefined) findings.push(finding)
  }
  const { rounds } = parts
  try {
    let may: ReadonlySet<string> = new Set()
    await run('permissions', 1, async () => {
      const found = await permissions(bench)
      may = found.may
      return found.finding
    })
    if (may.has('write') && may.has('read')) {
      await run('create-race', rounds, (onRound) => raceCreates(bench, onRound))
      await run('create-refused', 1, () => createTaken(bench))
      await run('update-race', rounds, (onRound) => raceUpdates(bench, onRound))
      await run('update-refused', 1, () => decided(() => updateRefused(bench)))
      await run('conditional-read', 1, () => decided(() => conditionalReads(bench)))
      await run('read-after-write', 1, (onRound) => readAfterWrite(bench, onRound))
      await run('bodies', 1, () => wholeBodies(bench))
      if (may.has('list')) await run('list-after-write', 1, () => listAfterWrite(bench))
    }
    if (locks !== undefined) {
      const table = new LockBench(locks, { ...parts, storeId: storeId ?? '0'.repeat(32), signal })
      await run('lock-write-race', rounds, (onRound) => raceRecords(table, onRound))
      await run('lock-acquire-race', rounds, (onRound) => raceAcquisitions(table, onRound))
      await run('lock-refused', 1, () => decided(() => lateChange(table)))
      if (storeId !== undefined && may.has('write')) await run('lock-pairing', 1, () => pairing(bench, table))
    }
    for (const place of [store, ...(locks === undefined ? [] : [locks])]) await inspect(place, findings, signal)
  } finally {
    findings.push(await bench.clean())
  }
  const proven = MECHANISM.every((check) => isGood(findings, check))
  const ofLocks = ['lock-write-race', 'lock-refused', ...(locks?.acquire === undefined ? [] : ['lock-acquire-race'])]
  const locksProven = locks === undefined || ofLocks.every((check) => isGood(findings, check))
  const disproven = findings.some(({ check, verdict }) => MECHANISM.includes(check) && verdict === 'unsafe')
  const remembered = await remember(bench, findings, disproven ? 'disproven' : proven ? 'proven' : 'open')
  return {
    store: store.address,
    ...(locks === undefined ? {} : { locks: locks.address }),
    ...(storeId === undefined ? {} : { storeId }),
    verdict: findings.some(({ verdict }) => verdict === 'unsafe')
      ? 'unsafe'
      : proven && locksProven
        ? 'safe'
        : 'unproven',
    findings,
    remembered,
  }
}

/** Runs a check; an error is what it found out. */
async function told(check: string, work: () => Promise<Finding | undefined>): Promise<Finding | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!KeelstateError.is(error) || error.code === 'Aborted') throw error
    const says = `It could not be found out: ${error.message}`
    // What is not implemented will not be there next time either.
    const verdict = error.code === 'Unsupported' || error.code === 'Corrupt' ? 'unsafe' : 'unknown'
    return {
      check,
      verdict,
      says,
      todo: error.hint ?? (verdict === 'unsafe' ? 'Use another service.' : 'Run it again.'),
    }
  }
}

/** Makes a check again that a lost answer came between, or somebody else at work on the same probe, such as another doctor. */
async function decided(check: () => Promise<Finding>): Promise<Finding> {
  for (let attempt = 1; ; attempt++) {
    const finding = await check()
    if (finding.verdict !== 'unknown' || attempt === TRIES) return finding
  }
}

async function inspect(place: Inspectable, findings: Finding[], signal: AbortSignal | undefined): Promise<void> {
  const ending = await told('credentials', () => credentials(place, signal))
  if (ending !== undefined) findings.push(ending)
  if (place.inspect === undefined) return
  try {
    for await (const finding of place.inspect({ signal })) findings.push(finding)
  } catch (error) {
    if (KeelstateError.is(error, 'Aborted')) throw error
    const says = `The settings could not be asked for: ${failureOf(error)}`
    findings.push({ check: 'settings', verdict: 'unknown', says })
  }
}

/** What a client says of itself is not repeated: it may hold the command that gives credentials, or what was signed. */
function failureOf(error: unknown): string {
  if (KeelstateError.is(error)) return error.message
  const { code, name } = Object(error) as { code?: unknown; name?: unknown }
  return `the client failed (${printable(String(code ?? name ?? 'unknown'), 60)}).`
}

async function credentials(place: Inspectable, signal: AbortSignal | undefined): Promise<Finding | undefined> {
  const end = await place.credentialsEnd?.({ signal })
  if (end === undefined) return undefined
  const [check, says] = ['credentials', `The credentials end at ${end.toISOString()}.`]
  if (end.getTime() - Date.now() > AN_HOUR_MS) return { check, verdict: 'ok', says }
  return {
    check,
    verdict: 'warning',
    says,
    todo: 'Unless they are renewed by themselves, sign in again before longer work.',
  }
}

async function idOf(parts: ExamineParts, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    return hex((await readMarker(parts, signal)).storeId)
  } catch (error) {
    if (KeelstateError.is(error, 'NotFound') && error.details.subject === 'store') return undefined
    if (KeelstateError.is(error, 'AccessDenied')) return undefined
    throw error
  }
}

function isGood(findings: readonly Finding[], check: string): boolean {
  return findings.some(
    (finding) => finding.check === check && (finding.verdict === 'ok' || finding.verdict === 'warning'),
  )
}
