import { describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import { inMemory } from './arenas.ts'
import { LEASE_MS, MARGIN_MS, type Process, type World } from './world.ts'

const ROUND_TRIP_MS = 100

describe.each(inMemory)('waiting for a lock, with $name', (kind) => {
  const requestsToTake = kind.name === 'lock objects' ? 2 : 1

  async function twoProcesses(seed = 1): Promise<{ world: World; holder: Process; waiter: Process }> {
    const { world } = await kind.open({}, seed)
    const [holder, waiter] = [await world.process(), await world.process()]
    await world.finish(holder.document.withLock({ operation: 'first' }, (held) => held.commit('first')))
    return { world, holder, waiter }
  }

  /** Requests of one process to the lock's record since `from`. */
  const polls = (world: World, process: Process, from: number) =>
    world.network.requests.filter(
      ({ machine, key, sentAt }) => machine === process.machine && !key.startsWith('heads/') && sentAt >= from,
    )

  it('does not wait unless told to, and says who holds it, since when, for what, and how to break it', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(
      holder.document.lock({ operation: 'deploy', reason: 'hotfix\u202e 7', run: 'https://ci/7' }),
    )
    const since = world.time.elapsed
    const error = await world.finish(waiter.document.lock({ operation: 'other' })).catch((thrown: unknown) => thrown)
    expect(world.time.elapsed - since).toBe(ROUND_TRIP_MS)
    if (!KeelstateError.is(error, 'Locked')) throw new Error(String(error))
    const { holder: who, since: at, owner, operation } = error.details
    expect({ owner, operation }).toEqual({ owner: held.owner, operation: 'deploy' })
    expect(error.retry).toBe('safe')
    expect(error.message).toContain(`shop/prod is locked by ${who} since ${at} (deploy, hotfix\\u202e 7)`)
    expect(error.hint).toContain('a dead holder is replaced after 35 s')
    expect(error.hint).toContain(`keelstate unlock shop/prod --owner ${held.owner}`)
    expect(await world.finish(waiter.document.holder())).toMatchObject({
      owner: held.owner,
      held: true,
      operation: 'deploy',
      run: 'https://ci/7',
      leaseMs: LEASE_MS,
      fence: held.fence,
    })
  })

  it('takes a released lock within a second and a round trip, and asks at most once a second', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const { world, holder, waiter } = await twoProcesses(seed)
      const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
      const began = world.time.elapsed
      const waiting = waiter.document.lock({ operation: 'next', waitMs: 300_000 })
      await world.time.advance(20_000 + world.time.random() * 20_000)
      await world.finish(held.commit('second'))
      const releasing = held.release()
      await world.time.advance(ROUND_TRIP_MS / 2) // the release has reached the store
      const releasedAt = world.time.elapsed
      const next = await world.finish(waiting)
      await releasing
      const taken = polls(world, waiter, began).at(-1)!.sentAt + ROUND_TRIP_MS / 2
      expect(taken - releasedAt).toBeLessThanOrEqual(1_000 + requestsToTake * ROUND_TRIP_MS)
      const sent = polls(world, waiter, began).map(({ sentAt }) => sentAt)
      const waited = sent.slice(1, sent.length - (requestsToTake - 1)) // the first wait is jittered
      for (const [n, at] of waited.slice(1).entries()) expect(at - waited[n]!).toBeGreaterThanOrEqual(1_000)
      expect(next.current?.value).toBe('second')
      await world.finish(next.release())
    }
  })

  it('spreads the first questions of waiters that come together', async () => {
    const { world, holder } = await twoProcesses()
    await world.finish(holder.document.lock({ operation: 'deploy' }))
    const waiters = await Promise.all(Array.from({ length: 8 }, () => world.process()))
    const began = world.time.elapsed
    for (const { document } of waiters) void document.lock({ operation: 'next', waitMs: 60_000 }).catch(() => {})
    await world.time.advance(1_200)
    const second = waiters.map((waiter) => polls(world, waiter, began)[1]!.sentAt)
    expect(new Set(second).size).toBe(8)
    expect(Math.max(...second) - Math.min(...second)).toBeGreaterThan(300)
  })

  it('replaces a dead holder within 35 s and a second, whenever the waiter comes', async () => {
    for (const afterMs of [0, 4_000, 9_999, 25_000, 300_000]) {
      const { world, holder, waiter } = await twoProcesses()
      const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
      await world.finish(held.commit('second'))
      holder.machine.stop()
      await world.time.advance(afterMs)
      const began = world.time.elapsed
      const next = await world.finish(waiter.document.lock({ operation: 'next', waitMs: 60_000 }))
      const took = world.time.elapsed - began
      expect(took).toBeGreaterThanOrEqual(LEASE_MS + MARGIN_MS)
      expect(took).toBeLessThanOrEqual(LEASE_MS + MARGIN_MS + 10 * ROUND_TRIP_MS) // the answers, and claiming the head
      expect(next.current?.value).toBe('second')
      expect(next.fence).toBeGreaterThan(held.fence)
    }
  })

  it('never replaces a holder that renews, however long one waits', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const began = world.time.elapsed
    await expect(world.finish(waiter.document.lock({ operation: 'next', waitMs: 600_000 }))).rejects.toMatchObject({
      code: 'Locked',
    })
    expect(world.time.elapsed - began).toBeGreaterThanOrEqual(600_000)
    expect(world.time.elapsed - began).toBeLessThanOrEqual(601_000)
    expect(held.signal.aborted).toBe(false)
    await world.finish(held.commit('after ten minutes'))
  })

  it('takes a lock after waiting longer than any operation may take', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const waiting = waiter.document.lock({ operation: 'next', waitMs: 600_000 })
    await world.time.advance(300_000)
    await world.finish(held.commit('second'))
    await world.finish(held.release())
    const next = await world.finish(waiting)
    expect(next.current?.value).toBe('second')
    await world.finish(next.commit('third'))
  })

  it('reads the document when its turn comes, not as it was when the wait began', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const third = await world.process()
    const waiting = waiter.document.lock({ operation: 'next', waitMs: 60_000 })
    await world.time.advance(5_000)
    await world.finish(third.document.commit('without a lock', { parent: 'any' })) // nothing in the lock record tells of it
    await world.finish(held.release())
    const next = await world.finish(waiting)
    expect(next.current?.value).toBe('without a lock')
    await world.finish(next.commit('third'))
  })

  it('tells who is waited for, at first and whenever that changes', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const third = await world.process()
    const told: string[] = []
    const first = await world.finish(holder.document.lock({ operation: 'one' }))
    const waiting = waiter.document.lock({
      operation: 'patient',
      waitMs: 300_000,
      onWaiting: ({ operation, owner }) => told.push(`${operation} ${owner}`),
    })
    await world.time.advance(5_000)
    await world.finish(first.release())
    const second: LockedDocument<string> = await world.finish(third.document.lock({ operation: 'two' }))
    await world.time.advance(10_000)
    await world.finish(second.release())
    await world.finish(waiting)
    expect(told).toEqual([`one ${first.owner}`, `two ${second.owner}`])
  })

  it('ends with Locked when waitMs is over, and names the holder of then', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const began = world.time.elapsed
    const error = world.finish(waiter.document.lock({ operation: 'next', waitMs: 7_300 }))
    await expect(error).rejects.toMatchObject({ code: 'Locked', details: { owner: held.owner } })
    expect(world.time.elapsed - began).toBeGreaterThanOrEqual(7_300)
    expect(world.time.elapsed - began).toBeLessThanOrEqual(7_300 + ROUND_TRIP_MS)
  })

  it('stops when its signal fires, at once, still saying who was waited for, and leaves nothing behind', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const abort = new AbortController()
    const waiting = waiter.document
      .lock({ operation: 'next', waitMs: 300_000, signal: abort.signal })
      .catch((error) => error)
    await world.time.advance(12_345)
    const began = world.time.elapsed
    abort.abort(new Error('enough'))
    const error = await world.finish(waiting)
    expect(error).toMatchObject({ code: 'Aborted' })
    expect(error.message).toContain('is locked by')
    expect(error.hint).toContain(held.owner)
    expect(world.time.elapsed - began).toBe(0)
    const sent = world.network.requests.length
    await world.time.advance(3_000)
    expect(polls(world, waiter, began)).toEqual([])
    expect(world.network.requests.length - sent).toBeLessThanOrEqual(2) // the holder's heartbeat
    expect(waiter.machine.timers).toBe(0)
  })

  it('says who was waited for when its signal fires while it asks again, too', async () => {
    const { world, holder, waiter } = await twoProcesses()
    const held = await world.finish(holder.document.lock({ operation: 'deploy' }))
    const began = world.time.elapsed
    const abort = new AbortController()
    const waiting = waiter.document
      .lock({ operation: 'next', waitMs: 300_000, signal: abort.signal })
      .catch((error) => error)
    const asked = () => polls(world, waiter, began).length
    while (asked() <= requestsToTake) await world.time.advance(10)
    abort.abort(new Error('enough')) // its second question is under way
    const error = await world.finish(waiting)
    expect(error).toMatchObject({ code: 'Aborted' })
    expect(error.message).toContain('is locked by')
    expect(error.hint).toContain(held.owner)
    await world.finish(held.commit('second'))
  })

  it('makes no request when its signal has fired before it began', async () => {
    const { world, waiter } = await twoProcesses()
    const before = world.network.requests.length
    const signal = AbortSignal.abort()
    await expect(world.finish(waiter.document.lock({ operation: 'x', signal }))).rejects.toMatchObject({
      code: 'Aborted',
    })
    expect(world.network.requests.length).toBe(before)
  })

  it('says Locked at once when the documents’ own store does not answer', async () => {
    const { world, holder, waiter } = await twoProcesses()
    await world.finish(holder.document.lock({ operation: 'deploy' }))
    world.network.faults.add({ method: 'get', key: 'heads/*', times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    const began = world.time.elapsed
    await expect(world.finish(waiter.document.lock({ operation: 'next' }))).rejects.toMatchObject({ code: 'Locked' })
    expect(world.time.elapsed - began).toBe(ROUND_TRIP_MS)
    await world.time.advance(0)
    expect(waiter.machine.timers).toBe(0)
  })

  it('refuses what makes no sense, before anything is sent', async () => {
    const { world, waiter } = await twoProcesses()
    const before = world.network.requests.length
    const wrong = [
      { operation: '' },
      { operation: 'x'.repeat(257) },
      { operation: 'x', leaseMs: 999 },
      { operation: 'x', leaseMs: 1_500.5 },
      { operation: 'x', leaseMs: 86_400_001 },
      { operation: 'x', waitMs: -1 },
      { operation: 'x', waitMs: Number.NaN },
      { operation: 'x', reason: 'x'.repeat(257) },
    ]
    for (const options of wrong)
      await expect(waiter.document.lock(options)).rejects.toMatchObject({ code: 'InvalidOptions' })
    expect(world.network.requests.length).toBe(before)
  })
})
