import { FAIR, HOLDERS, type Profile, profile } from '../../../src/testing/simulation/index.ts'
import type { Mutation } from './mutation.ts'

const table = 'testing/memory-lock-store.ts'
const CLAIMED = 'clean: false,\n    uncertain: false,\n    reset: before === undefined'

/** Holders that are frozen, clocks and all, and come back after their lease. */
const zombies = (about: string, ...more: Partial<Profile>[]) =>
  profile(
    about,
    HOLDERS,
    {
      holders: [2, 3],
      leasesMs: [6_000],
      heartbeat: 0.2,
      work: [1, 3],
      thinkMs: 4_000,
      pauseMs: 1_000,
      waitMs: 30_000,
      large: 0,
      troubleMs: 4_000,
      troubles: { freeze: 1 },
      stopMs: [11_000, 20_000],
      parentAny: 1,
    },
    ...more,
  )

export const LOCK: readonly Mutation[] = [
  {
    name: 'no-bump',
    rule: 'a holder does not claim the head, and leaves cleanly all the same',
    patches: [{ file: 'locking/locker.ts', from: 'const claimed = lease.inOrder ||', to: 'const claimed = true ||' }],
    profile: zombies('holders that sleep'),
    within: 100,
  },
  {
    name: 'bump-without-proof',
    rule: 'the head is claimed without a proof that the lock is still held',
    patches: [
      {
        file: 'locking/lease.ts',
        from: "await new Deadline(environment, limits, signal).within('lock.prove', key.identity, () => this.#renew(change))",
        to: 'this.#stored = { ...this.#stored, record: { ...this.#stored.record, ...change } }',
      },
    ],
    profile: zombies('holders that sleep, of a lock whose record gets lost', {
      troubles: { freeze: 2, lose: 1 },
    }),
    within: 100,
  },
  {
    name: 'always-clean',
    rule: 'a holder leaves cleanly although a commit of its may yet land',
    patches: [
      {
        file: 'locking/lease.ts',
        from: 'clean: clean && !now.uncertain,',
        to: 'clean: true,',
      },
    ],
    profile: profile('holders of whose commits nothing is heard for a while', HOLDERS, {
      weather: { ...FAIR, only: ['put'], late: 0.7, silence: 1, lateMs: [7_000, 30_000] },
      attemptMs: 1_000,
      commits: [5, 6],
      holders: [2, 3],
      leasesMs: [12_000],
      heartbeat: 1,
      work: [1, 1],
      thinkMs: 200,
      pauseMs: 500,
      parentAny: 1,
      large: 0,
      leave: 0,
    }),
    within: 100,
  },
  {
    name: 'idle-holder-releases-clean',
    rule: 'who only looks does not claim the head, and leaves cleanly',
    patches: [
      {
        file: 'locking/lease.ts',
        from: 'this.#inOrder = stored.record.prevClean && !stored.record.reset',
        to: "this.#inOrder = (stored.record.prevClean && !stored.record.reset) || stored.record.operation === 'look'",
      },
    ],
    profile: zombies('holders that sleep, and others that only look', { work: [0, 1] }),
    within: 200,
  },
  {
    name: 'acquire-keeps-clean',
    rule: 'taking the lock leaves the mark of the last clean release in the record',
    patches: [
      {
        file: 'locking/acquire.ts',
        from: CLAIMED,
        to: CLAIMED.replace('clean: false', 'clean: before?.clean ?? false'),
      },
    ],
    profile: zombies('holders that sleep', { locks: 'objects' }),
    within: 100,
  },
  {
    name: 'early-read-trusted',
    rule: 'the head that was read beside the acquisition counts, whatever the record says',
    patches: [
      {
        file: 'locking/locker.ts',
        from: 'if (reading !== undefined && (early?.header.seq ?? 0) >= lastSeq && !breakOf(lease.record, early?.header))',
        to: 'if (reading !== undefined)',
      },
    ],
    profile: profile('holders who take turns quickly', HOLDERS, {
      weather: { ...FAIR, latencyMs: [1, 600] },
      holders: [3, 3],
      work: [1, 1],
      thinkMs: 1,
      pauseMs: 1_000,
      waitMs: 0,
      leave: 0,
    }),
    within: 300,
  },
  {
    name: 'take-over-without-the-token',
    rule: 'a dead holder is replaced, whoever holds the lock by then',
    patches: [
      {
        file: 'locking/acquire.ts',
        from: 'standing.record.token === claim.watched',
        to: 'claim.watched !== undefined',
      },
    ],
    profile: profile('holders who leave the lock behind', HOLDERS, {
      locks: 'objects',
      weather: { ...FAIR, latencyMs: [1, 400] },
      holders: [3, 3],
      leasesMs: [3_000],
      heartbeat: 1,
      work: [1, 2],
      thinkMs: 2_000,
      pauseMs: 300,
      leave: 0.7,
    }),
    within: 100,
  },
  {
    name: 'lease-from-the-last-attempt',
    rule: 'a lease counts from the attempt that told of it, not from the earlier one whose token stands in the record',
    patches: [
      {
        file: 'locking/acquire.ts',
        from: 'stored: outcome.blocked, started: firstOf(sent, outcome.blocked.record)',
        to: 'stored: outcome.blocked, started',
      },
      {
        file: 'locking/acquire.ts',
        from: 'stored: now, started: firstOf(sent, now.record)',
        to: 'stored: now, started',
      },
    ],
    // An attempt arrives late, after it was looked for, and that look is answered later still: by more than the margin.
    profile: profile('holders who only look, one at a time, and whose requests for the lock are slow', HOLDERS, {
      weather: { ...FAIR, only: ['lock acquire', 'lock read'], late: 0.3, stalled: 0.3, lateMs: [100, 14_000] },
      attemptMs: 20_000,
      holders: [3, 3],
      leasesMs: [3_000],
      heartbeat: 0,
      work: [0, 0],
      thinkMs: 6_000,
      pauseMs: 500,
      waitMs: 40_000,
      leave: 0,
      horizonMs: 900_000,
    }),
    within: 100,
  },
  {
    name: 'renewal-by-owner-only',
    rule: 'a record is changed by whoever owns it, whatever fence and token stand there',
    patches: [
      {
        file: table,
        from: 'standing?.owner === base.record.owner &&\n            standing.fence === base.record.fence &&\n            standing.token === base.record.token',
        to: 'standing?.owner === base.record.owner',
      },
    ],
    profile: profile('holders whose requests are doubled', HOLDERS, {
      weather: { ...FAIR, doubled: 0.3, silence: 0, lateMs: [100, 6_000] },
      holders: [1, 2],
      leasesMs: [3_000],
      heartbeat: 1,
      thinkMs: 3_000,
      pauseMs: 4_000,
    }),
    within: 50,
  },
  {
    name: 'lost-record-is-clean',
    rule: 'a lock without a record counts as left cleanly',
    patches: [
      { file: table, from: 'prevClean: standing?.clean ?? false', to: 'prevClean: standing?.clean ?? true' },
      { file: table, from: 'reset: standing?.reset ?? true', to: 'reset: standing?.reset ?? false' },
      {
        file: table,
        from: 'fence: (standing?.fence ?? 0n) + 1n',
        to: 'fence: (standing?.fence ?? BigInt(Date.parse(record.since)) * 65_536n) + 1n',
      },
    ],
    profile: zombies('holders of a lock whose record gets lost', { troubles: { lose: 1 } }),
    within: 100,
  },
  {
    name: 'lost-record-is-lease-lost',
    rule: 'a holder whose fence the head has passed is told that its lease is lost',
    patches: [
      {
        file: 'locking/epoch.ts',
        from: '    const change = reseed(lease, base)\n',
        to: `    const change = reseed(lease, base)
    if (change.fence !== undefined && (base?.header.epoch ?? 0n) > 0n)
      throw leaseLost(writer.access.identity, 'the head has passed its fence')
`,
      },
    ],
    profile: zombies('holders of a lock whose record gets lost', { troubles: { lose: 1 } }),
    within: 50,
  },
  {
    name: 'release-deletes',
    rule: 'a release deletes the record, and its fence with it',
    patches: [
      {
        file: table,
        from: '      table.overwrite(key, next)\n',
        to: '      if (next.held) table.overwrite(key, next)\n      else table.remove(key)\n',
      },
    ],
    profile: zombies('holders that sleep'),
    within: 10,
  },
  {
    name: 'wall-clock-expiry',
    rule: 'a holder counts as dead when its lease has ended by the clock of who waits',
    patches: [
      {
        file: 'locking/watch.ts',
        from: 'return record.leaseMs + EXPIRY_MARGIN_MS - (now - this.#since)',
        to: 'return Date.parse(record.since) + record.leaseMs + EXPIRY_MARGIN_MS - this.#environment.now()',
      },
      {
        file: 'locking/lease.ts',
        from: '{ ...next(this.#stored.record), token }',
        to: '{ ...next(this.#stored.record), token, since: new Date(environment.now()).toISOString() }',
      },
    ],
    profile: zombies('holders whose clocks are wrong', { heartbeat: 1, troubleMs: 0, clocksMs: 3_600_000 }),
    within: 50,
  },
]
