import type { Suite, VerdictContext, VerdictOptions } from '../../src/testing/index.ts'
import { count, PROVE } from '../counts.ts'

const CROWDED = / of others$/ // a case in which others write hundreds of times
const CROWDED_KINDS = ['create', 'commit large', 'prune']
const ONE_IN = 4

/** Writes of others: more than the 64 whose ids a head keeps, and than one spill. */
export const options: VerdictOptions = { others: count(300, 80), attemptMs: 300 }

/** The whole suite in the full proof, else what {@link thinned} leaves. */
export function reduced(suite: Suite<VerdictContext>): Suite<VerdictContext> {
  return PROVE ? suite : thinned(suite)
}

/**
 * Every fate of a request, and every kind of head write, but not each kind with each fate: what differs
 * between the kinds there is no driver's business, and is tried on memory. Each fate meets three or four kinds; among crowds, one.
 */
export function thinned(suite: Suite<VerdictContext>): Suite<VerdictContext> {
  const parted = suite.cases.map((entry) => ({ entry, ...parts(entry.name) }))
  const kinds = [...new Set(parted.map(({ kind }) => kind))]
  const fates = [...new Set(parted.map(({ fate }) => fate))]
  const cases = parted.filter(({ kind, fate }) => {
    const [row, column] = [kinds.indexOf(kind), fates.indexOf(fate)]
    if (CROWDED.test(fate)) return kind === CROWDED_KINDS[column % CROWDED_KINDS.length]
    const rare = parted.filter((other) => other.fate === fate).length < ONE_IN
    return rare || (row + column) % ONE_IN === 0
  })
  return { ...suite, cases: cases.map(({ entry }) => entry) }
}

/** `commit small: its answer is lost` is about a kind of head write and what becomes of its request. */
export function parts(name: string): { kind: string; fate: string } {
  const [kind = '', ...fate] = name.split(': ')
  return fate.length === 0 ? { kind: '', fate: name } : { kind, fate: fate.join(': ') }
}
