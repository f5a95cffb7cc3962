import { expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { LockKey, LockRecord, LockStore } from '../../src/locking/index.ts'
import { MemoryLockTable, memoryLockStore, runSuite, testLockStore } from '../../src/testing/index.ts'

/** A lock store that breaks one promise, and a case of the suite that must notice. */
interface Broken {
  readonly breaks: string
  readonly notices: string
  /** `table` is what the store stands on; what is not given here is as it should be. */
  make(good: LockStore, table: MemoryLockTable): Partial<LockStore>
}

const tell = (key: LockKey) => new KeelstateError('PreconditionFailed', { message: `${key.identity} has moved.` })

/** A write that is done when `allows` says so. */
const writing =
  (table: MemoryLockTable, allows: (standing: LockRecord | undefined, base: LockRecord | undefined) => boolean) =>
  async (...[key, base, next, options]: Parameters<LockStore['write']>) => {
    if (options?.signal?.aborted) throw new KeelstateError('Aborted', { message: 'Given up.' })
    if (!allows(table.peek(key), base?.record)) throw tell(key)
    table.overwrite(key, next)
    return { record: { ...next } }
  }

/** An acquisition after which `change` is done to the record that stands. */
const acquiring =
  (good: LockStore, table: MemoryLockTable, change: (now: LockRecord, before: LockRecord | undefined) => LockRecord) =>
  async (...[key, claim, options]: Parameters<NonNullable<LockStore['acquire']>>) => {
    const before = table.peek(key)
    const outcome = await good.acquire!(key, claim, options)
    if (!('acquired' in outcome)) return outcome
    const record = change(outcome.acquired.record, before)
    table.overwrite(key, record)
    return { acquired: { record } }
  }

const BROKEN: readonly Broken[] = [
  {
    breaks: 'writes whatever stands there',
    notices: 'a write on a record that was replaced is refused and changes nothing',
    make: (_, table) => ({ write: writing(table, () => true) }),
  },
  {
    breaks: 'creates over a record that exists',
    notices: 'a record is created once; a second creation is refused and changes nothing',
    make: (good, table) => ({
      write: (key, base, next, options) =>
        base === undefined
          ? writing(table, () => true)(key, base, next, options)
          : good.write(key, base, next, options),
    }),
  },
  {
    breaks: 'creates where a record was to be replaced',
    notices: 'a write on a record creates nothing where none is',
    make: (good, table) => ({
      write: (key, base, next, options) => good.write(key, table.peek(key) && base, next, options),
    }),
  },
  ...(['owner', 'token', 'fence'] as const).map((forgotten) => ({
    breaks: `does not look at the ${forgotten} of the base`,
    notices: 'owner, fence and token all count: a base that differs in one of them is refused',
    make: (_: LockStore, table: MemoryLockTable) => ({
      write: writing(table, (standing, base) =>
        (['owner', 'token', 'fence'] as const).every((name) => name === forgotten || standing?.[name] === base?.[name]),
      ),
    }),
  })),
  {
    breaks: 'checks, waits, and then writes',
    notices: 'one of 16 racing writers on one record wins, each time',
    make: (_, table) => ({
      async write(key, base, next) {
        if (table.peek(key)?.token !== base?.record.token) throw tell(key)
        await new Promise((resolve) => setImmediate(resolve))
        table.overwrite(key, next)
        return { record: { ...next } }
      },
    }),
  },
  {
    breaks: 'stores and refuses all the same',
    notices: 'a record is read back member by member, at once and by every handle',
    make: (good) => ({
      async write(key, base, next, options) {
        await good.write(key, base, next, options)
        throw tell(key)
      },
    }),
  },
  {
    breaks: 'rounds fences',
    notices: 'a record is read back member by member, at once and by every handle',
    make: (good) => ({
      write: (key, base, next, options) =>
        good.write(key, base, { ...next, fence: BigInt(Number(next.fence)) }, options),
    }),
  },
  {
    breaks: 'loses empty texts',
    notices: 'a record is read back member by member, at once and by every handle',
    make: (good) => ({
      write: (key, base, next, options) =>
        good.write(key, base, { ...next, reason: next.reason === '' ? undefined : next.reason }, options),
    }),
  },
  {
    breaks: 'keeps members that the new record does not have',
    notices: 'a record replaces the one before as a whole: what it does not say is gone',
    make: (good, table) => ({
      write: (key, base, next, options) =>
        good.write(key, base, { ...next, run: next.run ?? table.peek(key)?.run }, options),
    }),
  },
  {
    breaks: 'reads what stood there before',
    notices: 'a read sees every write that was answered before it',
    make(good) {
      const before = new Map<string, Awaited<ReturnType<LockStore['read']>>>()
      return {
        async read(key, options) {
          const now = await good.read(key, options)
          const old = before.get(key.identity)
          before.set(key.identity, now)
          return old ?? now
        },
      }
    },
  },
  {
    breaks: 'has one lock for all documents of a folder',
    notices: 'every document has a lock of its own, whatever its name',
    make(good) {
      const folder = (key: LockKey) => ({
        ...key,
        identity: key.identity.split('/').slice(0, 2).join('/').toLowerCase(),
      })
      return {
        read: (key, options) => good.read(folder(key), options),
        write: (key, base, next, options) => good.write(folder(key), base, next, options),
      }
    },
  },
  {
    breaks: 'shares locks among stores',
    notices: 'stores that share a place do not share locks',
    make(good) {
      const one = (key: LockKey) => ({ ...key, storeId: '0'.repeat(32) })
      return {
        read: (key, options) => good.read(one(key), options),
        write: (key, base, next, options) => good.write(one(key), base, next, options),
      }
    },
  },
  {
    breaks: 'takes held locks',
    notices: 'a held lock is not taken: the answer shows its record, and nothing changes',
    make: (good, table) => ({
      acquire: (key, claim, options) => good.acquire!(key, { ...claim, watched: table.peek(key)?.token }, options),
    }),
  },
  {
    breaks: 'takes a lock again for a late copy',
    notices: 'a late copy of one’s own acquisition takes nothing, neither while the lock is held nor after its release',
    make: (good, table) => ({
      acquire(key, claim, options) {
        const standing = table.peek(key)
        const watched = standing?.held ? claim.watched : standing?.token
        return good.acquire!(key, { ...claim, watched }, options)
      },
    }),
  },
  {
    breaks: 'never replaces a dead holder',
    notices: 'a dead holder is replaced under the token that was watched, and counts as unclean',
    make: (good) => ({
      acquire: (key, claim, options) => good.acquire!(key, { ...claim, watched: undefined }, options),
    }),
  },
  {
    breaks: 'shows a stranger’s record as taken',
    notices: 'a held lock is not taken: the answer shows its record, and nothing changes',
    make: (good) => ({
      async acquire(key, claim, options) {
        const outcome = await good.acquire!(key, claim, options)
        return 'acquired' in outcome ? outcome : { acquired: outcome.blocked }
      },
    }),
  },
  {
    breaks: 'begins fences anew with each holder',
    notices:
      'a released lock is taken: the fence grows by one, clean becomes what the last holder left, the last head is kept',
    make: (good, table) => ({ acquire: acquiring(good, table, (now) => ({ ...now, fence: 1n })) }),
  },
  {
    breaks: 'leaves clean as it was when a lock is taken',
    notices:
      'a released lock is taken: the fence grows by one, clean becomes what the last holder left, the last head is kept',
    make: (good, table) => ({
      acquire: acquiring(good, table, (now, before) => ({ ...now, clean: before?.clean ?? false })),
    }),
  },
  {
    breaks: 'takes a lock without a record for cleanly left',
    notices:
      'a lock without a record is taken: fence 1, nothing known of a head, to be seeded, after no clean predecessor',
    make: (good, table) => ({ acquire: acquiring(good, table, (now) => ({ ...now, prevClean: true, reset: false })) }),
  },
  {
    breaks: 'forgets the last head when a lock is taken',
    notices:
      'a released lock is taken: the fence grows by one, clean becomes what the last holder left, the last head is kept',
    make: (good, table) => ({
      acquire: acquiring(good, table, (now) => ({ ...now, lastSeq: 0, lastId: '', birth: '' })),
    }),
  },
  {
    breaks: 'keeps the reason of the holder before',
    notices: 'the reason and the run of the holder before are forgotten',
    make: (good, table) => ({ acquire: acquiring(good, table, (now, before) => ({ ...now, reason: before?.reason })) }),
  },
  {
    breaks: 'lists the first page only',
    notices: 'a listing yields every record of a store once, over all its pages',
    make: (good) => ({
      async *list(storeId, options) {
        let n = 0
        for await (const each of good.list(storeId, options)) if (n++ < 50) yield each
      },
    }),
  },
  {
    breaks: 'lists the records of every store',
    notices: 'a listing yields records of one store only',
    make: (_, table) => ({
      async *list() {
        for (const storeId of ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210'])
          yield* table.of(storeId)
      },
    }),
  },
  {
    breaks: 'sends what was given up before it began',
    notices: 'a call whose signal has fired sends nothing and is Aborted',
    make: (good) => ({ write: (key, base, next) => good.write(key, base, next) }),
  },
  {
    breaks: 'takes a missing table for an unlocked document',
    notices: 'a missing table or bucket is BucketMissing to every call, and never an unlocked document',
    make: () => ({}),
  },
]

const options = { rounds: 3, many: 60 }

function suiteOf(make: Broken['make']) {
  const tables = new Map<LockStore, MemoryLockTable>()
  const openOn = (table: MemoryLockTable): LockStore => {
    const good = memoryLockStore(table)
    const locks = { ...good, ...make(good, table) }
    tables.set(locks, table)
    return locks
  }
  return testLockStore(
    {
      name: 'broken',
      manyStores: true,
      open: async () => openOn(new MemoryLockTable()),
      openAgain: async (locks) => openOn(tables.get(locks)!),
      openMissingPlace: async () => openOn(new MemoryLockTable()),
    },
    options,
  )
}

it.each(BROKEN)('the suite notices a lock store that $breaks', async ({ notices, make }) => {
  const { results } = await runSuite(suiteOf(make))
  const failed = results.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)
  expect(failed).toContain(notices)
})

it('the suite finds nothing in the same lock store unbroken', async () => {
  const { results } = await runSuite(suiteOf(() => ({})))
  const failed = results.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)
  expect(failed).toEqual(['a missing table or bucket is BucketMissing to every call, and never an unlocked document'])
})
