import { hex } from '../../core/header.ts'
import type { ObjectReference, RevisionRecord } from '../../core/record.ts'
import { type Attempt, told, UNDECIDED } from './attempt.ts'
import type { Chain, ChainHead } from './chain.ts'

const DATA_KEY_BYTES = 32 // in the list of earlier ones, behind a byte of its version

/**
 * A change of keys that was acknowledged happened once, one that was refused never; no data key comes back, none is forgotten; and what is new is
 * sealed under the key of its head, or under the former one in the very write that replaces it.
 */
export function keyViolations(attempts: readonly Attempt[], { heads, revisions }: Chain): string[] {
  const violations: string[] = []
  const open = attempts.filter(({ what }) => what === 'rotate')
  const used = new Set<string>()
  const known = new Set<string>()
  let keys: string[] = []
  let revision = 0
  for (const head of heads) {
    const { seq, keyId } = head.header
    const key = hex(keyId)
    const before = keys.at(-1)
    if (key !== before) {
      if (used.has(key)) violations.push(`head ${seq} has a data key again that was replaced`)
      used.add(key)
      keys = [...keys, key]
      if (before !== undefined) {
        const candidates = open.filter((attempt) => mayHaveMade(attempt, head))
        const change = open.indexOf(candidates.find(({ outcome }) => outcome === 'ok') ?? candidates[0]!)
        if (change < 0) violations.push(`the data key of head ${seq} by ${head.by} was made by nobody`)
        else open.splice(change, 1)
      }
    }
    const earlier = earlierIn(head)
    if (earlier !== keys.length - 1)
      violations.push(`head ${seq} lists ${earlier} of ${keys.length - 1} earlier data keys`)
    const records: RevisionRecord[] = []
    for (; revisions[revision]?.seq === seq; revision++) records.push(revisions[revision]!.record)
    for (const { object, key: under } of referencesIn(head, records)) {
      if (known.has(object)) continue
      known.add(object)
      if (under !== key && !(key !== before && under === before))
        violations.push(`${object.slice(0, 6)} is new in head ${seq}, and sealed under a former data key`)
    }
  }
  for (const attempt of open)
    if (attempt.outcome === 'ok') violations.push(`${told(attempt)} was acknowledged and not done`)
  return violations
}

/** One process does one thing at a time: its calls do not overlap. */
function mayHaveMade({ actor, invoked, answered, outcome }: Attempt, { by, at }: ChainHead): boolean {
  if (actor !== by || at < invoked) return false
  return answered === undefined || UNDECIDED.includes(outcome!) || (outcome === 'ok' && at <= answered)
}

function earlierIn({ body }: ChainHead): number {
  return body.keys === undefined ? 0 : (Buffer.from(body.keys, 'base64').length - 1) / DATA_KEY_BYTES
}

function referencesIn({ body }: ChainHead, added: readonly RevisionRecord[]): ObjectReference[] {
  const records = [...body.tail, ...(body.current === undefined ? [] : [body.current]), ...added]
  const contents = records.flatMap(({ content, full }) => [content, ...(full === undefined ? [] : [full])])
  return [
    ...contents.flatMap((one) => ('reference' in one ? [one.reference] : [])),
    ...body.segments,
    ...body.condemned.flatMap(({ list }) => (list === undefined ? [] : [list])),
  ]
}
