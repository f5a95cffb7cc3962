import { describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import type { LockRecord } from '../../src/locking/index.ts'
import { type Arena, inMemory } from './arenas.ts'
import type { Process, World } from './world.ts'

const operation = 'deploy'

/** A document with a commit, a clean release behind it, and processes that know it. */
async function settled(open: () => Promise<Arena>): Promise<{ arena: Arena; world: World; a: Process; b: Process }> {
  const arena = await open()
  const { world } = arena
  const [a, b] = [await world.process(), await world.process()]
  await world.finish(a.document.withLock({ operation }, (held) => held.commit('first')))
  return { arena, world, a, b }
}

const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

describe.each(inMemory)('breaking a lock, with $name', ({ open }) => {
  it('needs the owner id that was shown, exactly', async () => {
    const { world, a, b } = await settled(() => open())
    const held = await world.finish(a.document.lock({ operation }))
    for (const wrong of ['0'.repeat(32), held.owner.toUpperCase(), held.owner.slice(1), '']) {
      const error = await world.finish(b.document.forceUnlock(wrong)).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'Conflict' })
    }
    expect(await world.record()).toMatchObject({ held: true, owner: held.owner })
    await world.finish(held.commit('mine'))
  })

  it('does not break who took it since', async () => {
    const { world, a, b } = await settled(() => open())
    const first = await world.finish(a.document.lock({ operation }))
    await world.finish(first.release())
    const second = await world.finish(b.document.lock({ operation }))
    await expect(world.finish(a.document.forceUnlock(first.owner))).rejects.toMatchObject({ code: 'Conflict' })
    await world.time.advance(20_000)
    await world.finish(second.commit('second'))
  })

  it('of a document that was never locked, or of a lock that is released, changes nothing', async () => {
    const { world } = await open()
    const a = await world.process()
    await expect(world.finish(a.document.forceUnlock('0'.repeat(32)))).rejects.toMatchObject({ code: 'Conflict' })
    expect(await world.record()).toBeUndefined()
    const held = await world.finish(a.document.lock({ operation }))
    await world.finish(held.release())
    const before = await world.record()
    await world.finish(a.document.forceUnlock(held.owner))
    expect(await world.record()).toEqual(before)
  })

  it('resolves when its answer was lost and somebody else has taken the lock already', async () => {
    const { arena, world, a, b } = await settled(() => open())
    const held = await world.finish(a.document.lock({ operation }))
    a.machine.stop()
    arena.faults.add(arena.change('next'), { do: 'drop-answer' })
    const reading = open === inMemory[1]!.open ? { method: 'get', key: /^locks/, nth: 2 } : { method: 'read', nth: 2 }
    const readBack = world.network.faults.hold(reading)
    const breaking = b.document.forceUnlock(held.owner).then(
      () => 'broken',
      (error: unknown) => codeOf(error),
    )
    await world.finish(readBack.arrived())
    const c = await world.process()
    const next = await world.finish(c.document.lock({ operation }))
    await world.finish(readBack.releaseAll())
    expect(await world.finish(breaking)).toBe('broken')
    await world.finish(next.commit('next'))
  })

  it('breaks a holder that renews at the same moment', async () => {
    const { world, a, b } = await settled(() => open())
    const held = await world.finish(a.document.lock({ operation }))
    const reading = open === inMemory[1]!.open ? { method: 'get', key: /^locks/ } : { method: 'read' }
    world.network.faults.add(reading, { do: 'delay-answer', ms: 12_000 }) // longer than an attempt, and a renewal comes between
    const read = world.network.faults.add(reading, { do: 'delay-answer', ms: 9_000 })
    await world.finish(b.document.forceUnlock(held.owner))
    expect(read.fired).toBe(1)
    expect(await world.record()).toMatchObject({ held: false, clean: false, owner: held.owner })
    await world.time.advance(12_000)
    expect(held.signal.aborted).toBe(true)
  })
})

describe.each(inMemory)('giving a lock up, with $name', ({ open, name }) => {
  it('a second time resolves and touches nothing, whoever holds the lock by then', async () => {
    const { world, a, b } = await settled(() => open())
    const held = await world.finish(a.document.lock({ operation }))
    await world.finish(held.release())
    const next = await world.finish(b.document.lock({ operation }))
    const [before, sent] = [await world.record(), world.network.requests.length]
    await held.release()
    await held[Symbol.asyncDispose]()
    expect(world.network.requests.length).toBe(sent)
    expect(await world.record()).toEqual(before)
    await world.finish(next.commit('next'))
  })

  it('by a former holder touches nothing of its successor', async () => {
    const { world, a, b } = await settled(() => open())
    const zombie = await world.finish(a.document.lock({ operation }))
    a.machine.stop()
    const next = await world.finish(b.document.lock({ operation, waitMs: 60_000 }))
    a.machine.resume()
    const before = await world.record()
    await world.finish(zombie.release())
    expect(await world.record()).toEqual(before)
    await world.time.advance(60_000)
    await world.finish(next.commit('next'))
  })

  it('rejects when it is not known whether it is given up, and the lease ends by itself', async () => {
    const { arena, world, a, b } = await settled(() => open())
    const held = await world.finish(a.document.lock({ operation }))
    const everything = { times: Number.POSITIVE_INFINITY }
    const rule = world.network.faults.add(everything, { do: 'drop-request' })
    const began = world.time.elapsed
    await expect(world.finish(held.release())).rejects.toMatchObject({ code: 'Unavailable' })
    expect(world.time.elapsed - began).toBeLessThanOrEqual(20_000)
    expect(held.signal.aborted).toBe(true)
    rule.remove()
    arena.faults.clear()
    const next = await world.finish(b.document.lock({ operation, waitMs: 60_000 }))
    await world.finish(next.commit('next'))
  })

  it('never rejects at the end of a block, but tells why it failed', async () => {
    const { world, a } = await settled(() => open())
    const told: unknown[] = []
    const held = await world.finish(a.document.lock({ operation, onReleaseFailed: (error) => told.push(error) }))
    world.network.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'drop-request' })
    await world.finish(held[Symbol.asyncDispose]())
    expect(told).toMatchObject([{ code: 'Unavailable' }])
  })

  // An acquisition that nobody waits for any more must not lock everybody out for half a minute.
  const late = [
    { what: 'has landed', action: { do: 'stall', when: 'after' } as const },
    { what: 'lands a second later', action: { do: 'delay-before', ms: 1_200 } as const },
    { what: 'lands seconds later', action: { do: 'delay-before', ms: 4_000 } as const },
  ]
  it.each(late)('happens in the background when an acquisition was given up and $what', async ({ action }) => {
    const { arena, world, a, b } = await settled(() => open())
    const abort = new AbortController()
    arena.faults.add(arena.change('acquire'), action)
    const acquiring = a.document.lock({ operation, signal: abort.signal }).catch((error: unknown) => codeOf(error))
    await world.time.advance(name === 'lock objects' ? 250 : 150)
    abort.abort()
    expect(await world.finish(acquiring)).toBe('Aborted')
    await world.time.advance(12_000)
    expect(arena.faults.unfired()).toEqual([])
    expect(await world.record()).toMatchObject({ held: false, clean: true } satisfies Partial<LockRecord>)
    await world.finish(b.document.withLock({ operation }, (held) => held.commit('next')))
    expect(a.machine.timers).toBe(0)
  })

  it('happens in the background too when the first try to do so fails', async () => {
    const { arena, world, a, b } = await settled(() => open())
    const abort = new AbortController()
    arena.faults.add(arena.change('acquire'), { do: 'stall', when: 'after' })
    const acquiring = a.document.lock({ operation, signal: abort.signal }).catch((error: unknown) => codeOf(error))
    await world.time.advance(name === 'lock objects' ? 250 : 150)
    arena.faults.add(arena.change('next'), { do: 'stall' })
    abort.abort()
    expect(await world.finish(acquiring)).toBe('Aborted')
    await world.time.advance(25_000)
    expect(arena.faults.unfired()).toEqual([])
    expect(await world.record()).toMatchObject({ held: false })
    await world.finish(b.document.withLock({ operation }, (held) => held.commit('next')))
  })

  it('is done by owner: who gave up does not release what it took afterwards', async () => {
    const { arena, world, a } = await settled(() => open())
    const abort = new AbortController()
    arena.faults.add(arena.change('acquire'), { do: 'drop-request' })
    arena.faults.add(arena.change('acquire'), { do: 'stall' })
    const acquiring = a.document.lock({ operation, signal: abort.signal }).catch((error: unknown) => codeOf(error))
    await world.time.advance(1_000)
    abort.abort()
    expect(await world.finish(acquiring)).toBe('Aborted')
    const held: LockedDocument<string> = await world.finish(a.document.lock({ operation }))
    await world.time.advance(120_000)
    expect(held.signal.aborted).toBe(false)
    await world.finish(held.commit('mine'))
  })
})
