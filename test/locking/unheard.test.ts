import { expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import type { LockStore } from '../../src/locking/index.ts'
import { HeldLease, startNow } from '../../src/locking/lease.ts'
import { VirtualTime } from '../../src/testing/index.ts'
import { Unheard } from '../unheard.ts'
import { KEY } from './world.ts'

const unheard = new Unheard()

const record = {
  held: true,
  owner: 'aa'.repeat(16),
  token: 'bb'.repeat(16),
  fence: 7n,
  leaseMs: 6_000,
  clean: false,
  prevClean: true,
  uncertain: false,
  reset: false,
  lastSeq: 0,
  lastId: '00'.repeat(8),
  birth: '00'.repeat(16),
  since: '2026-01-02T03:04:05.678Z',
  who: 'somebody',
  host: 'somewhere',
  operation: 'deploy',
}

it('a renewal that fails when whoever asked for it has given up fails unheard of', async () => {
  const time = new VirtualTime()
  const environment = time.machine()
  const down = async (): Promise<never> => {
    throw new KeelstateError('Unavailable', { message: 'The lock store does not answer.' })
  }
  const locks: LockStore = { address: 'down', read: down, write: down, async *list() {}, close: async () => {} }
  const lease = new HeldLease(
    { locks, key: KEY, environment, limits: DEFAULT_LIMITS, heartbeat: false, borrowed: false, onReleasing: () => {} },
    { record },
    startNow(environment),
  )
  await time.advance(5_000) // less than a third is left: who is about to write has it renewed
  await expect(lease.ensure({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'Aborted' })
  await time.advance(60_000)
  await unheard.expectNone()
  expect(lease.signal.aborted).toBe(true)
})
