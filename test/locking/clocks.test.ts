import { describe, expect, it } from 'vitest'
import type { LockedDocument } from '../../src/index.ts'
import type { Frozen } from '../../src/testing/index.ts'
import { inMemory } from './arenas.ts'
import { LEASE_MS, MARGIN_MS, type Process, type World } from './world.ts'

const LOST = { code: 'LeaseLost' }

describe.each(inMemory)('the clocks of a lease, with $name', (kind) => {
  async function held(options: { leaseMs?: number; heartbeat?: boolean } = {}): Promise<{
    world: World
    holder: Process
    rival: Process
    lock: LockedDocument<string>
  }> {
    const { world } = await kind.open()
    const [holder, rival] = [await world.process(), await world.process()]
    await world.finish(holder.document.withLock({ operation: 'first' }, (lock) => lock.commit('first')))
    return { world, holder, rival, lock: await world.finish(holder.document.lock({ operation: 'deploy', ...options })) }
  }

  it('renews every 10 s, with one request each', async () => {
    const { world, lock } = await held()
    const before = world.network.requests.length
    await world.time.advance(600_000)
    const renewals = world.network.requests.slice(before)
    expect(renewals.length).toBeGreaterThanOrEqual(55)
    expect(renewals.length).toBeLessThanOrEqual(60)
    expect(lock.signal.aborted).toBe(false)
  })

  it('fires the signal when the lease ran out unrenewed, before anybody may take the lock, and for good', async () => {
    const { world, holder, rival, lock } = await held()
    world.network.faults.add({ operation: 'PutItem', times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    world.network.faults.add({ operation: 'PutObject', times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    let firedAt = 0
    lock.signal.addEventListener('abort', () => {
      firedAt = world.time.elapsed
    })
    const began = world.time.elapsed
    await world.time.advance(LEASE_MS)
    expect(firedAt - began).toBeGreaterThan(0)
    expect(firedAt - began).toBeLessThanOrEqual(LEASE_MS)
    expect(lock.signal.reason).toMatchObject(LOST)
    world.network.faults.clear()
    await world.time.advance(60_000)
    await expect(world.finish(lock.commit('late'))).rejects.toMatchObject(LOST)
    await world.finish(lock.release()) // it still tries
    expect(await world.record()).toMatchObject({ held: false, clean: false })
    await world.finish(rival.document.withLock({ operation: 'next' }, (next) => next.commit('next')))
    expect(holder.machine.timers).toBe(0)
  })

  it('counts the lease from the request whose token stands in the record, not from its answer', async () => {
    const { world, holder, lock: first } = await held()
    await world.finish(first.release())
    // The acquisition lands at once; that it did is learnt 10 s later.
    const acquire = kind.name === 'lock objects' ? 'PutObject' : 'UpdateItem'
    world.network.faults.add({ operation: acquire, key: /shop/ }, { do: 'stall', when: 'after' })
    const began = world.time.elapsed
    const lock = await world.finish(holder.document.lock({ operation: 'deploy', heartbeat: false }))
    expect(world.time.elapsed - began).toBeGreaterThan(10_000)
    let firedAt = 0
    lock.signal.addEventListener('abort', () => {
      firedAt = world.time.elapsed
    })
    await world.time.advance(LEASE_MS)
    expect(firedAt - began).toBeGreaterThan(0)
    expect(firedAt - began).toBeLessThanOrEqual(LEASE_MS)
  })

  it('renews in time a lease of which the acquisition took most', async () => {
    const { world, holder, lock: first } = await held()
    await world.finish(first.release())
    const acquire = kind.name === 'lock objects' ? 'PutObject' : 'UpdateItem'
    world.network.faults.add({ operation: acquire, key: /shop/ }, { do: 'stall', when: 'after' })
    const read = kind.name === 'lock objects' ? { method: 'get', key: /^locks/, nth: 2 } : { method: 'read' }
    world.network.faults.add(read, { do: 'stall' })
    const began = world.time.elapsed
    const lock = await world.finish(holder.document.lock({ operation: 'deploy' }))
    expect(world.time.elapsed - began).toBeGreaterThan(20_000)
    expect(world.network.faults.unfired()).toEqual([])
    await world.time.advance(60_000)
    expect(lock.signal.aborted).toBe(false)
    await world.finish(lock.commit('in time'))
  })

  it('renews before the next write when little of the lease is left', async () => {
    const { world, lock } = await held({ heartbeat: false })
    await world.time.advance(LEASE_MS * 0.8)
    const before = world.network.requests.length
    await world.finish(lock.commit('late'))
    expect(world.network.requests.length - before).toBe(2)
    await world.time.advance(LEASE_MS * 0.9)
    expect(lock.signal.aborted).toBe(false)
    await world.time.advance(LEASE_MS * 0.2)
    expect(lock.signal.aborted).toBe(true)
  })

  it('is not handed out when what came before took all of it, and is renewed first when it took most', async () => {
    const { world, holder, lock: first } = await held()
    await world.finish(first.release())
    const slow = (ms: number) => world.network.faults.add({ method: 'get', key: /^heads/ }, { do: 'delay-answer', ms })
    const options = { operation: 'deploy', heartbeat: false }
    slow(2_000)
    await expect(world.finish(holder.document.lock({ ...options, leaseMs: 1_000 }))).rejects.toMatchObject(LOST)
    expect(await world.record()).toMatchObject({ held: false })
    slow(2_000)
    const lock = await world.finish(holder.document.lock({ ...options, leaseMs: 2_700 }))
    await world.time.advance(2_000)
    expect(lock.signal.aborted).toBe(false)
    await world.finish(lock.commit('second'))
  })

  it('is not lost by one message that is lost in silence, however short the lease', async () => {
    for (const leaseMs of [1_000, 3_000, 30_000]) {
      const { world, lock } = await held({ leaseMs })
      for (let beat = 0; beat < 5; beat++) {
        const rules = ['PutItem', 'PutObject'].map((operation) =>
          world.network.faults.add({ operation }, { do: 'stall' }),
        )
        await world.time.advance(leaseMs * 2)
        expect(lock.signal.aborted).toBe(false)
        for (const rule of rules) rule.remove()
      }
      await world.finish(lock.release())
    }
  })

  const stopped: readonly { name: string; frozen: Frozen }[] = [
    { name: 'was stopped', frozen: {} },
    { name: 'slept, its monotonic clock standing still', frozen: { monotonic: true } },
  ]
  it.each(stopped)(
    'is lost to a holder that $name for longer than the lease, before it does anything',
    async ({ frozen }) => {
      const { world, holder, lock } = await held()
      await world.time.advance(3_000)
      holder.machine.stop(frozen)
      await world.time.advance(LEASE_MS + 1_000)
      holder.machine.resume()
      const before = world.network.requests.length
      const trying = Promise.allSettled([lock.commit('late'), lock.label('kept', 'current')])
      const [commit, label] = await world.finish(trying)
      expect(commit).toMatchObject({ status: 'rejected', reason: LOST })
      expect(label).toMatchObject({ status: 'rejected', reason: LOST })
      expect(lock.signal.aborted).toBe(true)
      expect(world.network.requests.slice(before).filter(({ method }) => method === 'put')).toEqual([])
    },
  )

  it('fires the signal soon after a long sleep, without being asked', async () => {
    const { world, holder, lock } = await held()
    holder.machine.stop({ monotonic: true })
    await world.time.advance(3_600_000)
    holder.machine.resume()
    await world.time.advance(LEASE_MS / 3 + 1_000)
    expect(lock.signal.aborted).toBe(true)
    expect(lock.signal.reason).toMatchObject(LOST)
  })

  it('goes on for a holder that was stopped for less than the lease', async () => {
    const { world, holder, lock } = await held()
    for (let n = 0; n < 5; n++) {
      holder.machine.stop({ monotonic: n % 2 === 0 })
      await world.time.advance(15_000)
      holder.machine.resume()
      await world.time.advance(10_000)
    }
    expect(lock.signal.aborted).toBe(false)
    await world.finish(lock.commit('fine'))
  })

  it('is lost when the holder’s wall clock jumps ahead of the lease, and outlives one that is set back', async () => {
    const { world, holder, lock } = await held()
    holder.machine.jumpWall(-86_400_000)
    await world.time.advance(60_000)
    expect(lock.signal.aborted).toBe(false)
    await world.finish(lock.commit('yesterday'))
    holder.machine.jumpWall(2 * 86_400_000)
    await expect(world.finish(lock.commit('tomorrow'))).rejects.toMatchObject(LOST)
  })

  it('is not taken by a waiter whose wall clock is ahead by years, or jumps', async () => {
    const { world, rival, lock } = await held()
    rival.machine.jumpWall(10 * 365 * 86_400_000)
    const waiting = rival.document.lock({ operation: 'next', waitMs: 200_000 }).catch((error: unknown) => error)
    for (let n = 0; n < 20; n++) {
      await world.time.advance(10_000)
      rival.machine.jumpWall(n % 2 === 0 ? 3_600_000 : -3_600_000)
    }
    expect(await world.finish(waiting)).toMatchObject({ code: 'Locked' })
    expect(lock.signal.aborted).toBe(false)
  })

  it('is not taken by a waiter that slept: only what it saw on its own monotonic clock counts', async () => {
    const { world, holder, rival } = await held()
    holder.machine.stop()
    const waiting = rival.document.lock({ operation: 'next', waitMs: 300_000 })
    await world.time.advance(5_000)
    rival.machine.stop({ monotonic: true })
    await world.time.advance(3_600_000)
    rival.machine.resume()
    const began = world.time.elapsed
    await world.finish(waiting)
    expect(world.time.elapsed - began).toBeGreaterThanOrEqual(LEASE_MS + MARGIN_MS - 5_000 - 200)
  })

  it('is not taken while its token changes, however rarely a waiter looks', async () => {
    const { world, rival, lock } = await held()
    // Whoever looks twice, a lease and a margin apart, has not seen one token stand still.
    for (let n = 0; n < 5; n++) {
      await expect(world.finish(rival.document.lock({ operation: 'next' }))).rejects.toMatchObject({ code: 'Locked' })
      await world.time.advance(LEASE_MS + MARGIN_MS + 1_000)
    }
    expect(lock.signal.aborted).toBe(false)
  })

  it('leaves the holder the margin: clocks may drift by as much in a lease', async () => {
    const { world } = await kind.open()
    // The waiter's clock runs a tenth faster than the holder's: 35 s of its own are 31.8 s of the holder's.
    const [slow, fast] = [await world.process(), await world.process({ rate: 1.1 })]
    const lock = await world.finish(slow.document.lock({ operation: 'deploy', heartbeat: false }))
    let firedAt = Number.POSITIVE_INFINITY
    lock.signal.addEventListener('abort', () => {
      firedAt = world.time.elapsed
    })
    await world.finish(fast.document.lock({ operation: 'next', waitMs: 60_000 }))
    expect(firedAt).toBeLessThan(world.time.elapsed)
  })

  it('holds for as long as the holder said', async () => {
    const { world, holder, rival } = await held()
    holder.machine.stop()
    const long = await world.finish(
      rival.document.lock({ operation: 'x', waitMs: 60_000, leaseMs: 3_600_000, heartbeat: false }),
    )
    rival.machine.stop()
    const third = await world.process()
    const began = world.time.elapsed
    const next = await world.finish(third.document.lock({ operation: 'next', waitMs: 4_000_000 }))
    expect(world.time.elapsed - began).toBeGreaterThanOrEqual(3_600_000)
    expect(next.fence).toBeGreaterThan(long.fence)
  })
})
