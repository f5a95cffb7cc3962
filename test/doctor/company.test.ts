import { describe, expect, it } from 'vitest'
import { proofKey } from '../../src/core/proof.ts'
import { type DoctorReport, doctor, type Finding, type ObjectStore, openStore } from '../../src/index.ts'
import type { LockKey, LockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'
import { storeWith } from '../store-with.ts'

const ROUNDS = 10
const found = ({ findings }: DoctorReport, check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check)

/** A lock table on which another doctor frees the shared probe, before a claim or after it, in the rounds that are named. */
function tableInCompany(rounds: readonly number[], when: 'before' | 'after'): LockStore {
  const table = new MemoryLockTable()
  const good = memoryLockStore(table)
  let claims = 0
  const free = (key: LockKey) => {
    const now = table.peek(key)!
    table.overwrite(key, { ...now, held: false, owner: 'b'.repeat(32), token: 'c'.repeat(32), fence: now.fence + 1n })
  }
  return {
    ...good,
    async acquire(key, claim, options) {
      const first = claims % 8 === 0 && rounds.includes(claims / 8)
      claims++
      if (first && when === 'before') free(key)
      const outcome = await good.acquire!(key, claim, options)
      if (first && when === 'after') free(key)
      return outcome
    },
  }
}

describe('a run of doctor beside another', () => {
  const acquired = async (rounds: readonly number[], when: 'before' | 'after') => {
    const store = memoryStore()
    await (await openStore({ store, keys: 'plaintext' })).init()
    return await doctor({ store, lock: tableInCompany(rounds, when), rounds: ROUNDS })
  }

  it('does not take a lock that the other frees for one that is handed out twice', async () => {
    for (const when of ['before', 'after'] as const) {
      const report = await acquired([1, 4, 5], when)
      expect(found(report, 'lock-acquire-race'), when).toMatchObject({ verdict: 'ok' })
      expect(report.verdict).toBe('safe')
    }
  })

  it('says so when the other is at work in most rounds', async () => {
    const report = await acquired([0, 1, 2, 3, 4, 5, 6, 7], 'after')
    expect(found(report, 'lock-acquire-race')).toMatchObject({
      verdict: 'unknown',
      says: expect.stringContaining('somebody else was at work'),
    })
    expect(report.verdict).toBe('unproven')
  })

  it('looks again at a changed object that the other has changed once more, and keeps its proof', async () => {
    const store = memoryStore()
    await doctor({ store, rounds: ROUNDS })
    const once = await doctor({ store: movedBeside(store, 1), rounds: ROUNDS })
    expect(found(once, 'conditional-read')).toMatchObject({ verdict: 'ok' })
    const always = await doctor({ store: movedBeside(store, Number.POSITIVE_INFINITY), rounds: ROUNDS })
    expect(found(always, 'conditional-read')).toMatchObject({
      verdict: 'unknown',
      says: expect.stringContaining('somebody else was at work'),
    })
    expect(always).toMatchObject({ verdict: 'unproven', remembered: true })
    expect(await store.get(proofKey(store.address))).toBeDefined()
  })
})

/** A store in which another doctor moves the probe that a reader knows an earlier version of, so many times. */
function movedBeside(good: ObjectStore, times: number): ObjectStore {
  let looks = 0
  return storeWith(good, {
    async get(key, options) {
      // Every second look comes after a change: the first finds the version that is known.
      if (options?.unlessToken !== undefined && ++looks % 2 === 0 && looks / 2 <= times) {
        const now = await good.get(key)
        if (typeof now === 'object') await good.put(key, Buffer.from(`of another ${looks}`), { ifMatch: now.token })
      }
      return await good.get(key, options)
    },
  })
}
