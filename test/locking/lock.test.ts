import { describe, expect, it } from 'vitest'
import { json, type OpenStoreOptions, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'

async function open(bucket: MemoryBucket, options: Partial<OpenStoreOptions> = {}) {
  return await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', by: 'tester', ...options })
}

describe('a document lock', () => {
  it('lets one holder in at a time, hands out what the last one wrote, and says who holds it', async () => {
    const bucket = new MemoryBucket()
    const [a, b] = [await open(bucket), await open(bucket)]
    const [left, right] = [a.document('shop/prod', json<number>()), b.document('shop/prod', json<number>())]
    const held = await left.lock({ operation: 'deploy' })
    expect(held.current).toBeUndefined()
    await held.commit(1)
    await held.commit(2)
    await expect(right.lock({ operation: 'other' })).rejects.toMatchObject({
      code: 'Locked',
      details: { owner: held.owner, operation: 'deploy' },
    })
    const waiting = right.withLock({ operation: 'other', waitMs: 5_000 }, async (next) => {
      expect(next.fence).toBeGreaterThan(held.fence)
      expect(next.current?.value).toBe(2)
      await next.commit(next.current!.value + 1)
    })
    await held.release()
    await held.release()
    await waiting
    expect((await left.read())?.value).toBe(3)
    await expect(held.commit(9)).rejects.toMatchObject({ code: 'LeaseLost' })
  })

  it('refuses a zombie after a forced release, by the store', async () => {
    const bucket = new MemoryBucket()
    const [a, b] = [await open(bucket), await open(bucket)]
    const [left, right] = [a.document('shop/prod', json<number>()), b.document('shop/prod', json<number>())]
    const zombie = await left.lock({ operation: 'deploy' })
    await zombie.commit(1)
    await expect(right.forceUnlock('0'.repeat(32))).rejects.toMatchObject({ code: 'Conflict' })
    await right.forceUnlock(zombie.owner)
    const next = await right.lock({ operation: 'deploy' })
    await expect(zombie.commit(666)).rejects.toMatchObject({ code: 'LeaseLost' })
    await next.commit(2)
    await zombie.release()
    await next.commit(3)
    await next.release()
    expect((await left.read())?.value).toBe(3)
  })
})
