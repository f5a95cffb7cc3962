import { describe, expect, it } from 'vitest'
import { type After, type Contender, RaceJudge } from '../../src/doctor/race.ts'

const WON: Contender<number> = { outcome: 'won', written: 1 }
const REFUSED: Contender<number> = { outcome: 'refused' }
const LOST: Contender<number> = { outcome: 'unknown' }
const CONFLICT: Contender<number> = { outcome: 'unknown', conflict: true }
const FIRST: After = { stands: 'contender', number: 0 }

/** What ten rounds say that all went like this. */
function judged(contenders: readonly Contender<number>[], after: After): string {
  const judge = new RaceJudge()
  while (judge.rounds < 10 && !judge.decided) judge.note(contenders, after)
  return judge.finding('create-race', 'create the same object', contenders.length).verdict
}

describe('a race of writers', () => {
  it.each<[string, readonly Contender<number>[], After, string]>([
    ['one won and stands', [WON, REFUSED, REFUSED], FIRST, 'ok'],
    ['one won and stands, and the others met it', [WON, CONFLICT, CONFLICT], FIRST, 'ok'],
    ['one won and stands, and one had no answer', [WON, REFUSED, LOST], FIRST, 'unknown'],
    ['all met one another', [CONFLICT, CONFLICT, CONFLICT], { stands: 'before' }, 'unknown'],
    ['nobody had an answer', [LOST, LOST, LOST], FIRST, 'unknown'],
    ['somebody else won', [REFUSED, REFUSED, CONFLICT], { stands: 'foreign' }, 'unknown'],
    ['all were refused, and one stands', [REFUSED, REFUSED, REFUSED], FIRST, 'warning'],
    ['two won', [WON, WON, CONFLICT], FIRST, 'unsafe'],
    ['another stands than won', [WON, CONFLICT, CONFLICT], { stands: 'contender', number: 1 }, 'unsafe'],
    ['nobody won', [REFUSED, REFUSED, REFUSED], { stands: 'before' }, 'unsafe'],
  ])('in which %s', (_, contenders, after, verdict) => {
    expect(judged(contenders, after)).toBe(verdict)
  })
})
