import type { Attempt } from '../../src/testing/simulation/attempt.ts'
import type { Content } from '../../src/testing/simulation/matter.ts'

/** What the documents of a soak say. */
export interface Value {
  /** One more than before, when the change saw what was before. */
  readonly counter: number
  /** Of the change that made it. */
  readonly mark: string
  readonly pad: string
}

/** What of it the checker compares. */
export function contentOf({ counter, mark }: Value): Content {
  return { counter, mark, text: `${counter} ${mark}` }
}

/** What one process of a soak is told. */
export interface SoakTask {
  readonly name: string
  readonly seed: number
  /** Addresses, as users write them; the network between fails now and then. */
  readonly store: string
  readonly lock: string
  /** Of locks, in ms. */
  readonly leaseMs: number
  /** Folder of what readers remember. */
  readonly memory: string
  /** File that takes a line of JSON for everything that it did. */
  readonly log: string
  /** Moments on the clock that all processes of a machine share; see {@link sharedNow}. */
  readonly begin: number
  readonly end: number
  /** How long one document is worked on until the next one takes its place. */
  readonly generationMs: number
}

/** A call that a process made, on one of the documents. */
export interface SoakAttempt extends Attempt {
  readonly document: string
}

/** How much a process held, right after its garbage was collected. */
export interface MemorySample {
  readonly at: number
  readonly heapBytes: number
}

export type SoakLine = { readonly attempt: SoakAttempt } | { readonly memory: MemorySample }

/** Keep all of their history. */
export const KEPT = 'kept'
/** Are pruned, collected and deleted. */
export const PRUNED = 'pruned'
/** Changed under its lock only. */
export const HANDED = 'handed'
export const KEEP_LAST = 8
/** That each process has at least of the lock that is handed over. */
export const TURNS = 3

/** Milliseconds on a clock that is the same for all processes of this machine, and never goes back. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}
