import type { Suite, VerdictContext, VerdictOptions } from '../../src/testing/index.ts'

const PROVE = process.env.KEELSTATE_PROVE !== undefined
const CROWDED = / of others$/ // a case in which others write hundreds of times
const CROWDED_KINDS = ['create: ', 'commit large: ', 'prune: ']

/** Writes of others: more than the 64 whose ids a head keeps, and than one spill. */
export const options: VerdictOptions = { others: PROVE ? 300 : 80, attemptMs: 300 }

/**
 * The whole suite in the full proof. Else, on drivers whose writes take milliseconds, three kinds of head write among crowds: what differs
 * between the kinds there is no driver's business, and is tried on memory.
 */
export function reduced(suite: Suite<VerdictContext>): Suite<VerdictContext> {
  if (PROVE) return suite
  const cases = suite.cases.filter(
    ({ name }) => !CROWDED.test(name) || CROWDED_KINDS.some((kind) => name.startsWith(kind)),
  )
  return { ...suite, cases }
}
