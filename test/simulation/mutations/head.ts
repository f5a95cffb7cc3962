import { FAIR, profile, WRITERS } from '../../../src/testing/simulation/index.ts'
import type { Mutation } from './mutation.ts'

const file = 'core/head.ts'

const UNSURE = '    mayHaveLanded = true\n'
const SLOT = 'slot = slotOf(head.header, seq) ?? (await findWriteId(head, seq))'
const CHANGES = { commit: 1, update: 2, batch: 2 }

export const HEAD: readonly Mutation[] = [
  {
    name: '412-means-conflict',
    rule: 'a condition that failed is taken for somebody else’s write, and may be the answer to a copy of one’s own',
    patches: [
      {
        file,
        from: UNSURE,
        to: `    if (refusedByState) {
      const other = await readHead(access, write.base, deadline)
      if (other !== undefined) return { verdict: 'conflict', head: other }
    }
${UNSURE}`,
      },
    ],
    profile: profile('writers whose requests are doubled', WRITERS, {
      weather: { ...FAIR, lostAnswer: 0.1, doubled: 0.2, silence: 0.2, lateMs: [50, 5_000] },
      writers: [1, 2],
      calls: CHANGES,
    }),
    within: 20,
  },
  {
    name: '409-or-429-means-conflict',
    rule: 'a service that is busy is taken for somebody else’s write, and may have been busy with a copy of one’s own',
    patches: [
      {
        file,
        from: UNSURE,
        to: `    if (KeelstateError.is(failure, 'Throttled') || (KeelstateError.is(failure) && failure.details.status === 409)) {
      const other = await readHead(access, write.base, deadline)
      if (other !== undefined) return { verdict: 'conflict', head: other }
    }
${UNSURE}`,
      },
    ],
    profile: profile('writers of which the service is tired', WRITERS, {
      weather: { ...FAIR, late: 0.1, busy: 0.2, racing: 0.2, silence: 0, lateMs: [20, 500] },
      writers: [1, 2],
      calls: CHANGES,
    }),
    within: 20,
  },
  {
    name: '403-after-time-out-is-final',
    rule: 'a refusal counts although an earlier attempt of the same write may yet land',
    patches: [
      { file, from: UNSURE, to: `    if (KeelstateError.is(failure, 'AccessDenied')) throw failure\n${UNSURE}` },
    ],
    profile: profile('writers whose credentials come and go', WRITERS, {
      weather: { ...FAIR, late: 0.3, denied: 0.25, silence: 0, lateMs: [50, 1_500] },
      writers: [1, 2],
      calls: CHANGES,
    }),
    within: 100,
  },
  {
    name: 'slot-searched-too-short',
    rule: 'only the newest slot of the head is searched for one’s write',
    patches: [
      {
        file,
        from: SLOT,
        to: 'slot = head.header.seq === seq ? slotOf(head.header, seq) : new Uint8Array(SLOT_BYTES)',
      },
    ],
    profile: profile('writers who overtake each other', WRITERS, {
      weather: { ...FAIR, lostAnswer: 0.2, silence: 0.8 },
      writers: [2, 3],
      pauseMs: 1_500,
      calls: CHANGES,
    }),
    within: 20,
  },
  {
    name: 'set-of-recent-ids',
    rule: 'a write that is not among the last four ids is taken for refused',
    patches: [
      {
        file,
        from: SLOT,
        to: `const mine = write.header.writeId.subarray(0, SLOT_BYTES)
    const recent = [0, 1, 2, 3].map((back) => slotOf(head.header, head.header.seq - back))
    slot = recent.find((id) => id !== undefined && same(id, mine)) ?? new Uint8Array(SLOT_BYTES)`,
      },
    ],
    profile: profile('many writers, of whom one hears nothing for a while', WRITERS, {
      weather: { ...FAIR, lostAnswer: 0.08, silence: 1 },
      writers: [3, 3],
      commits: [14, 16],
      pauseMs: 700,
      calls: { update: 1 },
    }),
    within: 50,
  },
  {
    name: 'memory-compared-at-answer-time',
    rule: 'a head is compared with what was remembered when its answer came, not when its request was sent',
    patches: [
      { file, from: '  const seen = access.memory.recall(access.identity)\n', to: '' },
      {
        file,
        from: '  const broken = seen && lineageBreak',
        to: '  const seen = access.memory.recall(access.identity)\n  const broken = seen && lineageBreak',
      },
    ],
    profile: profile('readers with two readings under way', WRITERS, {
      weather: { ...FAIR, latencyMs: [1, 400] },
      writers: [1, 2],
      pauseMs: 500,
      calls: CHANGES,
      readers: [1, 1],
      readerCalls: { readTwice: 1 },
    }),
    within: 20,
  },
]
