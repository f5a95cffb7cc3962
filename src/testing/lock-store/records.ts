import assert from 'node:assert/strict'
import type { ListedLock, LockRecord } from '../../locking/index.ts'
import {
  assertRecord,
  assertRejects,
  assertSame,
  id,
  type LockStoreCase,
  lockOf,
  OTHER_STORE,
  record,
  STORE_ID,
  stored,
} from './context.ts'

/** What is written is what is read. */
export const recordCases: readonly LockStoreCase[] = [
  {
    name: 'a lock that was never taken has no record',
    async run({ locks }) {
      assert.equal(await locks.read(lockOf('shop/prod')), undefined)
      assert.ok(locks.address.length > 0, 'the lock store names its place')
    },
  },
  {
    name: 'a record is read back member by member, at once and by every handle',
    async run({ locks, handles }) {
      const all: LockRecord[] = [
        record(),
        record({
          held: false,
          clean: true,
          prevClean: true,
          reset: false,
          uncertain: true,
          reason: 'why',
          run: 'https://ci/7',
        }),
        record({ lastSeq: 4_711, lastId: '00ff00ff00ff00ff', birth: id(9), fence: 2n ** 32n }),
        record({ fence: 2n ** 64n - 1n, lastSeq: Number.MAX_SAFE_INTEGER, leaseMs: 86_400_000 }),
        record({ who: 'zoë\u202e', host: '日本語', operation: '"a" \\ \n \u{1f512}', reason: '' }),
      ]
      for (const [n, written] of all.entries()) {
        const key = lockOf(`record/${n}`)
        const answer = await locks.write(key, undefined, written)
        assertSame(answer.record, written)
        for (const handle of await handles()) await assertRecord(handle, key, written)
      }
    },
  },
  {
    name: 'a read sees every write that was answered before it',
    async run({ locks, handles, rounds }) {
      const key = lockOf('shop/prod')
      const all = await handles()
      let base = await locks.write(key, undefined, record())
      for (let n = 1; n <= rounds; n += 1) {
        base = await all[n % all.length]!.write(
          key,
          await stored(all[n % all.length]!, key),
          record({ token: id(100 + n) }),
        )
        for (const handle of all) assert.equal((await stored(handle, key)).record.token, base.record.token)
      }
    },
  },
  {
    name: 'what a write answers serves as the base of the next, and so does what was read',
    async run({ locks }) {
      const key = lockOf('shop/prod')
      const first = await locks.write(key, undefined, record())
      const second = await locks.write(key, first, record({ token: id(3) }))
      await locks.write(key, second, record({ token: id(4), reason: 'long' }))
      await locks.write(key, await stored(locks, key), record({ token: id(5), fence: 9n }))
      await assertRecord(locks, key, record({ token: id(5), fence: 9n }))
    },
  },
  {
    name: 'a record replaces the one before as a whole: what it does not say is gone',
    async run({ locks }) {
      const key = lockOf('shop/prod')
      const base = await locks.write(key, undefined, record({ reason: 'because', run: 'https://ci/1' }))
      await locks.write(key, base, record({ token: id(3) }))
      await assertRecord(locks, key, record({ token: id(3) }))
    },
  },
  {
    name: 'every document has a lock of its own, whatever its name',
    async run({ locks }) {
      const names = [
        'a',
        'a/b',
        'a/b/c',
        'A',
        'a%2Fb',
        'a b',
        'ä',
        '.',
        '..',
        '~',
        'a+b',
        'a=1&b',
        '日本',
        `${'x'.repeat(60)}/y`,
      ]
      for (const [n, name] of names.entries()) await locks.write(lockOf(name), undefined, record({ token: id(50 + n) }))
      for (const [n, name] of names.entries()) await assertRecord(locks, lockOf(name), record({ token: id(50 + n) }))
    },
  },
  {
    name: 'stores that share a place do not share locks',
    needs: ['manyStores'],
    async run({ locks }) {
      await locks.write(lockOf('shop/prod'), undefined, record())
      assert.equal(await locks.read(lockOf('shop/prod', OTHER_STORE)), undefined)
      await locks.write(lockOf('shop/prod', OTHER_STORE), undefined, record({ token: id(3) }))
      await assertRecord(locks, lockOf('shop/prod'), record())
    },
  },
  {
    name: 'records outlive the handle that wrote them',
    needs: ['again'],
    async run({ locks, openAgain }) {
      await locks.write(lockOf('shop/prod'), undefined, record())
      const again = await openAgain()
      await locks.close()
      await locks.close()
      await assertRecord(again, lockOf('shop/prod'), record())
    },
  },
  {
    name: 'a damaged record is Corrupt, and no free lock',
    needs: ['damage'],
    async run({ locks, damage }) {
      const key = lockOf('shop/prod')
      await locks.write(key, undefined, record())
      await damage(key)
      await assertRejects(locks.read(key), 'Corrupt')
    },
  },
  {
    name: 'a listing yields a damaged record with what is wrong with it, and every other one as it is',
    needs: ['damage'],
    async run({ locks, damage }) {
      const names = ['shop/a', 'shop/b', 'shop/c']
      for (const [n, name] of names.entries()) await locks.write(lockOf(name), undefined, record({ token: id(n + 1) }))
      await damage(lockOf('shop/b'))
      const found = new Map<string, ListedLock>()
      for await (const each of locks.list(STORE_ID)) found.set(each.identity, each)
      assert.deepEqual([...found.keys()].sort(), ['state/shop/a', 'state/shop/b', 'state/shop/c'])
      for (const [n, name] of names.entries()) {
        const each = found.get(lockOf(name).identity)!
        if (name === 'shop/b') assert.ok('problem' in each && each.problem.code === 'Corrupt')
        else assert.ok('record' in each && each.record.token === id(n + 1))
      }
    },
  },
]
