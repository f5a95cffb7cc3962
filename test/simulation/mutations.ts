import { FAIR, type Profile, profile, WRITERS } from '../../src/testing/simulation/index.ts'

/** In `src/<file>`, the one place that reads `from` reads `to` instead. */
interface Patch {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A version of the code that lacks one rule. Each must be found by schedules of its own profile, at most `within` of them. */
interface Mutation {
  readonly name: string
  /** What it does wrong. */
  readonly rule: string
  readonly patches: readonly Patch[]
  readonly profile: Profile
  readonly within: number
}

const LOST = { ...FAIR, lostAnswer: 0.15, doubled: 0.15, silence: 0.3, lateMs: [50, 5_000] } as const

const HEAD: readonly Mutation[] = [
  {
    name: '412-means-conflict',
    rule: 'a precondition that failed is taken for somebody else’s write',
    patches: [
      {
        file: 'core/head.ts',
        from: '    mayHaveLanded = true\n',
        to: "    if (refusedByState) {\n      const other = await readHead(access, write.base, deadline)\n      if (other !== undefined) return { verdict: 'conflict', head: other }\n    }\n    mayHaveLanded = true\n",
      },
    ],
    profile: profile('writers whose answers get lost', WRITERS, { weather: LOST, writers: [1, 2] }),
    within: 50,
  },
]

export const MUTATIONS: readonly Mutation[] = [...HEAD]
