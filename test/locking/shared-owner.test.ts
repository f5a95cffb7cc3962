import { describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import { type Arena, inMemory } from './arenas.ts'
import { HEAD, LEASE_MS, MARGIN_MS, type Process, type World } from './world.ts'

const operation = 'deploy'
const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

describe.each(inMemory)('processes under one owner id, with $name', (kind) => {
  async function opened(): Promise<{ arena: Arena; world: World; parent: Process; child: Process; rival: Process }> {
    const arena = await kind.open()
    const { world } = arena
    const [parent, child, rival] = [await world.process(), await world.process(), await world.process()]
    await world.finish(parent.document.withLock({ operation }, (held) => held.commit('first')))
    return { arena, world, parent, child, rival }
  }

  it('go on one after another under a lock that was left to them, while everybody else waits', async () => {
    const { world, parent, child, rival } = await opened()
    const held = await world.finish(parent.document.lock({ operation, leaseMs: 600_000, heartbeat: false }))
    await world.finish(held.commit('second'))
    const { owner } = held
    held.leave()
    expect(parent.machine.timers).toBe(0)
    await expect(world.finish(held.commit('left'))).rejects.toMatchObject({ code: 'LeaseLost' })
    for (let n = 3; n < 6; n++) {
      const borrowed = await world.finish(child.document.lockedBy(owner))
      expect(borrowed.owner).toBe(owner)
      await world.finish(borrowed.commit(`${n}`))
      await expect(world.finish(rival.document.lock({ operation }))).rejects.toMatchObject({
        code: 'Locked',
        details: { owner },
      })
      await world.finish(borrowed[Symbol.asyncDispose]())
      expect(await world.record()).toMatchObject({ held: true, owner, lastSeq: (await world.head())!.seq })
      expect(child.machine.timers).toBe(0)
    }
    await world.finish(rival.document.forceUnlock(owner))
    await expect(world.finish(child.document.lockedBy(owner))).rejects.toMatchObject({ code: 'LeaseLost' })
    const next = await world.finish(rival.document.lock({ operation }))
    expect(next.current?.value).toBe('5')
    await expect(world.finish(child.document.lockedBy(owner))).rejects.toMatchObject({ code: 'LeaseLost' })
    await expect(world.finish(child.document.lockedBy('0'.repeat(32)))).rejects.toMatchObject({ code: 'LeaseLost' })
  })

  it('hold it side by side: two heartbeats on one record harm nobody', async () => {
    const { world, parent, child, rival } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    const borrowed = await world.finish(child.document.lockedBy(held.owner))
    for (let n = 0; n < 10; n++) {
      await world.time.advance(33_333)
      const parentFirst = n % 2 === 0
      const writer: LockedDocument<string> = parentFirst ? held : borrowed
      await world.finish(writer.commit(`${n}`, { parent: 'any' }))
      expect([held.signal.aborted, borrowed.signal.aborted]).toEqual([false, false])
      await expect(world.finish(rival.document.lock({ operation }))).rejects.toMatchObject({ code: 'Locked' })
    }
    await world.finish(borrowed.release())
    await world.finish(held.release())
    await world.finish(rival.document.withLock({ operation }, (next) => next.commit('next')))
  })

  it('work longer than the lease while the one that took it renews, or does not', async () => {
    const { world, parent, child } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    const { owner } = held
    held.leave()
    const borrowed = await world.finish(child.document.lockedBy(owner))
    await world.time.advance(5 * LEASE_MS)
    await world.finish(borrowed.commit('after a long upload'))
    expect(borrowed.signal.aborted).toBe(false)
  })

  it('lose it together', async () => {
    const { world, parent, child, rival } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    const borrowed = await world.finish(child.document.lockedBy(held.owner))
    await world.finish(rival.document.forceUnlock(held.owner))
    const next = await world.finish(rival.document.lock({ operation }))
    await expect(world.finish(borrowed.commit('undead', { parent: 'any' }))).rejects.toMatchObject({
      code: 'LeaseLost',
    })
    await expect(world.finish(held.commit('undead', { parent: 'any' }))).rejects.toMatchObject({ code: 'LeaseLost' })
    const before = await world.record()
    await world.finish(borrowed.release())
    await world.finish(held.release())
    expect(await world.record()).toEqual(before)
    await world.finish(next.commit('next'))
  })

  it('leave the lock to its lease when all of them are gone', async () => {
    const { world, parent, child, rival } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    const { owner } = held
    held.leave()
    const borrowed = await world.finish(child.document.lockedBy(owner))
    await world.finish(borrowed.release())
    const began = world.time.elapsed
    await world.finish(rival.document.lock({ operation, waitMs: 60_000 }))
    expect(world.time.elapsed - began).toBeGreaterThanOrEqual(LEASE_MS)
    expect(world.time.elapsed - began).toBeLessThanOrEqual(LEASE_MS + MARGIN_MS + 1_000)
  })

  it('never make it end sooner: it lasts for its whole lease again from the last thing that was done under it', async () => {
    const { world, parent, child, rival } = await opened()
    const leaseMs = 30 * 60_000
    const held = await world.finish(parent.document.lock({ operation, leaseMs, heartbeat: false }))
    const { owner } = held
    held.leave()
    const rivals = rival.document.lock({ operation, waitMs: 10 * leaseMs })
    for (let n = 0; n < 3; n++) {
      await world.time.advance(leaseMs * 0.9)
      const borrowed = await world.finish(child.document.lockedBy(owner))
      await world.finish(borrowed.commit(`${n}`))
      await world.finish(borrowed.release())
      expect(await world.record()).toMatchObject({ held: true, owner, leaseMs })
    }
    const worked = world.time.elapsed
    const next = await world.finish(rivals)
    expect(next.current?.value).toBe('2')
    expect(world.time.elapsed - worked).toBeGreaterThanOrEqual(leaseMs)
    expect(world.time.elapsed - worked).toBeLessThanOrEqual(leaseMs + MARGIN_MS + 2_000)
    await world.finish(next.release())
  })

  it('leave behind the highest head that any of them saw, whoever releases', async () => {
    const { world, parent, child } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    await world.finish(held.commit('parent')) // the parent has seen more than when it took the lock, and less than the child
    const borrowed = await world.finish(child.document.lockedBy(held.owner))
    await world.finish(borrowed.commit('child'))
    await world.finish(borrowed.release())
    const { seq } = (await world.head())!
    expect(await world.record()).toMatchObject({ lastSeq: seq })
    await world.finish(held.release())
    expect(await world.record()).toMatchObject({ held: false, lastSeq: seq })
  })

  it('leave a document that must be claimed: what one of them did as it was killed may still be on its way', async () => {
    const { world, parent, child, rival } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    const borrowed = await world.finish(child.document.lockedBy(held.owner))
    const late = world.network.faults.hold({ method: 'put', key: HEAD })
    void borrowed.commit('killed in the middle').catch(codeOf)
    await world.finish(late.arrived())
    child.machine.stop() // kill -9
    await world.finish(held.release()) // the parent knows nothing of it
    expect(await world.record()).toMatchObject({ held: false, clean: false })
    const next = await world.finish(rival.document.lock({ operation }))
    expect((await world.head())!.epoch).toBe(next.fence)
    void late.releaseAll()
    await world.time.advance(1_000)
    await world.finish(next.commit('next'))
    expect((await world.finish(rival.document.read()))?.value).toBe('next')
  })

  it('see what was written before, and refuse a head that went back', async () => {
    const { arena, world, parent, child } = await opened()
    const held = await world.finish(parent.document.lock({ operation }))
    await world.finish(held.commit('second'))
    const borrowed = await world.finish(child.document.lockedBy(held.owner))
    expect(borrowed.current?.value).toBe('second')
    expect(borrowed.fence).toBe(held.fence)
    arena.faults.clear()
  })
})
