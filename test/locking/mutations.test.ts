import assert from 'node:assert/strict'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'
import * as mutants from './mutants.ts'
import { HEAD, KEY, LEASE_MS, type Process, World } from './world.ts'

const operation = 'deploy'
const headWrites = { method: 'put', key: HEAD }
const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

/** Processes that all run the same version of the lock, right or wrong. */
class Stage {
  readonly table: MemoryLockTable = new MemoryLockTable()
  readonly world: World
  readonly #mutant: mutants.Mutant

  constructor(mutant: mutants.Mutant) {
    this.#mutant = mutant
    const locks = memoryLockStore(this.table)
    this.world = new World({ objects: memoryStore(), locks: mutant.store?.(locks, this.table) ?? locks })
  }

  process(): Promise<Process> {
    const { lease } = this.#mutant
    return this.world.process(lease === undefined ? {} : { locks: lease })
  }

  /** A document that was locked, written and released; by the right version, so that all begin alike. */
  async document(): Promise<void> {
    const a = await this.world.process()
    await this.world.finish(a.document.withLock({ operation }, (held) => held.commit('first')))
  }

  /** Lets a process stand still, its clocks too: it will not know. */
  freeze({ machine }: Process): void {
    machine.stop({ monotonic: true, wall: true })
  }
}

/** An interleaving, from a document that was released cleanly, in which one rule matters. Rejects, with `fails` in the message, when it is broken. */
interface Play {
  readonly rule: string
  readonly mutant: mutants.Mutant
  readonly fails: RegExp
  run(stage: Stage): Promise<void>
}

/** Nobody but the holder has changed the document since it started. */
async function assertNoForeignCommit({ world }: Stage, work: () => Promise<unknown>): Promise<void> {
  const { seq } = (await world.head())!
  await work()
  assert.equal((await world.head())!.seq, seq, 'a former holder committed after its successor started')
}

/** A holder sleeps through its lease, and writes after somebody else has taken the lock. */
async function sleeperIsFollowed(stage: Stage): Promise<void> {
  const { world } = stage
  const [z, s] = [await stage.process(), await stage.process()]
  const zombie = await world.finish(z.document.lock({ operation }))
  stage.freeze(z)
  const next = await world.finish(s.document.lock({ operation, waitMs: 60_000 }))
  z.machine.resume()
  await assertNoForeignCommit(stage, () => world.finish(zombie.commit('undead', { parent: 'any' })).catch(codeOf))
  await world.finish(next.commit('second'))
}

const PLAYS: readonly Play[] = [
  {
    rule: 'no bump',
    mutant: mutants.noBump,
    fails: /a former holder committed/,
    run: sleeperIsFollowed,
  },
  {
    rule: 'bump without proof',
    mutant: mutants.bumpWithoutProof,
    fails: /took the lock although somebody else holds it/,
    async run(stage) {
      const { world } = stage
      const [s, t] = [await stage.process(), await stage.process()]
      stage.table.remove(KEY) // fences begin anew: it is the proof that says who is later
      const reading = world.network.faults.hold({ method: 'get', key: HEAD }, { when: 'after' })
      const late = s.document.lock({ operation, heartbeat: false }).then(() => 'took', codeOf)
      await world.finish(reading.arrived())
      await world.time.advance(200)
      stage.freeze(s) // it has the lock and a head, and sleeps through its lease
      const next = await world.finish(t.document.lock({ operation, waitMs: 60_000 }))
      s.machine.resume()
      await world.finish(reading.releaseAll())
      const ended = await world.finish(late)
      assert.notEqual(ended, 'took', 'a holder took the lock although somebody else holds it')
      await world.finish(next.commit('second'))
    },
  },
  {
    rule: 'always clean',
    mutant: mutants.alwaysClean,
    fails: /a former holder committed/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      const held = await world.finish(a.document.lock({ operation }))
      const late = world.network.faults.hold(headWrites)
      const blind = world.network.faults.add(
        { method: 'get', key: HEAD, times: Number.POSITIVE_INFINITY },
        { do: 'drop-request' },
      )
      assert.equal(await world.finish(held.commit('perhaps').catch(codeOf)), 'OutcomeUnknown')
      blind.remove()
      await world.finish(held.release())
      const next = await world.finish(b.document.lock({ operation }))
      await assertNoForeignCommit(stage, () => world.finish(late.releaseAll()))
      await world.finish(next.commit('second'))
    },
  },
  {
    rule: 'idle holder releases clean without having bumped',
    mutant: mutants.noBump,
    fails: /a former holder committed/,
    async run(stage) {
      const { world } = stage
      // Only the idle one runs the wrong version.
      const [z, idle, s] = [await world.process(), await stage.process(), await world.process()]
      const zombie = await world.finish(z.document.lock({ operation }))
      stage.freeze(z)
      const nothing = await world.finish(idle.document.lock({ operation, waitMs: 60_000 }))
      await world.finish(nothing.release())
      const next = await world.finish(s.document.lock({ operation }))
      z.machine.resume()
      await assertNoForeignCommit(stage, () => world.finish(zombie.commit('undead', { parent: 'any' })).catch(codeOf))
      await world.finish(next.commit('second'))
    },
  },
  {
    rule: 'acquire keeps clean',
    mutant: mutants.acquireKeepsClean,
    fails: /a former holder committed/,
    run: sleeperIsFollowed,
  },
  {
    rule: 'early read trusted',
    mutant: mutants.earlyReadTrusted,
    fails: /started from an old state/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      const held = await world.finish(a.document.lock({ operation }))
      const taking = world.network.faults.hold({ method: 'acquire' })
      const locking = b.document.lock({ operation })
      await world.finish(taking.arrived())
      await world.time.advance(200) // the read beside it is answered
      await world.finish(held.commit('second'))
      await world.finish(held.release())
      await world.finish(taking.releaseAll())
      const next = await world.finish(locking)
      assert.equal(next.current?.value, 'second', 'a holder started from an old state')
    },
  },
  {
    rule: 'take-over without the token',
    mutant: mutants.takeOverWithoutToken,
    fails: /took the lock of a live holder/,
    async run(stage) {
      const { world } = stage
      const [z, first, second] = [await stage.process(), await stage.process(), await stage.process()]
      await world.finish(z.document.lock({ operation }))
      stage.freeze(z)
      const winner = first.document.lock({ operation, waitMs: 60_000 })
      await world.time.advance(50)
      const loser = second.document.lock({ operation, waitMs: 120_000 }).then(() => 'took', codeOf) // both have seen it dead
      const held = await world.finish(winner).catch(() => undefined)
      await world.time.advance(60_000)
      assert.ok(held !== undefined && !held.signal.aborted, 'a waiter took the lock of a live holder')
      await world.finish(held.commit('second'))
      assert.equal(await world.finish(loser), 'Locked')
    },
  },
  {
    rule: 'lease counted from the last attempt',
    mutant: mutants.leaseFromLastAttempt,
    fails: /two holders at once/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      // Lands after it was looked for, and before the next attempt, which learns of it.
      world.network.faults.add({ method: 'acquire' }, { do: 'delay-before', ms: 10_100 })
      world.network.faults.add({ method: 'read' }, { do: 'delay-answer', ms: 9_000 })
      const locking = a.document.lock({ operation, heartbeat: false })
      await world.time.advance(10_200)
      assert.equal(stage.table.peek(KEY)?.held, true)
      const waiting = b.document.lock({ operation, waitMs: 120_000 })
      const held = await world.finish(locking)
      await world.finish(waiting)
      assert.ok(held.signal.aborted, 'there are two holders at once')
      assert.deepEqual(world.network.faults.unfired(), [])
    },
  },
  {
    rule: 'renewal by owner only',
    mutant: mutants.renewalByOwnerOnly,
    fails: /nobody holds the lock, and nobody can take it/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      const held = await world.finish(a.document.lock({ operation }))
      const late = world.network.faults.hold({ method: 'write' }, { when: 'copy' })
      await world.time.advance(11_000) // renewed, and a copy is still on its way
      await world.finish(held.release())
      await world.finish(late.releaseAll())
      const ended = await world.finish(b.document.lock({ operation }).then(() => 'took', codeOf))
      assert.equal(ended, 'took', 'nobody holds the lock, and nobody can take it')
    },
  },
  {
    rule: 'renewal by owner only, after a forced release',
    mutant: mutants.renewalByOwnerOnly,
    fails: /a broken holder goes on/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      const held = await world.finish(a.document.lock({ operation }))
      await world.finish(b.document.forceUnlock(held.owner))
      await world.time.advance(LEASE_MS)
      assert.ok(held.signal.aborted, 'a broken holder goes on')
    },
  },
  {
    rule: 'lost record treated as clean',
    mutant: mutants.lostRecordIsClean,
    fails: /a former holder committed/,
    async run(stage) {
      const { world } = stage
      const [a, b] = [await stage.process(), await stage.process()]
      const held = await world.finish(a.document.lock({ operation }))
      stage.table.remove(KEY)
      const next = await world.finish(b.document.lock({ operation }))
      await assertNoForeignCommit(stage, () => world.finish(held.commit('undead', { parent: 'any' })).catch(codeOf))
      await world.finish(next.commit('second'))
    },
  },
  {
    rule: 'lost record treated as LeaseLost',
    mutant: mutants.lostRecordIsLeaseLost,
    fails: /nobody can ever take the lock again/,
    async run(stage) {
      const { world } = stage
      const a = await stage.process()
      await world.finish(a.document.withLock({ operation }, (held) => held.commit('second')))
      stage.table.remove(KEY)
      for (let n = 0; n < 3; n++) {
        const ended = await world.finish(
          a.document.withLock({ operation }, (held) => held.commit(`${n}`)).then(() => 'took', codeOf),
        )
        assert.equal(ended, 'took', 'nobody can ever take the lock again')
      }
    },
  },
]

async function play(mutant: mutants.Mutant, run: Play['run']): Promise<void> {
  const stage = new Stage(mutant)
  await stage.document()
  await run(stage)
}

describe('each rule of the lock is needed', () => {
  it.each(PLAYS)('$rule: the lock survives what breaks a version without the rule', async ({ run }) => {
    await play({}, run)
  })

  it.each(PLAYS)('$rule: a version without the rule fails it', async ({ mutant, fails, run }) => {
    await expect(play(mutant, run)).rejects.toThrow(fails)
  })
})
