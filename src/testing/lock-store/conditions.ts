import assert from 'node:assert/strict'
import { KeelstateError } from '../../core/errors.ts'
import type { LockKey, LockRecord, LockStore, StoredLock } from '../../locking/index.ts'
import {
  assertRecord,
  assertRefused,
  assertRejects,
  id,
  type LockStoreCase,
  lockOf,
  record,
  stored,
} from './context.ts'

const RACERS = 16

/** The condition and the write are one step. */
export const conditionCases: readonly LockStoreCase[] = [
  {
    name: 'a record is created once; a second creation is refused and changes nothing',
    async run({ locks }) {
      const key = lockOf('shop/prod')
      await locks.write(key, undefined, record())
      await assertRefused(locks.write(key, undefined, record({ token: id(3) })))
      await assertRefused(locks.write(key, undefined, record()))
      await assertRecord(locks, key, record())
    },
  },
  {
    name: 'a write on a record that was replaced is refused and changes nothing',
    async run({ locks }) {
      const key = lockOf('shop/prod')
      const first = await locks.write(key, undefined, record())
      const second = await locks.write(key, first, record({ token: id(3) }))
      await assertRefused(locks.write(key, first, record({ token: id(4) })))
      await assertRecord(locks, key, record({ token: id(3) }))
      await locks.write(key, second, record({ token: id(5) }))
      await assertRefused(locks.write(key, second, record({ token: id(6) })))
      await assertRecord(locks, key, record({ token: id(5) }))
    },
  },
  {
    name: 'a late copy of a renewal, of a release and of a forced release touches nothing that came after',
    async run({ locks }) {
      const key = lockOf('shop/prod')
      const held = await locks.write(key, undefined, record())
      const renewal = record({ token: id(3) })
      const renewed = await locks.write(key, held, renewal)
      const release = record({ token: id(4), held: false, clean: true })
      const released = await locks.write(key, renewed, release)
      await assertRefused(locks.write(key, held, renewal))
      const next = record({ owner: id(10), token: id(11), fence: 2n })
      const taken = await locks.write(key, released, next)
      await assertRefused(locks.write(key, renewed, release))
      await assertRecord(locks, key, next)
      const broken = { ...next, token: id(12), held: false, fence: 3n }
      const free = await locks.write(key, taken, broken)
      const after = record({ owner: id(20), token: id(21), fence: 4n })
      await locks.write(key, free, after)
      await assertRefused(locks.write(key, taken, broken))
      await assertRecord(locks, key, after)
    },
  },
  {
    name: 'owner, fence and token all count: a base that differs in one of them is refused',
    async run({ locks }) {
      const standing = record({ owner: id(7), token: id(8), fence: 5n })
      const others: readonly Partial<LockRecord>[] = [{ owner: id(6) }, { token: id(9) }, { fence: 4n }]
      for (const [n, other] of others.entries()) {
        const key = lockOf(`base/${n}`)
        // What somebody read who came before or after: the same lock in another state, in which it once was.
        const earlier = await locks.write(key, undefined, { ...standing, ...other })
        await locks.write(key, earlier, standing)
        await assertRefused(locks.write(key, earlier, record({ token: id(30) })))
        await assertRecord(locks, key, standing)
      }
    },
  },
  {
    name: 'a write on a record creates nothing where none is',
    async run({ locks }) {
      const elsewhere = await locks.write(lockOf('shop/prod'), undefined, record())
      await assertRefused(locks.write(lockOf('shop/test'), elsewhere, record({ token: id(3) })))
      assert.equal(await locks.read(lockOf('shop/test')), undefined)
    },
  },
  {
    name: `one of ${RACERS} racing creators wins, each time`,
    async run({ handles, rounds }) {
      for (let round = 0; round < rounds; round += 1)
        await race(await handles(), lockOf(`race/${round}`), round, async () => undefined)
    },
  },
  {
    name: `one of ${RACERS} racing writers on one record wins, each time`,
    async run({ locks, handles, rounds }) {
      const key = lockOf('shop/prod')
      await locks.write(key, undefined, record())
      for (let round = 0; round < rounds; round += 1)
        await race(await handles(), key, round, (handle) => stored(handle, key))
    },
  },
]

/** Lets 16 writers loose at once on one state and checks that exactly one landed, and that who was told so is the one. */
async function race(
  handles: readonly LockStore[],
  key: LockKey,
  round: number,
  read: (handle: LockStore) => Promise<StoredLock | undefined>,
): Promise<void> {
  const first = 2_000 + round * RACERS // a token is never used twice
  const bases = await Promise.all(handles.map(read))
  const outcomes = await Promise.allSettled(
    Array.from({ length: RACERS }, (_, racer) => {
      const at = racer % handles.length
      return handles[at]!.write(key, bases[at], record({ owner: id(1_000 + racer), token: id(first + racer) }))
    }),
  )
  const winner = Number.parseInt((await stored(handles[0]!, key)).record.token, 16) - first
  assert.ok(winner >= 0 && winner < RACERS, 'what is stored is none of the records that were sent')
  for (const [racer, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled')
      assert.equal(racer, winner, 'a writer was told that it won, and another one’s record is stored')
    else if (KeelstateError.is(outcome.reason, 'PreconditionFailed'))
      assert.notEqual(racer, winner, 'a writer was told that it lost, and its record is stored')
    else await assertRejects(Promise.reject(outcome.reason), 'Unavailable', 'Throttled', 'Timeout')
  }
}
