import { describe, expect, it } from 'vitest'
import { proofKey } from '../../src/core/proof.ts'
import { type DoctorReport, doctor, type Finding, type ObjectStore, openStore } from '../../src/index.ts'
import type { LockKey, LockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'

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
})
