import { FAIR, type Profile, profile, WRITERS } from '../../../src/testing/simulation/index.ts'
import type { Mutation } from './mutation.ts'

const file = 'core/collect.ts'
const PREPARED = 'await prepareContent(access, bytes, draft.keys, knownSeq, deadline)'

/** Large contents that are long on their way, and collectors. */
const uploads = (about: string, ...more: Partial<Profile>[]) =>
  profile(
    about,
    WRITERS,
    {
      weather: { ...FAIR, stalled: 0.3, lateMs: [200, 2_500] },
      writers: [1, 2],
      large: 0.9,
      pauseMs: 1_500,
      calls: { commit: 1, commitAny: 2, batch: 1 },
      keepers: [1, 2],
      keeperCalls: { collect: 1 },
      graceMs: [0],
    },
    ...more,
  )

export const COLLECTING: readonly Mutation[] = [
  {
    name: 'no-barrier',
    rule: 'the head does not say that what was uploaded before may be gone',
    patches: [{ file, from: 'barrier: seq }', to: 'barrier: body.barrier }' }],
    profile: uploads('writers of large contents beside collectors'),
    within: 40,
  },
  {
    name: 'uploads-used-again-without-the-barrier-test',
    rule: 'an upload is referred to although a barrier came after it',
    patches: [
      { file: 'core/contents.ts', from: 'return barrier <= prepared.upload.knownSeq && same(', to: 'return same(' },
    ],
    profile: uploads('writers of large contents beside collectors'),
    within: 40,
  },
  {
    name: 'base-read-after-upload',
    rule: 'an upload counts as begun when the head was known that was read after it',
    patches: [
      {
        file: 'core/additions.ts',
        from: PREPARED,
        to: `((now) => 'inline' in now ? now : { ...now, upload: { ...now.upload, knownSeq: this.writer.known?.head?.header.seq ?? 0 } })(${PREPARED})`,
      },
    ],
    profile: uploads('writers of several large contents at a time beside collectors', {
      writers: [1, 1],
      calls: { batchAny: 1 },
    }),
    within: 100,
  },
  {
    name: 'deletion-by-age',
    rule: 'what nothing refers to is deleted when it is ten minutes old by the collector’s clock',
    patches: [
      {
        file,
        from: ': await writeBarrier(writer, graceMs, options.signal)',
        to: ': await previewBarrier(writer, graceMs, deadline)',
      },
      {
        file,
        from: '!reachable.condemned.has(id) && !reachable.everythingCondemned,',
        to: '!reachable.condemned.has(id) && access.environment.now() - (UPLOADED.get(id) ?? 0) > 600_000,',
      },
      {
        file,
        from: "import { fetchObject, ObjectGone } from './objects.ts'",
        to: "import { fetchObject, ObjectGone, UPLOADED } from './objects.ts'",
      },
      {
        file: 'core/objects.ts',
        from: '  const id = hex(sealed.objectId)\n',
        to: '  const id = hex(sealed.objectId)\n  UPLOADED.set(id, access.environment.now())\n',
      },
      {
        file: 'core/objects.ts',
        from: '/** An object that was uploaded and is not referred to yet. */',
        to: 'export const UPLOADED = new Map<string, number>()\n',
      },
    ],
    profile: uploads('writers of large contents beside collectors whose clocks are wrong', { clocksMs: 3_600_000 }),
    within: 40,
  },
  {
    name: 'prune-ignores-readers',
    rule: 'objects of pruned revisions are deleted at once, under those who read them',
    patches: [
      { file, from: '!reachable.live.has(id) && !reachable.condemned.has(id) &&', to: '!reachable.live.has(id) &&' },
    ],
    profile: uploads('readers of large contents that are pruned', {
      readers: [1, 2],
      readerCalls: { revision: 1 },
      keeperCalls: { prune: 1, collect: 1 },
      graceMs: [600_000],
    }),
    within: 20,
  },
]
