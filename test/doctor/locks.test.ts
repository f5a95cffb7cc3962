import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { type DoctorReport, doctor, openStore } from '../../src/index.ts'
import type { LockKey, LockRecord, LockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { storeWith } from '../store-with.ts'

const rounds = count(200, 5)
reportCounts(import.meta.filename, { 'rounds of races': rounds })

const refused = (key: LockKey) => new KeelstateError('PreconditionFailed', { message: `${key.identity} has moved.` })
const bad = ({ findings }: DoctorReport): string[] =>
  findings.filter(({ verdict }) => verdict === 'unsafe').map(({ check }) => check)

async function store(bucket: MemoryBucket = new MemoryBucket()) {
  await (await openStore({ store: memoryStore({ bucket }), keys: 'plaintext' })).init()
  return memoryStore({ bucket })
}

/** A lock store that breaks a promise, on a table of its own. */
function broken(make: (good: LockStore, table: MemoryLockTable) => Partial<LockStore>): LockStore {
  const table = new MemoryLockTable()
  const good = memoryLockStore(table)
  return { ...good, ...make(good, table) }
}

const BROKEN: readonly [string, LockStore, string][] = [
  [
    'writes whatever stands there',
    broken((_, table) => ({
      write: async (key, _base, next) => {
        table.overwrite(key, next)
        return { record: next }
      },
    })),
    'lock-write-race',
  ],
  [
    'checks, waits, and then writes',
    broken((_, table) => ({
      write: async (key, base, next) => {
        if (table.peek(key)?.token !== base?.record.token) throw refused(key)
        await new Promise((resolve) => setTimeout(resolve, 1))
        table.overwrite(key, next)
        return { record: next }
      },
    })),
    'lock-write-race',
  ],
  [
    'forgets what it wrote',
    broken((good) => ({ write: async (_key, _base, next) => ({ record: next }), read: good.read })),
    'lock-write-race',
  ],
  [
    'refuses everything',
    broken(() => ({
      write: async (key) => {
        throw refused(key)
      },
    })),
    'lock-write-race',
  ],
  [
    'reads an earlier record',
    broken((good, table) => {
      let before: LockRecord | undefined
      return {
        read: async () => before && { record: before },
        write: async (key, base, next, options) => {
          before = table.peek(key)
          return await good.write(key, base, next, options)
        },
      }
    }),
    'lock-refused',
  ],
  [
    'hands the lock to everybody who asks',
    broken((_, table) => ({
      acquire: async (key, claim) => {
        const next = { ...table.peek(key)!, ...claim.record, held: true, fence: table.peek(key)!.fence + 1n }
        table.overwrite(key, next)
        return { acquired: { record: next } }
      },
    })),
    'lock-acquire-race',
  ],
  [
    'does not count the fence',
    broken((good, table) => ({
      acquire: async (key, claim, options) => {
        const { fence } = table.peek(key)!
        const outcome = await good.acquire!(key, claim, options)
        if ('acquired' in outcome) table.overwrite(key, { ...outcome.acquired.record, fence })
        return outcome
      },
    })),
    'lock-acquire-race',
  ],
  ...(['owner', 'token', 'fence'] as const).map((forgotten): [string, LockStore, string] => [
    `does not look at the ${forgotten}`,
    broken((_, table) => ({
      write: async (key, base, next) => {
        const now = table.peek(key)
        const others = (['owner', 'token', 'fence'] as const).filter((name) => name !== forgotten)
        if (!others.every((name) => now?.[name] === base?.record[name])) throw refused(key)
        table.overwrite(key, next)
        return { record: next }
      },
    })),
    'lock-refused',
  ]),
]

describe('a lock table', () => {
  it('is safe when it does as it has to, and no list of locks shows what doctor leaves in it', async () => {
    const table = new MemoryLockTable()
    const objects = await store()
    const report = await doctor({ store: objects, lock: memoryLockStore(table), rounds })
    expect([report.verdict, bad(report)]).toEqual(['safe', []])
    const opened = await openStore({ store: objects, lock: memoryLockStore(table), keys: 'plaintext' })
    for await (const lock of opened.locks()) expect.unreachable(lock.name)
    expect(table.of(report.storeId!).map(({ identity, record }) => [identity, record.held])).toEqual([
      ['~doctor/probe', false],
      ['~doctor/pairing', false],
    ])
  })

  it.each(BROKEN)('that %s is found', async (_, lock, check) => {
    const report = await doctor({ store: await store(), lock, rounds })
    expect(report.verdict).toBe('unsafe')
    expect(bad(report)).toContain(check)
  })

  it('is not proven when it does not answer to a change of what was replaced', async () => {
    let now = ''
    const lock = broken((good, table) => ({
      async write(key, base, next, options) {
        const stale = table.peek(key)?.token !== base?.record.token
        if (stale && now === 'lock-refused') throw new KeelstateError('Unavailable', { message: 'No answer came.' })
        return await good.write(key, base, next, options)
      },
    }))
    const onProgress = (check: string) => {
      now = check
    }
    const report = await doctor({ store: await store(), lock, rounds, onProgress })
    expect(report.verdict).toBe('unproven')
    expect(report.findings).toContainEqual(expect.objectContaining({ check: 'lock-refused', verdict: 'unknown' }))
  })

  it('that two copies of a store share is found, by each of them', async () => {
    const lock = memoryLockStore(new MemoryLockTable())
    const original = new MemoryBucket()
    const first = storeWith(await store(original), { address: 's3://original' })
    expect((await doctor({ store: first, lock, rounds: 1 })).verdict).toBe('safe')
    const copy = new MemoryBucket()
    for (const { key } of (await first.list('')).objects) {
      const stored = await first.get(key)
      if (typeof stored === 'object') await memoryStore({ bucket: copy }).put(key, stored.bytes, { ifAbsent: true })
    }
    const second = storeWith(memoryStore({ bucket: copy }), { address: 's3://copy' })
    await doctor({ store: second, lock, rounds: 1 }) // brought over with the rest: they cannot be told apart yet
    const told = await doctor({ store: first, lock, rounds: 1 })
    expect(told.findings).toContainEqual(
      expect.objectContaining({ check: 'lock-pairing', verdict: 'unsafe', says: expect.stringContaining('s3://copy') }),
    )
    expect(bad(await doctor({ store: second, lock, rounds: 1 }))).toEqual(['lock-pairing'])
    expect(bad(await doctor({ store: second, lock, rounds: 1 }))).toEqual([])
  })

  it('that was emptied, and a store that was restored, are told of without alarm', async () => {
    const bucket = new MemoryBucket()
    const objects = await store(bucket)
    const table = new MemoryLockTable()
    await doctor({ store: objects, lock: memoryLockStore(table), rounds: 1 })
    const emptied = await doctor({ store: objects, lock: memoryLockStore(new MemoryLockTable()), rounds: 1 })
    expect(emptied.findings).toContainEqual(expect.objectContaining({ check: 'lock-pairing', verdict: 'warning' }))
    const back = await doctor({ store: objects, lock: memoryLockStore(table), rounds: 1 })
    expect(back.findings).toContainEqual(
      expect.objectContaining({
        check: 'lock-pairing',
        verdict: 'warning',
        todo: expect.stringContaining('locks reset'),
      }),
    )
    expect(back.verdict).toBe('safe')
  })
})
