import type { FaultAction } from './faults.ts'
import type { Manifest, Suite } from './suite.ts'
import type { FaultKind, VerdictContext, VerdictHarness, VerdictOptions } from './verdicts/context.ts'
import { lostCases } from './verdicts/lost.ts'
import { overtakenCases } from './verdicts/overtaken.ts'
import { refusedCases } from './verdicts/refused.ts'
import { replacedCases } from './verdicts/replaced.ts'

export type {
  FaultKind,
  VerdictCase,
  VerdictContext,
  VerdictHarness,
  VerdictOptions,
  VerdictPlace,
} from './verdicts/context.ts'

/** The kinds of fault that the suite makes use of. */
const FAULT_KINDS = [
  'drop-request',
  'drop-answer',
  'delay-before',
  'double',
  'status',
  'stall',
  'hold',
] as const satisfies FaultAction['do'][]

/**
 * Every kind of head write against everything that can happen to its request and its answer: the caller gets the right verdict, nothing is done
 * twice, and nothing that was acknowledged is lost. What landed is judged by another process, over a way without faults.
 *
 * ```ts
 * registerSuite(testVerdicts({ name: 'my store', open: async () => myPlace() }), { describe, it })
 * ```
 */
export function testVerdicts(harness: VerdictHarness, options: VerdictOptions = {}): Suite<VerdictContext> {
  const { attemptMs = 150, others = 300 } = options
  const cannot: readonly FaultKind[] = harness.cannot ?? []
  return {
    name: `Verdicts: ${harness.name}`,
    cases: [...lostCases, ...refusedCases, ...overtakenCases, ...replacedCases],
    manifest: async (): Promise<Manifest> =>
      Object.fromEntries(FAULT_KINDS.map((kind) => [kind, !cannot.includes(kind)])),
    open: async () => ({ place: await harness.open(), attemptMs, others }),
    async close({ place }) {
      place.faults.clear()
      await place.close()
    },
  }
}
