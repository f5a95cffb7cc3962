import assert from 'node:assert/strict'
import type { LockRecord } from '../../locking/index.ts'
import {
  acquire,
  acquired,
  assertRecord,
  assertSame,
  blocked,
  claim,
  id,
  type LockStoreCase,
  lockOf,
  record,
  stored,
} from './context.ts'

const key = lockOf('shop/prod')
const RACERS = 16

/** A released record of owner 1, after a holder that left cleanly. */
const RELEASED: Partial<LockRecord> = {
  held: false,
  clean: true,
  reset: false,
  fence: 5n,
  lastSeq: 41,
  lastId: '0011223344556677',
  birth: id(77),
}

/** Taking a lock in one request: read, judged and taken in one step. */
export const acquiringCases: readonly LockStoreCase[] = [
  {
    name: 'a lock without a record is taken: fence 1, nothing known of a head, to be seeded, after no clean predecessor',
    needs: ['oneRequest'],
    async run({ locks }) {
      const taken = await acquired(locks, key, claim(10, 11, { reason: 'hot fix', run: 'https://ci/9' }))
      const expected = record({ owner: id(10), token: id(11), reason: 'hot fix', run: 'https://ci/9' })
      assertSame(taken.record, expected)
      await assertRecord(locks, key, expected)
    },
  },
  {
    name: 'a released lock is taken: the fence grows by one, clean becomes what the last holder left, the last head is kept',
    needs: ['oneRequest'],
    async run({ locks }) {
      for (const [n, clean] of [true, false].entries()) {
        const at = lockOf(`released/${n}`)
        await locks.write(
          at,
          undefined,
          record({ ...RELEASED, clean, prevClean: !clean, uncertain: true, reset: !clean }),
        )
        const taken = await acquired(
          locks,
          at,
          claim(10, 11, { leaseMs: 60_000, who: 'other', host: 'h2', operation: 'go' }),
        )
        const expected = record({
          ...RELEASED,
          held: true,
          owner: id(10),
          token: id(11),
          fence: 6n,
          clean: false,
          prevClean: clean,
          uncertain: false,
          reset: !clean,
          leaseMs: 60_000,
          who: 'other',
          host: 'h2',
          operation: 'go',
        })
        assertSame(taken.record, expected)
        await assertRecord(locks, at, expected)
      }
    },
  },
  {
    name: 'the reason and the run of the holder before are forgotten',
    needs: ['oneRequest'],
    async run({ locks }) {
      await locks.write(key, undefined, record({ ...RELEASED, reason: 'old', run: 'https://ci/1' }))
      const { record: now } = await acquired(locks, key, claim(10, 11))
      assert.equal(now.reason, undefined)
      assert.equal(now.run, undefined)
      assert.equal((await stored(locks, key)).record.reason, undefined)
    },
  },
  {
    name: 'a held lock is not taken: the answer shows its record, and nothing changes',
    needs: ['oneRequest'],
    async run({ locks }) {
      const standing = record({
        fence: 2n ** 33n,
        reason: 'migration',
        lastSeq: 7,
        lastId: 'aabbccddeeff0011',
        birth: id(5),
      })
      await locks.write(key, undefined, standing)
      assertSame(await blocked(locks, key, claim(10, 11)), standing)
      await assertRecord(locks, key, standing)
    },
  },
  {
    name: 'a late copy of one’s own acquisition takes nothing, neither while the lock is held nor after its release',
    needs: ['oneRequest'],
    async run({ locks }) {
      const mine = claim(10, 11)
      const taken = await acquired(locks, key, mine)
      assertSame(await blocked(locks, key, mine), taken.record)
      const released = { ...taken.record, held: false, clean: true, token: id(12) }
      await locks.write(key, taken, released)
      assertSame(await blocked(locks, key, mine), released)
      await assertRecord(locks, key, released)
    },
  },
  {
    name: 'a dead holder is replaced under the token that was watched, and counts as unclean',
    needs: ['oneRequest'],
    async run({ locks }) {
      await locks.write(
        key,
        undefined,
        record({ fence: 8n, reset: false, prevClean: true, lastSeq: 3, lastId: 'ffffffffffffffff', birth: id(4) }),
      )
      const { record: now } = await acquired(locks, key, claim(10, 11, {}, id(2)))
      assert.deepEqual([now.owner, now.fence, now.held, now.prevClean, now.clean], [id(10), 9n, true, false, false])
      assert.deepEqual([now.lastSeq, now.lastId, now.birth], [3, 'ffffffffffffffff', id(4)])
    },
  },
  {
    name: 'a holder that has renewed, or was replaced, is not replaced under the token that was watched',
    needs: ['oneRequest'],
    async run({ locks }) {
      const held = await locks.write(key, undefined, record())
      const renewed = record({ token: id(3) })
      await locks.write(key, held, renewed)
      assertSame(await blocked(locks, key, claim(10, 11, {}, id(2))), renewed)
      await acquired(locks, key, claim(10, 11, {}, id(3)))
      assert.equal((await blocked(locks, key, claim(20, 21, {}, id(3)))).owner, id(10))
    },
  },
  {
    name: 'what is acquired, or blocks, serves as the base of a write',
    needs: ['oneRequest'],
    async run({ locks }) {
      const taken = await acquired(locks, key, claim(10, 11))
      const renewed = await locks.write(key, taken, { ...taken.record, token: id(12) })
      const outcome = await acquire(locks, key, claim(20, 21))
      assert.ok('blocked' in outcome)
      await locks.write(key, outcome.blocked, { ...renewed.record, token: id(13), held: false, fence: 2n })
      assert.equal((await acquired(locks, key, claim(20, 22))).record.fence, 3n)
    },
  },
  {
    name: `one of ${RACERS} racers takes a free lock, and the others are shown who`,
    needs: ['oneRequest'],
    async run({ handles, rounds }) {
      const all = await handles()
      for (let round = 0; round < rounds; round += 1) {
        const at = lockOf(`race/${round}`)
        const outcomes = await Promise.all(
          Array.from({ length: RACERS }, (_, racer) =>
            acquire(all[racer % all.length]!, at, claim(1_000 + racer, 2_000 + racer)),
          ),
        )
        const winners = outcomes.flatMap((outcome) => ('acquired' in outcome ? [outcome.acquired.record] : []))
        assert.equal(winners.length, 1, `round ${round}: ${winners.length} racers took one lock`)
        await assertRecord(all[0]!, at, winners[0]!)
        for (const outcome of outcomes) if ('blocked' in outcome) assertSame(outcome.blocked.record, winners[0]!)
      }
    },
  },
]
