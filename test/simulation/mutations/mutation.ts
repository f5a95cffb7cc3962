import type { Profile } from '../../../src/testing/simulation/index.ts'

/** In `src/<file>`, the one place that reads `from` reads `to` instead. */
export interface Patch {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A version of the code that lacks one rule. Each must be found by schedules of its own profile, at most `within` of them. */
export interface Mutation {
  readonly name: string
  /** What it does wrong. */
  readonly rule: string
  readonly patches: readonly Patch[]
  /** Few actors, and the fault that matters made likely. */
  readonly profile: Profile
  readonly within: number
}
