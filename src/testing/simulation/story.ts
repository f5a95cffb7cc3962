import { hex } from '../../core/header.ts'
import type { Attempt } from './attempt.ts'
import type { Chain } from './chain.ts'
import type { Chronicle } from './chronicle.ts'

/** The run as a person reads it: everything in its order, then the history that came of it. Two equal stories are one run, bit for bit. */
export function tell(attempts: readonly Attempt[], chronicle: Chronicle, chain: Chain): string {
  const lines: { at: number; text: string }[] = []
  for (const { at, text } of chronicle.notes) lines.push({ at, text: `· ${text()}` })
  for (const { invoked, answered, actor, what, mark, outcome, number, detail } of attempts) {
    const call = `${actor} ${what}${mark === '' ? '' : ` ${mark}`}`
    lines.push({ at: invoked, text: `${call} …` })
    if (answered === undefined) continue
    const result = [outcome, number === undefined ? '' : `@${number}`, detail ?? ''].filter((text) => text !== '')
    lines.push({ at: answered, text: `${call} → ${result.join(' ')}` })
  }
  for (const { at, by, object } of chronicle.deletions)
    lines.push({ at, text: `· ${object.slice(0, 6)} is deleted by ${by}` })
  for (const { at, by, header, body } of chain.heads) {
    const current = body.current === undefined ? 'nothing is current' : `@${body.current.number} is current`
    const barrier = body.barrier === header.seq ? ', barrier' : ''
    const key = `, data key ${hex(header.keyId.subarray(0, 3))}`
    const text = `· head ${header.seq} by ${by}: ${current}, epoch ${header.epoch}, write ${hex(header.writeId.subarray(0, 3))}${key}${barrier}`
    lines.push({ at, text })
  }
  lines.sort((a, b) => a.at - b.at)
  return [
    ...lines.map(({ at, text }) => `${(at / 1_000).toFixed(3).padStart(9)} s  ${text}`),
    'history:',
    ...chain.revisions.map(
      ({ record, content }) =>
        `  @${record.number} in head ${record.seq}: ${record.message}, counts ${content.counter}`,
    ),
  ].join('\n')
}
