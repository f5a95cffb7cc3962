import assert from 'node:assert/strict'
import { json, KeelstateError, type RevisionInfo, type Store, type VersionedDocument } from '../../src/index.ts'
import type { ChainRevision } from '../../src/testing/simulation/chain.ts'
import { judge } from '../../src/testing/simulation/history.ts'
import { contentOf, HANDED, KEPT, type MemorySample, type SoakAttempt, type Value } from './soak-script.ts'

/** How calls may end when the network fails and others are at the same documents. */
const EXCUSED = [
  'ok',
  'OutcomeUnknown',
  'Timeout',
  'Unavailable',
  'Throttled',
  'Conflict',
  'NotFound',
  'Locked',
  'LeaseLost',
]
const SETTLING = 'settles what was under way'

/** Holds one document to what everybody was told about it. Resolves to how many changes were acknowledged. */
export async function judgeDocument(store: Store, name: string, attempts: readonly SoakAttempt[]): Promise<number> {
  const document = store.document(name, json<Value>())
  const settling = { counter: 0, mark: SETTLING, pad: '' }
  await document.commit(settling, { parent: 'any', message: SETTLING })
  for (const one of attempts)
    assert.ok(EXCUSED.includes(one.outcome!), `${one.what} ${one.mark}: ${one.outcome}: ${one.detail}`)

  const history: RevisionInfo[] = []
  for await (const revision of document.history()) history.unshift(revision)
  if (name.startsWith(KEPT) || name === HANDED) await judgeKept(document, attempts, history)
  else judgePruned(attempts, history)

  assert.deepEqual((await document.verify()).problems, [], name)
  await document.collect({ graceMs: 0 })
  const { problems, unreachable } = await document.verify()
  assert.deepEqual({ problems, unreachable }, { problems: [], unreachable: 0 }, `${name}: all that is left is needed`)
  return acknowledged(attempts).length
}

/** The checker of the simulation, on a history of which nothing was dropped, and what reads may have brought. */
async function judgeKept(
  document: VersionedDocument<Value>,
  attempts: readonly SoakAttempt[],
  history: readonly RevisionInfo[],
): Promise<void> {
  const own = history.filter(({ message }) => message !== SETTLING)
  const revisions: ChainRevision[] = []
  for (const record of own) {
    const { value } = await document.revision(record.id)
    revisions.push({ record, seq: record.number, content: contentOf(value) } as unknown as ChainRevision) // of a record it looks at what every revision shows
  }
  const chain = {
    heads: [],
    revisions,
    copies: [],
    problems: [],
    reachable: () => Promise.reject(new Error('no heads were noted')),
  }
  assert.deepEqual([...judge(attempts, chain), ...readViolations(attempts, revisions)], [])
  const landed = new Set(own.map(({ message }) => message))
  for (const { write, mark, change } of attempts) {
    if (write === undefined) continue
    const outcome = await document.outcome(write).catch((error: unknown) => {
      if (KeelstateError.is(error, 'NotFound')) return 'not-landed' // of a document that did not come to be then
      throw error
    })
    if (change) assert.equal(outcome, landed.has(mark) ? 'landed' : 'not-landed', mark)
  }
}

/** A read sees no less than what was acknowledged before it began, and nothing that nobody had begun when it ended. */
function readViolations(attempts: readonly SoakAttempt[], revisions: readonly ChainRevision[]): string[] {
  const violations: string[] = []
  const begun = new Map(attempts.map(({ mark, invoked }) => [mark, invoked]))
  const acked = acknowledged(attempts)
  for (const read of attempts) {
    if (read.what !== 'current' || read.outcome !== 'ok') continue
    const newest = Math.max(0, ...acked.filter(({ answered }) => answered! < read.invoked).map(({ number }) => number!))
    if (read.number! < newest) violations.push(`${read.mark} brought @${read.number} after @${newest} was acknowledged`)
    const seen = revisions[read.number! - 1]
    if (seen !== undefined && begun.get(seen.record.message)! > read.answered!)
      violations.push(`${read.mark} brought @${read.number} before anybody wrote it`)
  }
  return violations
}

/** Of a document that is pruned and deleted: no number was given twice, what is there is what was acknowledged, and the newest is there. */
function judgePruned(attempts: readonly SoakAttempt[], history: readonly RevisionInfo[]): void {
  const acked = acknowledged(attempts)
  assert.equal(new Set(acked.map(({ number }) => number)).size, acked.length, 'every number once')
  const marks = new Map(acked.map(({ number, mark }) => [number, mark]))
  for (const { number, message } of history)
    if (marks.has(number)) assert.equal(message, marks.get(number), `@${number} is what its writer was told`)
  const known = new Set([SETTLING, ...attempts.map(({ mark }) => mark)])
  for (const { message, number } of history) assert.ok(known.has(message), `@${number} "${message}" was made by nobody`)
  assert.equal(new Set(history.map(({ message }) => message)).size, history.length, 'nothing is there twice')

  const newest = acked.reduce<SoakAttempt | undefined>(
    (best, one) => (one.number! > (best?.number ?? 0) ? one : best),
    undefined,
  )
  const deleted = attempts.some(({ what, answered }) => what === 'delete' && answered! > (newest?.invoked ?? 0))
  if (newest !== undefined && !deleted)
    assert.ok(
      history.some(({ number }) => number === newest.number),
      `${newest.mark} was acknowledged and is gone`,
    )
}

function acknowledged(attempts: readonly SoakAttempt[]): SoakAttempt[] {
  return attempts.filter(({ change, outcome }) => change && outcome === 'ok')
}

/** What a network that fails keeps a process from asking by. */
const CUT_OFF = ['OutcomeUnknown', 'Timeout', 'Unavailable', 'Throttled', 'LeaseLost']

/** How often each process was let in, for the time in which it was able to ask: nobody much more often than another. */
export function judgeHandOvers(attempts: readonly SoakAttempt[], actors: readonly string[]): number[] {
  const lasted = (some: readonly SoakAttempt[]) =>
    some.reduce((sum, { invoked, answered }) => sum + answered! - invoked, 0)
  const wholeMs =
    Math.max(...attempts.map(({ answered }) => answered!)) - Math.min(...attempts.map(({ invoked }) => invoked))
  const shares = actors.map((actor) => {
    const own = attempts.filter((one) => one.actor === actor)
    const cutOff = own.filter(({ outcome }) => CUT_OFF.includes(outcome!))
    return { turns: acknowledged(own).length, askingMs: wholeMs - lasted(cutOff) }
  })
  const told = `turns of each process: ${JSON.stringify(shares)}`
  for (const one of shares) {
    assert.ok(one.turns > 0, told)
    for (const other of shares) assert.ok(one.turns / one.askingMs <= (3 * (other.turns + 1)) / other.askingMs, told)
  }
  return shares.map(({ turns }) => turns)
}

/** What a process holds after a third of its time is about what it holds at the end. */
export function judgeMemory(samples: readonly MemorySample[]): { thirdBytes: number; endBytes: number } {
  const third = Math.floor(samples.length / 3)
  const median = (some: readonly MemorySample[]) =>
    some.map(({ heapBytes }) => heapBytes).sort((a, b) => a - b)[third >> 1]!
  const [thirdBytes, endBytes] = [median(samples.slice(third, 2 * third)), median(samples.slice(-third))]
  assert.ok(endBytes <= 1.25 * thirdBytes + 4 * 2 ** 20, `heap grew from ${thirdBytes} to ${endBytes} bytes`)
  return { thirdBytes, endBytes }
}
