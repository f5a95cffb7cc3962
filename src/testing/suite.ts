import assert from 'node:assert/strict'

/**
 * Which optional promises the thing under test makes. Every name that a case may ask for stands in it, claimed (`true`) or not (`false`).
 */
export type Manifest = Readonly<Record<string, boolean>>

/** One promise, tried on one fresh context. It fails by throwing; `node:assert/strict` is what our own cases use. */
export interface SuiteCase<C> {
  /** A sentence that a user would care about. Unique in its suite. */
  readonly name: string
  /** Names of the manifest that must all be claimed for the case to apply. */
  readonly needs?: readonly string[]
  /** Names of the manifest of which none may be claimed: the case tries what is promised in their absence. */
  readonly unless?: readonly string[]
  run(context: C): Promise<void>
}

/** A table of cases for one port, bound to one implementation of it. Needs no test runner. */
export interface Suite<C> {
  readonly name: string
  readonly cases: readonly SuiteCase<C>[]
  /** What the implementation claims. Asked once per case, so that nothing has to run before the runner starts. */
  manifest(): Promise<Manifest>
  /** Makes what one case works on: fresh and empty. */
  open(): Promise<C>
  /** Gives up what `open` made, whether the case passed or not. */
  close(context: C): Promise<void>
}

export type CaseResult = { readonly name: string } & (
  | { readonly outcome: 'passed' }
  | { readonly outcome: 'failed'; readonly error: unknown }
  /** The manifest does not claim what the case is about; `reason` names it. */
  | { readonly outcome: 'not-applicable'; readonly reason: string }
)

export interface SuiteReport {
  readonly suite: string
  readonly results: readonly CaseResult[]
}

/** What vitest, `node:test`, jest and mocha have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown
  /** Called with a third argument, the time-out in ms, which runners without one ignore. */
  it(name: string, body: (context?: unknown) => Promise<void>, timeoutMs?: number): unknown
}

const CASE_TIMEOUT_MS = 120_000 // races of many rounds on a real service take the longest
const TABLE_CASE = 'the suite tries every capability that the manifest claims'

/**
 * Hands every case to a test runner, as one group with the suite's name.
 *
 * A case that the manifest makes inapplicable is marked as such where the runner offers a way (`context.skip(reason)`), and passes elsewhere.
 *
 * @param timeoutMs Per case; default 120,000.
 */
export function registerSuite<C>(suite: Suite<C>, runner: TestRunner, timeoutMs: number = CASE_TIMEOUT_MS): void {
  runner.describe(suite.name, () => {
    for (const { name, run } of entriesOf(suite)) {
      const body = async (context?: unknown) => {
        const reason = await run()
        if (reason !== undefined) markNotApplicable(context, reason)
      }
      runner.it(name, body, timeoutMs)
    }
  })
}

/**
 * Runs every case, one after the other, without a test runner. Never rejects because of a case.
 *
 * @param timeoutMs Per case, after which it counts as failed; default 120,000.
 */
export async function runSuite<C>(suite: Suite<C>, timeoutMs: number = CASE_TIMEOUT_MS): Promise<SuiteReport> {
  const results: CaseResult[] = []
  for (const { name, run } of entriesOf(suite)) {
    try {
      const reason = await within(timeoutMs, run())
      results.push(reason === undefined ? { name, outcome: 'passed' } : { name, outcome: 'not-applicable', reason })
    } catch (error) {
      results.push({ name, outcome: 'failed', error })
    }
  }
  return { suite: suite.name, results }
}

/** What is wrong with a suite's table, given what is claimed: capabilities that no case tries, names that the manifest does not know. */
export function tableProblems(cases: readonly SuiteCase<never>[], manifest: Manifest): string[] {
  const problems: string[] = []
  const names = new Set<string>()
  for (const { name, needs = [], unless = [] } of cases) {
    if (names.has(name)) problems.push(`two cases are named "${name}"`)
    names.add(name)
    for (const capability of [...needs, ...unless]) {
      if (!Object.hasOwn(manifest, capability))
        problems.push(`"${name}" asks for "${capability}", which the manifest does not know`)
    }
  }
  for (const [capability, claimed] of Object.entries(manifest)) {
    if (claimed && !cases.some((entry) => entry.needs?.includes(capability))) {
      problems.push(`"${capability}" is claimed and no case tries it`)
    }
  }
  return problems
}

/** A case bound to its suite. Resolves to the reason why it does not apply, if so. */
interface Entry {
  readonly name: string
  run(): Promise<string | undefined>
}

function entriesOf<C>(suite: Suite<C>): Entry[] {
  const table: Entry = {
    name: TABLE_CASE,
    async run() {
      assert.deepEqual(tableProblems(suite.cases, await suite.manifest()), [])
      return undefined
    },
  }
  return [table, ...suite.cases.map((entry) => ({ name: entry.name, run: () => runCase(suite, entry) }))]
}

async function runCase<C>(suite: Suite<C>, entry: SuiteCase<C>): Promise<string | undefined> {
  const manifest = await suite.manifest()
  const lacking = (entry.needs ?? []).filter((name) => manifest[name] !== true)
  if (lacking.length > 0) return `not applicable by the manifest, which does not claim ${lacking.join(', ')}`
  const claimed = (entry.unless ?? []).filter((name) => manifest[name] === true)
  if (claimed.length > 0) return `not applicable by the manifest, which claims ${claimed.join(', ')}`
  const context = await suite.open()
  try {
    await entry.run(context)
  } finally {
    await suite.close(context)
  }
  return undefined
}

function markNotApplicable(context: unknown, reason: string): void {
  const skip = (context as { skip?: unknown } | null | undefined)?.skip // vitest's context is a function, node:test's an object
  if (typeof skip === 'function') skip.call(context, reason)
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `the case did not end within ${ms} ms` })), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
