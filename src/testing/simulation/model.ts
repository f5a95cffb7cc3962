import type { Attempt } from './attempt.ts'
import type { Chain } from './chain.ts'
import { contentOf, edited } from './matter.ts'

/**
 * Every revision says what its change makes of what it was made on, whatever it is stored as: when it was added, when it was stored whole, and in the
 * end, when everything else that it stands on may have been dropped or moved.
 */
export function modelViolations(changes: readonly Attempt[], { revisions, copies }: Chain): string[] {
  const violations: string[] = []
  const made = new Map(changes.map((change) => [change.mark, change.made]))
  const byId = new Map<string, string>()
  const texts: (string | undefined)[] = []
  for (const { record, content } of revisions) {
    const before = record.parent === undefined ? undefined : byId.get(record.parent)
    const change = made.get(record.message)
    const right =
      record.from !== undefined
        ? byId.get(record.from)
        : change === undefined || 'text' in change
          ? change?.text
          : edited(before, change).text
    if (right !== undefined && content.text !== right)
      violations.push(`@${record.number} ${differs(content.text, right)} from what its change made`)
    texts.push(right)
    if (right !== undefined) byId.set(record.id, right)
  }
  for (const { number, seq, text } of copies) {
    const right = texts[number - 1]
    if (right !== undefined && text !== right)
      violations.push(`@${number}, as head ${seq} has it, ${differs(text, right)} from what it was`)
  }
  return violations
}

function differs(found: string, right: string): string {
  const [one, other] = [contentOf(Buffer.from(found)), contentOf(Buffer.from(right))]
  const marks = one.mark === other.mark ? '' : ` (${one.mark} instead of ${other.mark})`
  return `differs${marks}`
}
