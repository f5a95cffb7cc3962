import { FAIR, type Profile, profile, WRITERS } from '../../../src/testing/simulation/index.ts'
import type { Mutation } from './mutation.ts'

/** Writers and readers of a document whose data key is replaced time and again. */
const changesOfKeys = (about: string, ...more: Partial<Profile>[]) =>
  profile(
    about,
    WRITERS,
    {
      weather: { ...FAIR, latencyMs: [1, 400] },
      writers: [2, 2],
      pauseMs: 1_500,
      calls: { update: 2, rotate: 1 },
    },
    ...more,
  )

export const KEYS: readonly Mutation[] = [
  {
    name: 'former-key-forgotten',
    rule: 'of the data keys that a document had, only the last is kept',
    patches: [
      {
        file: 'encrypt/data-keys.ts',
        from: 'const former = [...this.#earlierOnes(), this.#current]',
        to: 'const former = [this.#current]',
      },
    ],
    profile: changesOfKeys('writers who change keys and read what was'),
    within: 20,
  },
  {
    name: 'keys-made-once',
    rule: 'a new data key that lost to another is put in place all the same, and the other is forgotten',
    patches: [
      { file: 'core/rotate.ts', from: 'made === undefined || !alike(made.former, former)', to: 'made === undefined' },
    ],
    profile: changesOfKeys('writers who change keys at the same time', { calls: { update: 1, rotate: 2 } }),
    within: 20,
  },
  {
    name: 'upload-under-a-former-key',
    rule: 'what was sealed under a former data key is referred to after that was replaced',
    patches: [
      {
        file: 'core/contents.ts',
        from: ' && same(fromHex(prepared.upload.reference.key), keys.keyId)',
        to: '',
      },
    ],
    profile: changesOfKeys('writers of large contents, whose keys change meanwhile', {
      large: 0.9,
      calls: { commitAny: 2, rotate: 1 },
    }),
    within: 20,
  },
]
