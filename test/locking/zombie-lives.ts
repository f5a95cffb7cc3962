import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/index.ts'
import type { ArenaKind } from './arenas.ts'
import type { Process, World } from './world.ts'

const operation = 'deploy'
const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

/** A way in which a holder goes on without its lock. `revive` lets it do so. */
interface Fall {
  readonly name: string
  fall(world: World, zombie: Process, rival: Process, owner: string): Promise<void>
  revive(zombie: Process): void
}

const FALLS: readonly Fall[] = [
  {
    name: 'was stopped for longer than its lease',
    fall: async (_, zombie) => zombie.machine.stop(),
    revive: (zombie) => zombie.machine.resume(),
  },
  {
    name: 'slept, with a monotonic clock that stood still',
    fall: async (_, zombie) => zombie.machine.stop({ monotonic: true }),
    revive: (zombie) => zombie.machine.resume(),
  },
  {
    name: 'was frozen with both its clocks, and does not know that time has passed',
    fall: async (_, zombie) => zombie.machine.stop({ monotonic: true, wall: true }),
    revive: (zombie) => zombie.machine.resume(),
  },
  {
    name: 'was broken by force, and has not noticed',
    fall: (world, _, rival, owner) => world.finish(rival.document.forceUnlock(owner)),
    revive: () => {},
  },
]

/** What the zombie was doing. */
interface Moment {
  readonly name: string
  /** Begins its work, held back on the way to the store; resolves to how it ends, and lets it through. */
  readonly inFlight: boolean
}

const MOMENTS: readonly Moment[] = [
  { name: 'between two commits', inFlight: false },
  { name: 'with a commit on its way', inFlight: true },
]

/** Every fall at every moment, each in a world of its own. */
export function zombieLives(kind: ArenaKind): void {
  describe.each(FALLS)('a holder that $name', (how) => {
    it.each(MOMENTS)('$name, commits nothing after its successor started', async ({ inFlight }) => {
      const arena = await kind.open()
      try {
        const { world } = arena
        const [a, b] = [await world.process(), await world.process()]
        await world.finish(a.document.withLock({ operation }, (held) => held.commit('first')))
        const zombie = await world.finish(a.document.lock({ operation }))
        await world.finish(zombie.commit('second'))
        const late = inFlight ? world.network.faults.hold({ method: 'put', key: /^heads/ }) : undefined
        const committing = late && zombie.commit('in flight', { parent: 'any' }).then(() => 'landed', codeOf)
        if (late !== undefined) await world.finish(late.arrived())

        await how.fall(world, a, b, zombie.owner)
        const next = await world.finish(b.document.lock({ operation, waitMs: 60_000 }))
        expect(next.current?.value).toBe('second')
        const started = (await world.head())!
        expect(started.epoch).toBe(next.fence)

        how.revive(a)
        await world.time.advance(late === undefined ? 0 : 1)
        if (late !== undefined) await world.finish(late.releaseAll())
        expect(await world.finish(committing ?? Promise.resolve('LeaseLost'))).not.toBe('landed')
        for (const write of [
          () => zombie.commit('undead', { parent: 'any' }),
          () => zombie.label('undead', 'current'),
          () => zombie.rollback('current~1'),
          () => zombie.delete(),
        ])
          expect(await world.finish(write().then(() => 'landed', codeOf))).toBe('LeaseLost')
        expect((await world.head())!.seq).toBe(started.seq)

        const before = await world.record()
        await world.finish(zombie.release())
        expect(await world.record()).toMatchObject({ held: true, owner: before!.owner, fence: before!.fence })
        await world.finish(next.commit('third'))
        await world.time.advance(60_000)
        await world.finish(next.commit('fourth'))
        await world.finish(next.release())
        expect(zombie.signal.aborted).toBe(true)
        expect((await world.finish(b.document.read()))?.value).toBe('fourth')
        const report = await world.finish(b.document.verify())
        expect(report.problems).toEqual([])
      } finally {
        await arena.close()
      }
    })
  })
}
