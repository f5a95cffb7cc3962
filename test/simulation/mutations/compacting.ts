import { FAIR, type Profile, profile, WRITERS } from '../../../src/testing/simulation/index.ts'
import type { Mutation } from './mutation.ts'

/** A map that is stored as changes, pruned and compacted. */
const maps = (about: string, ...more: Partial<Profile>[]) =>
  profile(
    about,
    WRITERS,
    {
      keyed: 1,
      weather: { ...FAIR, latencyMs: [1, 400] },
      writers: [1, 2],
      pauseMs: 1_500,
      calls: { update: 3, commit: 1 },
      large: 0,
    },
    ...more,
  )

export const COMPACTING: readonly Mutation[] = [
  {
    name: 'another-spelling-stored-as-a-change',
    rule: 'a body is stored as a change although its members are all that the change keeps of it',
    patches: [
      {
        file: 'core/additions.ts',
        from: ' && same(form.join(parts), this.#body)',
        to: '',
      },
    ],
    profile: maps('writers of wholes, spelt as others spell them', { calls: { update: 1, push: 2 } }),
    within: 20,
  },
  {
    name: 'prune-forgets-what-is-stood-on',
    rule: 'a dropped revision goes although the content of a later one is a change of it',
    patches: [
      {
        file: 'core/prune.ts',
        from: "plan[standing.has(found.record.number) ? 'held' : 'gone']",
        to: "plan[standing.has(found.record.number) && found.stored ? 'held' : 'gone']",
      },
    ],
    profile: maps('writers of changes that are pruned', { keepers: [1, 1], keeperCalls: { prune: 1 } }),
    within: 20,
  },
  {
    name: 'compact-lets-go-of-what-is-stood-on',
    rule: 'compacting stores current whole, and not what else stands on what it lets go of',
    patches: [
      {
        file: 'core/compact.ts',
        from: '(record.number === history.body.current?.number || gone.has(record.base!.number))',
        to: 'record.number === history.body.current?.number',
      },
    ],
    profile: maps('writers of changes that are pruned and compacted', {
      keepers: [1, 1],
      keeperCalls: { prune: 1, compact: 1 },
    }),
    within: 40,
  },
  {
    name: 'compacted-before-the-barrier',
    rule: 'a whole that compacting uploaded is referred to although a barrier came after it',
    patches: [
      {
        file: 'core/compact.ts',
        from: ' || !mayReferTo(made, draft.base?.body.barrier ?? 0, draft.keys)',
        to: '',
      },
    ],
    profile: maps('compacting beside collectors', {
      weather: { ...FAIR, stalled: 0.3, lateMs: [200, 2_500] },
      keepers: [2, 2],
      keeperCalls: { compact: 2, collect: 2 },
      graceMs: [0],
    }),
    within: 200,
  },
]
