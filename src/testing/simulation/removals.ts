import { type Attempt, told, UNDECIDED } from './attempt.ts'
import type { Chain } from './chain.ts'

const REMOVALS = ['delete', 'held delete']

/** A removal that was acknowledged has left a tombstone once, one that was refused none, and every change comes before it or after it as it did in real time. */
export function removalViolations(attempts: readonly Attempt[], { heads, revisions }: Chain): string[] {
  const violations: string[] = []
  const tombstones = new Map<string, number[]>()
  for (const [index, { header, body }] of heads.entries()) {
    const message = body.tombstone?.message
    if (message === undefined || heads[index - 1]?.body.tombstone?.message === message) continue
    tombstones.set(message, [...(tombstones.get(message) ?? []), header.seq])
    if (body.current !== undefined || body.tail.length + body.segments.length + body.labels.size > 0)
      violations.push(`the tombstone in head ${header.seq} has something left beside it`)
  }
  const changes = attempts.filter(({ change }) => change)
  const seqs = new Map(revisions.map(({ record, seq }) => [record.message, seq]))
  for (const removal of attempts.filter(({ what }) => REMOVALS.includes(what))) {
    const { mark, outcome, invoked, answered } = removal
    const found = tombstones.get(mark) ?? []
    tombstones.delete(mark)
    if (found.length > 1) violations.push(`${told(removal)} was done ${found.length} times`)
    const [seq] = found
    if (outcome === 'ok' && seq === undefined) violations.push(`${told(removal)} was acknowledged and not done`)
    if (outcome !== undefined && outcome !== 'ok' && !UNDECIDED.includes(outcome) && seq !== undefined)
      violations.push(`${told(removal)} was refused with ${outcome} and is head ${seq}`)
    if (seq === undefined) continue
    for (const change of changes) {
      const at = seqs.get(change.mark)
      if (at === undefined) continue
      if (at > seq && change.outcome === 'ok' && change.answered! < invoked)
        violations.push(`${mark} in head ${seq} began after ${change.mark} in head ${at} was acknowledged`)
      if (at < seq && outcome === 'ok' && answered! < change.invoked)
        violations.push(`${change.mark} in head ${at} began after ${mark} in head ${seq} was acknowledged`)
    }
  }
  for (const [mark] of tombstones) violations.push(`the tombstone "${mark}" was made by nobody`)
  return violations
}
