import { type Attempt, GUEST, told, UNDECIDED } from './attempt.ts'
import type { Chain, ChainHead, ChainRevision } from './chain.ts'
import { keyViolations } from './key-changes.ts'
import { modelViolations } from './model.ts'
import { removalViolations } from './removals.ts'

/** What nobody may be told while nobody tampers with anything. */
const NEVER = ['RolledBack', 'Corrupt', 'DecryptFailed', 'InvalidInput', 'InvalidOptions', 'TooLarge', 'Closed']
/** Changes whose value was made from the one before. */
const COUNTING = ['update', 'commit', 'held commit']

/**
 * Judges a run by every head that landed: a change that was acknowledged is in the history exactly once, one that was refused is nowhere, any other is
 * there at most once; the order of the history agrees with real time; what was read was current at some moment of the reading; a value was made from the
 * one before it.
 */
export function judge(attempts: readonly Attempt[], chain: Chain): string[] {
  const changes = attempts.filter(({ change }) => change)
  return [
    ...chain.problems,
    ...outcomeViolations(attempts),
    ...chainViolations(chain),
    ...changeViolations(changes, chain),
    ...orderViolations(changes, chain),
    ...valueViolations(changes, chain),
    ...modelViolations(changes, chain),
    ...removalViolations(attempts, chain),
    ...keyViolations(attempts, chain),
    ...readViolations(attempts, chain),
  ]
}

function outcomeViolations(attempts: readonly Attempt[]): string[] {
  return attempts
    .filter(({ outcome }) => outcome !== undefined && (outcome.startsWith('Unexpected') || NEVER.includes(outcome)))
    .filter(({ actor, outcome }) => !(actor.startsWith(GUEST) && outcome === 'DecryptFailed'))
    .map((attempt) => `${told(attempt)} ended with ${attempt.outcome}: ${attempt.detail ?? ''}`)
}

/** Every head follows the one before, under an id of its own, and no two revisions share a number or a mark. */
function chainViolations({ heads, revisions }: Chain): string[] {
  const violations: string[] = []
  const ids = new Set<string>()
  for (const { header } of heads) {
    const id = Buffer.from(header.writeId).toString('hex')
    if (ids.has(id)) violations.push(`the head ${header.seq} landed twice`)
    ids.add(id)
  }
  for (const [index, { record }] of revisions.entries())
    if (record.number !== index + 1) violations.push(`@${index + 1} of the history is @${record.number}`)
  return violations
}

function changeViolations(changes: readonly Attempt[], { revisions }: Chain): string[] {
  const violations: string[] = []
  const places = new Map<string, ChainRevision[]>()
  for (const revision of revisions) {
    const { message } = revision.record
    places.set(message, [...(places.get(message) ?? []), revision])
  }
  for (const change of changes) {
    const found = places.get(change.mark) ?? []
    places.delete(change.mark)
    if (found.length > 1) violations.push(`${told(change)} is in the history ${found.length} times: ${numbers(found)}`)
    if (change.outcome === 'ok' && found.length === 0)
      violations.push(`${told(change)} was acknowledged and is not in the history`)
    if (change.outcome === 'ok' && found[0] !== undefined && found[0].record.number !== change.number)
      violations.push(`${told(change)} was acknowledged as @${change.number} and is ${numbers(found)}`)
    const refused = change.outcome !== undefined && change.outcome !== 'ok' && !UNDECIDED.includes(change.outcome)
    if (refused && found.length > 0)
      violations.push(`${told(change)} was refused with ${change.outcome} and is ${numbers(found)}`)
  }
  for (const [mark, found] of places) violations.push(`${numbers(found)} "${mark}" was made by nobody`)
  return violations
}

/** A change that was acknowledged before another was invoked comes before it. */
function orderViolations(changes: readonly Attempt[], { revisions }: Chain): string[] {
  const violations: string[] = []
  const number = new Map(revisions.map(({ record }) => [record.message, record.number]))
  const acknowledged = changes.filter(({ outcome }) => outcome === 'ok')
  for (const later of changes) {
    const at = number.get(later.mark)
    if (at === undefined) continue
    for (const earlier of acknowledged)
      if (earlier.answered! < later.invoked && earlier.number! > at)
        violations.push(`${later.mark} @${at} began after ${earlier.mark} @${earlier.number} was acknowledged`)
  }
  return violations
}

/** Who changed what they had seen made the next value of exactly that. */
function valueViolations(changes: readonly Attempt[], { revisions }: Chain): string[] {
  const violations: string[] = []
  const byId = new Map(revisions.map((revision) => [revision.record.id, revision]))
  const what = new Map(changes.map((change) => [change.mark, change.what]))
  for (const { record, content } of revisions) {
    if (!COUNTING.includes(what.get(record.message) ?? '')) continue
    const before = record.parent === undefined ? undefined : byId.get(record.parent)?.content
    if (content.counter !== (before?.counter ?? 0) + 1)
      violations.push(
        `@${record.number} counts ${content.counter} after ${before?.counter ?? 0}: a change was lost or doubled`,
      )
    if (content.mark !== record.message)
      violations.push(`@${record.number} "${record.message}" has the value of ${content.mark}`)
  }
  return violations
}

function readViolations(attempts: readonly Attempt[], { heads, revisions }: Chain): string[] {
  const violations: string[] = []
  const removed = heads.findLast(({ body }) => body.tombstone !== undefined)?.at ?? 0
  const labels = attempts.filter(
    ({ what, outcome, invoked }) => what === 'label' && outcome === 'ok' && invoked > removed,
  )
  for (const { mark, number } of labels)
    if (heads.at(-1)?.body.labels.get(mark)?.number !== number)
      violations.push(`the label ${mark} is not at @${number}`)
  for (const read of attempts) {
    if (read.outcome !== 'ok') continue
    if (read.what === 'read' && !wasCurrent(read, heads))
      violations.push(
        `${told(read)} brought @${read.number} of head ${read.seenSeq ?? 0}, which was not current meanwhile`,
      )
    const value = read.number === undefined ? undefined : revisions[read.number - 1]?.content
    if (read.value !== undefined && value?.text !== read.value.text)
      violations.push(`${told(read)} brought @${read.number} with the value of ${read.value.mark}`)
    if (read.what === 'history') violations.push(...prefixViolations(read, revisions))
  }
  return violations
}

/** At some moment between its beginning and its end, the head that was read was the current one. */
function wasCurrent(read: Attempt, heads: readonly ChainHead[]): boolean {
  for (let seq = 0; seq <= heads.length; seq++) {
    const from = heads[seq - 1]?.at ?? 0
    const to = heads[seq]?.at ?? Number.POSITIVE_INFINITY
    if (from > read.answered! || to < read.invoked) continue
    const current = heads[seq - 1]?.body.current?.number ?? 0
    if (current === read.number && (read.seenSeq === undefined || read.seenSeq === seq)) return true
  }
  return false
}

/** What a history lists is what was written, newest first. */
function prefixViolations(read: Attempt, revisions: readonly ChainRevision[]): string[] {
  const lines = read.detail === '' || read.detail === undefined ? [] : read.detail.split(', ')
  let below = Number.POSITIVE_INFINITY
  for (const line of lines) {
    const [number, mark] = line.split(' ')
    if (revisions[Number(number) - 1]?.record.message !== mark || Number(number) >= below)
      return [`${told(read)} lists "${line}", which is not the history`]
    below = Number(number)
  }
  return []
}

function numbers(found: readonly ChainRevision[]): string {
  return found.map(({ record }) => `@${record.number}`).join(', ')
}
