import { expect } from 'vitest'
import type { LockedDocument } from '../../src/index.ts'
import type { LockRecord } from '../../src/locking/index.ts'
import type { FaultAction, Hold } from '../../src/testing/index.ts'
import type { Arena, ArenaKind, Change } from './arenas.ts'
import type { Process } from './world.ts'

const operation = 'deploy'

/** What can happen to one message. */
interface Trouble {
  readonly name: string
  /** Needs messages that can take time, or be lost without a word. */
  readonly silent?: true
  readonly action: (arena: Arena) => FaultAction | 'copy'
}

const TROUBLES: readonly Trouble[] = [
  { name: 'the request is lost', action: () => ({ do: 'drop-request' }) },
  { name: 'the request is lost in silence', silent: true, action: () => ({ do: 'stall' }) },
  { name: 'the answer is lost', action: () => ({ do: 'drop-answer' }) },
  { name: 'the answer is lost in silence', silent: true, action: () => ({ do: 'stall', when: 'after' }) },
  { name: 'the request comes late', silent: true, action: () => ({ do: 'delay-before', ms: 10_500 }) },
  { name: 'the answer comes late', silent: true, action: () => ({ do: 'delay-answer', ms: 10_500 }) },
  { name: 'it is doubled, and the first answer arrives', action: () => ({ do: 'double' }) },
  { name: 'it is doubled, and the second answer arrives', action: () => ({ do: 'double', answer: 'second' }) },
  { name: 'a copy of it comes when somebody else holds the lock', action: () => 'copy' },
  { name: 'the service is busy', action: ({ busy }) => ({ do: 'status', ...busy }) },
  { name: 'the service fails before it did anything', action: ({ broken }) => ({ do: 'status', ...broken }) },
  { name: 'the service fails after it did it', action: ({ broken }) => ({ do: 'status', ...broken, when: 'after' }) },
]

/** One life of a lock, with trouble in one of its messages. */
class Trial {
  readonly arena: Arena
  readonly holder: Process
  readonly rival: Process
  #copies: Hold | undefined
  readonly #trouble: Trouble

  constructor(arena: Arena, holder: Process, rival: Process, trouble: Trouble) {
    this.arena = arena
    this.holder = holder
    this.rival = rival
    this.#trouble = trouble
  }

  async finish<T>(work: Promise<T>): Promise<T> {
    return await this.arena.world.finish(work)
  }

  async pass(ms: number): Promise<void> {
    await this.arena.world.time.advance(ms)
  }

  meet(which: Change): void {
    const action = this.#trouble.action(this.arena)
    // The second copy is made before the service: on its wire, those behind would wait for it.
    if (action === 'copy')
      this.#copies = this.arena.world.network.faults.hold(this.arena.change(which), { when: 'copy' })
    else this.arena.faults.add(this.arena.change(which), action)
  }

  /** Lets what is still on its way arrive. */
  async late(): Promise<void> {
    if (this.#copies !== undefined) await this.finish(this.#copies.releaseAll())
    await this.pass(20_000)
  }

  record(): Promise<LockRecord | undefined> {
    return this.arena.world.record()
  }

  /** `held` is what the store says too: it keeps everybody else out, outlives its lease, and commits. */
  async isHeldBy(held: LockedDocument<string>): Promise<void> {
    expect(await this.record()).toMatchObject({ held: true, owner: held.owner, fence: held.fence })
    const { document } = this.rival
    for (let seconds = 0; seconds < 60; seconds += 4) {
      await expect(this.finish(document.lock({ operation }))).rejects.toMatchObject({
        code: 'Locked',
        details: { owner: held.owner },
      })
      await this.pass(4_000)
      expect(held.signal.aborted).toBe(false)
    }
    await this.finish(held.commit(`by ${held.fence}`))
  }

  /** Anybody can take it at once, and nothing that is still on its way harms who did. */
  async isFree(clean: boolean): Promise<void> {
    expect(await this.record()).toMatchObject({ held: false, clean })
    const held = await this.finish(this.rival.document.lock({ operation }))
    await this.late()
    await this.isStillHeldBy(held)
    await this.finish(held.release())
    await this.late()
    const third = await this.arena.world.process()
    await this.finish(third.document.withLock({ operation }, (last) => last.commit('last')))
    expect(await this.record()).toMatchObject({ held: false, clean: true })
    expect([...this.arena.faults.unfired(), ...this.arena.world.network.faults.unfired()]).toEqual([])
  }

  async isStillHeldBy(held: LockedDocument<string>): Promise<void> {
    await this.pass(40_000)
    expect(held.signal.aborted).toBe(false)
    expect(await this.record()).toMatchObject({ held: true, owner: held.owner })
    await this.finish(held.commit('rival'))
  }
}

/** Each thing that changes a lock record, done in trouble. */
const OPERATIONS: Readonly<Record<string, (trial: Trial) => Promise<void>>> = {
  async acquire(trial) {
    await trial.finish(trial.holder.document.withLock({ operation }, (held) => held.commit('first')))
    trial.meet('acquire')
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    await trial.isHeldBy(held)
    await trial.finish(held.release())
    await trial.isFree(true)
  },

  async 'the first acquisition ever'(trial) {
    trial.meet('acquire')
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    await trial.isHeldBy(held)
    await trial.finish(held.release())
    await trial.isFree(true)
  },

  async 'proof of ownership'(trial) {
    trial.meet('proof')
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    await trial.isHeldBy(held)
    await trial.finish(held.release())
    await trial.isFree(true)
  },

  async renewal(trial) {
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    trial.meet('next')
    await trial.isHeldBy(held)
    await trial.finish(held.release())
    await trial.isFree(true)
  },

  async release(trial) {
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    await trial.finish(held.commit('mine'))
    trial.meet('next')
    await trial.finish(held.release())
    expect(held.signal.aborted).toBe(true)
    await trial.isFree(true)
  },

  async 'force-unlock'(trial) {
    const held = await trial.finish(trial.holder.document.lock({ operation }))
    await trial.finish(held.commit('mine'))
    trial.meet('next')
    await trial.finish(trial.rival.document.forceUnlock(held.owner))
    expect(await trial.record()).toMatchObject({ held: false, clean: false, fence: held.fence + 1n, owner: held.owner })
    const committing = trial.finish(held.commit('zombie')).catch((error: unknown) => error)
    await trial.pass(12_000)
    expect(held.signal.aborted).toBe(true)
    expect(held.signal.reason).toMatchObject({ code: 'LeaseLost' })
    await committing // nobody holds the lock yet, and nobody's work is overwritten
    await expect(trial.finish(held.commit('zombie'))).rejects.toMatchObject({ code: 'LeaseLost' })
    await trial.finish(held.release())
    await trial.isFree(false)
  },
}

/** Every operation against every trouble that this kind of place can have, each in a world of its own. */
export function troubledLives(kind: ArenaKind): readonly { name: string; live(): Promise<void> }[] {
  const possible = TROUBLES.filter(({ silent }) => kind.silence || !silent)
  return Object.entries(OPERATIONS).flatMap(([operation, act]) =>
    possible.map((trouble) => ({
      name: `${operation} comes to the right end when ${trouble.name}`,
      async live() {
        const arena = await kind.open()
        try {
          const [holder, rival] = [await arena.world.process(), await arena.world.process()]
          await act(new Trial(arena, holder, rival, trouble))
        } finally {
          arena.faults.clear()
          await arena.close()
        }
      },
    })),
  )
}
