import type { RevisionInfo } from '../../core/revision.ts'

/** One call of one actor, as the checker sees it. */
export interface Attempt {
  readonly actor: string
  readonly what: 'commit' | 'update' | 'rollback' | 'label' | 'prune' | 'collect' | 'read' | 'delete'
  /** What the revision that it makes says in its message: unique in the run. */
  readonly mark: string
  /** Virtual time in ms, and the order of events within the same ms. */
  readonly invoked: number
  answered?: number
  /** `ok`, or the code of the error. Absent: the process died, or is still waiting. */
  outcome?: string
  /** Of a change that was acknowledged: the revision's number. Of a read: what was current, 0 for nothing. */
  number?: number
}

/** What stands in the store when all is over. */
export interface Final {
  readonly revisions: readonly RevisionInfo[]
  readonly problems: readonly string[]
}

/** Outcomes after which a change certainly did not happen. */
const DEFINITE = ['Conflict', 'NotFound', 'Throttled', 'AccessDenied', 'InvalidInput', 'TooLarge', 'LeaseLost']

/**
 * Judges a run: every acknowledged change is in the history exactly once, one that was refused is not, any other at most once; the order of the
 * history agrees with real time; and what was read was current at some moment of the reading.
 */
export function check(attempts: readonly Attempt[], final: Final): string[] {
  const violations = [...final.problems]
  const places = new Map<string, RevisionInfo[]>()
  for (const revision of final.revisions)
    places.set(revision.message, [...(places.get(revision.message) ?? []), revision])
  const changes = attempts.filter(({ what }) => what === 'commit' || what === 'update' || what === 'rollback')
  for (const attempt of changes) {
    const found = places.get(attempt.mark) ?? []
    const told = `${attempt.actor} ${attempt.what} ${attempt.mark}`
    if (found.length > 1) violations.push(`${told} is in the history ${found.length} times`)
    if (attempt.outcome === 'ok' && found.length === 0)
      violations.push(`${told} was acknowledged and is not in the history`)
    if (attempt.outcome === 'ok' && found[0] !== undefined && found[0].number !== attempt.number) {
      violations.push(`${told} was acknowledged as @${attempt.number} and is @${found[0].number}`)
    }
    if (attempt.outcome !== undefined && DEFINITE.includes(attempt.outcome) && found.length > 0) {
      violations.push(`${told} was refused with ${attempt.outcome} and is in the history`)
    }
  }
  violations.push(...orderViolations(changes, places), ...readViolations(attempts, changes, places))
  const known = new Set(changes.map(({ mark }) => mark))
  for (const { message, number } of final.revisions)
    if (!known.has(message)) violations.push(`@${number} "${message}" was made by nobody`)
  return violations
}

/** A change that was acknowledged before another was invoked comes before it. */
function orderViolations(changes: readonly Attempt[], places: ReadonlyMap<string, readonly RevisionInfo[]>): string[] {
  const violations: string[] = []
  const acked = changes.filter(({ outcome }) => outcome === 'ok').sort((a, b) => a.answered! - b.answered!)
  for (const later of changes) {
    const number = places.get(later.mark)?.[0]?.number
    if (number === undefined) continue
    for (const earlier of acked) {
      if (earlier.answered! >= later.invoked) break
      if (earlier.number! > number)
        violations.push(`${later.mark} @${number} began after ${earlier.mark} @${earlier.number} was acknowledged`)
    }
  }
  return violations
}

/** A read sees no less than what was acknowledged before it began, and nothing that nobody had begun to write when it ended. */
function readViolations(
  attempts: readonly Attempt[],
  changes: readonly Attempt[],
  places: ReadonlyMap<string, readonly RevisionInfo[]>,
): string[] {
  const violations: string[] = []
  const byNumber = new Map(
    changes.flatMap((change) => (places.get(change.mark) ?? []).map(({ number }) => [number, change] as const)),
  )
  for (const read of attempts) {
    if (read.what !== 'read' || read.outcome !== 'ok') continue
    for (const change of changes) {
      if (change.outcome === 'ok' && change.answered! < read.invoked && change.number! > read.number!) {
        violations.push(`${read.actor} read @${read.number} after ${change.mark} @${change.number} was acknowledged`)
      }
    }
    const seen = byNumber.get(read.number!)
    if (read.number! > 0 && seen === undefined)
      violations.push(`${read.actor} read @${read.number}, which is not in the history`)
    if (seen !== undefined && seen.invoked > read.answered!)
      violations.push(`${read.actor} read @${read.number} before anybody wrote it`)
  }
  return violations
}

/** The run as a person reads it. */
export function tell(attempts: readonly Attempt[], final: Final): string {
  const lines = [...attempts]
    .sort((a, b) => a.invoked - b.invoked)
    .map(
      (one) =>
        `${one.invoked.toFixed(3).padStart(12)} ${(one.answered?.toFixed(3) ?? '-').padStart(12)} ${one.actor} ${one.what} ${one.mark} → ${one.outcome ?? 'never answered'}${one.number === undefined ? '' : ` @${one.number}`}`,
    )
  return [
    ...lines,
    'history:',
    ...final.revisions.map((revision) => `  @${revision.number} seq ${revision.seq} ${revision.message}`),
  ].join('\n')
}
