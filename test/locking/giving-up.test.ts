import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument, type LockOptions } from '../../src/index.ts'
import { type Arena, inMemory } from './arenas.ts'
import type { Process, World } from './world.ts'

// Nobody is kept waiting by a lock store that does not answer, nor by one that answers somebody else.

const operation = 'deploy'
const TO_LOCKS = { key: /^(?:state|locks)\// } // every message to the lock store, and none to the documents
const FOREVER = { ...TO_LOCKS, times: Number.POSITIVE_INFINITY }
const RELEASE_MS = 10_000
const ATTEMPT_MS = 3_400 // one of a release
const SETTLE_MS = 5_000
const ROUND_TRIPS_MS = 500

const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

interface Held {
  readonly arena: Arena
  readonly world: World
  readonly a: Process
  readonly b: Process
  readonly lock: LockedDocument<string>
}

/** A lock that is held after a clean predecessor. */
async function held(open: () => Promise<Arena>, options: Partial<LockOptions> = {}): Promise<Held> {
  const arena = await open()
  const { world } = arena
  const [a, b] = [await world.process(), await world.process()]
  await world.finish(a.document.withLock({ operation }, (first) => first.commit('first')))
  const lock = await world.finish(a.document.lock({ operation, ...options }))
  return { arena, world, a, b, lock }
}

/** How long `work` takes, and how it ends. */
async function timed(world: World, work: Promise<unknown>): Promise<{ ms: number; end: unknown }> {
  const began = world.time.elapsed
  const end = await world.finish(work.catch(codeOf))
  return { ms: world.time.elapsed - began, end }
}

describe.each(inMemory)('a release, with $name', ({ open }) => {
  const stalls = [
    { what: 'was lost in silence', action: { do: 'stall' } as const },
    { what: 'was executed and its answer lost', action: { do: 'stall', when: 'after' } as const },
    { what: 'is executed after the release', action: { do: 'delay-before', ms: 8_000 } as const },
  ]
  it.each(stalls)('waits no longer than for one attempt behind a heartbeat that $what', async ({ action }) => {
    const { arena, world, b, lock } = await held(() => open(), { leaseMs: 600_000 })
    await world.time.advance(199_000)
    arena.faults.add(arena.change('next'), action)
    await world.time.advance(2_000)
    const { ms, end } = await timed(world, lock.release())
    expect(end).toBe(true)
    expect(ms).toBeGreaterThan(1_000) // it was under way, and might have been answered yet
    expect(ms).toBeLessThanOrEqual(ATTEMPT_MS + ROUND_TRIPS_MS)
    expect(await world.record()).toMatchObject({ held: false, clean: true })
    const next = await world.finish(b.document.lock({ operation }))
    await world.time.advance(30_000)
    expect(arena.faults.unfired()).toEqual([])
    expect(next.signal.aborted).toBe(false)
    expect(await world.record()).toMatchObject({ held: true, owner: next.owner })
    await world.finish(next.commit('next'))
  })

  it('waits for a heartbeat that is answered soon, and costs one request then', async () => {
    const { world, lock } = await held(() => open())
    await world.time.advance(9_980)
    const before = world.network.requests.length
    expect(await world.finish(lock.release())).toBe(true)
    expect(world.network.requests.length - before).toBeLessThanOrEqual(2)
    expect(await world.record()).toMatchObject({ held: false, clean: true })
  })

  it('takes 10 s at most when the lock store does not answer, however long the lease and whatever is under way', async () => {
    const { world, a, lock } = await held(() => open(), { leaseMs: 3_600_000 })
    await world.time.advance(1_199_000)
    const silence = world.network.faults.add(FOREVER, { do: 'stall' })
    await world.time.advance(2_000)
    const { ms, end } = await timed(world, lock.release())
    expect(end).toBe('Unavailable')
    expect(ms).toBeLessThanOrEqual(RELEASE_MS + SETTLE_MS)
    await world.time.advance(SETTLE_MS)
    expect(a.machine.timers).toBe(0)
    silence.remove()
    // It would end with its lease, in an hour; whoever knows the owner id need not wait for that.
    await world.finish(a.document.forceUnlock(lock.owner))
    await world.finish(a.document.withLock({ operation }, (next) => next.commit('next')))
  })

  it('settles within 5 s after its signal fired, and sends nothing when it had fired before', async () => {
    const { world, lock } = await held(() => open())
    const silence = world.network.faults.add(FOREVER, { do: 'stall' })
    const abort = new AbortController()
    world.time.world.timer(1_000, () => abort.abort())
    const { ms, end } = await timed(world, lock.release({ signal: abort.signal }))
    expect(end).toBe('Unavailable')
    expect(ms).toBeLessThanOrEqual(1_000 + SETTLE_MS)
    expect(lock.signal.aborted).toBe(true)
    silence.remove()

    const other = await held(() => open())
    const before = other.world.network.requests.length
    await expect(other.world.finish(other.lock.release({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'Aborted',
      details: { notExecuted: true },
    })
    expect(other.world.network.requests.length).toBe(before)
  })

  it('is the end: no change begins after it was asked for, though its answer is not here yet', async () => {
    const { world, b, lock } = await held(() => open())
    const before = world.network.requests.length
    const releasing = lock.release()
    await expect(world.finish(lock.commit('too late'))).rejects.toMatchObject({ code: 'LeaseLost' })
    expect(await world.finish(releasing)).toBe(true)
    expect(world.network.requests.slice(before).filter(({ key }) => key.startsWith('heads'))).toEqual([])
    const next = await world.finish(b.document.lock({ operation }))
    expect(next.current?.value).toBe('first')
  })

  it('that is asked for twice at once is one, and both are told', async () => {
    const { world, lock } = await held(() => open())
    const before = world.network.requests.length
    expect(await world.finish(Promise.all([lock.release(), lock.release()]))).toEqual([true, true])
    expect(world.network.requests.length - before).toBe(1)
    expect(await lock.release()).toBe(true)
  })
})

describe.each(inMemory)('a change under a lease, with $name', ({ open }) => {
  it('is not held up by a lock store that does not answer while the lease lasts', async () => {
    const { world, lock } = await held(() => open(), { leaseMs: 3_600_000, heartbeat: false })
    await world.time.advance(3_000_000) // little is left, but ten minutes are time enough
    const silence = world.network.faults.add(FOREVER, { do: 'stall' })
    const { seq } = (await world.head())!
    const { ms } = await timed(world, lock.commit('second'))
    expect(ms).toBeLessThanOrEqual(10_000 + ROUND_TRIPS_MS)
    expect((await world.head())!.seq).toBe(seq + 1)
    silence.remove()
    await world.finish(lock.release())
  })

  it('ends when its signal fires while the lease is renewed, and nothing was written', async () => {
    const { world, lock } = await held(() => open(), { leaseMs: 3_600_000, heartbeat: false })
    await world.time.advance(3_000_000)
    const silence = world.network.faults.add(FOREVER, { do: 'stall' })
    const { seq } = (await world.head())!
    const abort = new AbortController()
    world.time.world.timer(1_000, () => abort.abort())
    const { ms, end } = await timed(world, lock.commit('second', { signal: abort.signal }))
    expect([end, Math.round(ms)]).toEqual(['Aborted', 1_000])
    expect((await world.head())!.seq).toBe(seq)
    silence.remove()
    await world.finish(lock.commit('second'))
    await world.finish(lock.release())
    expect(await world.record()).toMatchObject({ held: false, clean: true })
  })
})

describe.each(inMemory)('an acquisition that is given up, with $name', ({ open, name }) => {
  async function told(work: () => Promise<void>): Promise<unknown[]> {
    const all: unknown[] = []
    const listen = (message: unknown) => void all.push(message)
    subscribe('keelstate:release-failed', listen)
    try {
      await work()
    } finally {
      unsubscribe('keelstate:release-failed', listen)
    }
    return all
  }

  it('while it proves that it holds the lock, ends at once, and the lock is given up in the background', async () => {
    const { arena, world, a, b, lock } = await held(() => open())
    await world.finish(b.document.forceUnlock(lock.owner)) // so that the next one has to prove it
    arena.faults.add({ ...arena.change('proof') }, { do: 'stall' })
    const abort = new AbortController()
    world.time.world.timer(2_000, () => abort.abort())
    const { ms, end } = await timed(world, b.document.lock({ operation, signal: abort.signal }))
    expect([end, Math.round(ms)]).toEqual(['Aborted', 2_000])
    await world.time.advance(ATTEMPT_MS + ROUND_TRIPS_MS)
    expect(await world.record()).toMatchObject({ held: false, clean: false })
    await world.finish(lock.release())
    await world.finish(a.document.withLock({ operation }, (next) => next.commit('next')))
    await world.time.advance(SETTLE_MS)
    expect([a.machine.timers, b.machine.timers]).toEqual([0, 0])
  })

  it('is not looked for longer than 10 s or so where the lock store does not answer, and that is told', async () => {
    const { world, a, b, lock } = await held(() => open())
    await world.finish(lock.release())
    const abort = new AbortController()
    world.network.faults.add(FOREVER, { do: 'stall' })
    world.time.world.timer(500, () => abort.abort())
    const warnings = await told(async () => {
      const { ms, end } = await timed(world, b.document.lock({ operation, leaseMs: 86_400_000, signal: abort.signal }))
      expect(['Aborted', 'Unavailable']).toContain(end)
      expect(ms).toBeLessThanOrEqual(500 + SETTLE_MS + ROUND_TRIPS_MS)
      await world.time.advance(RELEASE_MS + ATTEMPT_MS)
    })
    expect(b.machine.timers).toBe(0)
    expect(a.machine.timers).toBe(0)
    expect(warnings).toMatchObject([{ name: 'shop/prod' }])
  })

  it('is looked for once when it had landed, and no longer', async () => {
    const { arena, world, b, lock } = await held(() => open())
    await world.finish(lock.release())
    const abort = new AbortController()
    arena.faults.add(arena.change('acquire'), { do: 'stall', when: 'after' })
    world.time.world.timer(name === 'lock objects' ? 250 : 150, () => abort.abort())
    const warnings = await told(async () => {
      expect(await world.finish(b.document.lock({ operation, signal: abort.signal }).catch(codeOf))).toBe('Aborted')
      await world.time.advance(ROUND_TRIPS_MS)
    })
    expect(await world.record()).toMatchObject({ held: false, clean: true })
    expect(b.machine.timers).toBe(0)
    expect(warnings).toEqual([])
  })

  it('is given up before its store is closed: nothing stays locked by who has gone', async () => {
    const { arena, world, b, lock } = await held(() => open())
    await world.finish(lock.release())
    const abort = new AbortController()
    arena.faults.add(arena.change('acquire'), { do: 'delay-before', ms: 1_200 })
    world.time.world.timer(name === 'lock objects' ? 250 : 150, () => abort.abort())
    const acquiring = b.document.lock({ operation, leaseMs: 86_400_000, signal: abort.signal }).catch(codeOf)
    expect(await world.finish(acquiring)).toBe('Aborted')
    await world.finish(b.store.close())
    expect(await world.record()).toMatchObject({ held: false, clean: true })
    expect(b.machine.timers).toBe(0)
  })
})
