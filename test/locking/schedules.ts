import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import type { VirtualMachine } from '../../src/testing/index.ts'
import type { Mutant } from './mutants.ts'
import { Witness } from './witness.ts'
import { type Process, World } from './world.ts'

const HORIZON_MS = 90_000 // how long there is trouble
const CALM_MS = 120_000 // until nothing of it is on its way any more
const LIMITS = { attemptMs: 3_000, operationMs: 20_000 }
const LEASES_MS = [1_500, 4_000, 10_000]
const TROUBLE = {
  latencyMs: [5, 250],
  requestLost: 0.05,
  answerLost: 0.06,
  late: 0.04,
  doubled: 0.05,
  lateMs: 40_000,
} as const

/** What came of one schedule. */
export interface Outcome {
  readonly wrongs: readonly string[]
  /** How often somebody was let in. */
  readonly holders: number
  readonly commits: number
}

/**
 * Runs one random schedule: processes that lock, commit, sleep, die and come back; forced releases; records that vanish; writers without a lock; over a
 * network that loses, delays and doubles messages. The seed decides everything.
 */
export async function runSchedule(seed: number, kind: 'table' | 'objects', mutant: Mutant = {}): Promise<Outcome> {
  return await new Schedule(seed, kind, mutant).run()
}

class Schedule {
  readonly #witness: Witness
  readonly #world: World
  readonly #free = new Set<VirtualMachine>()
  readonly #mutant: Mutant
  readonly #acknowledged = new Set<string>()
  readonly #sent = new Set<string>()
  readonly #dead = new Set<VirtualMachine>()
  #holders = 0
  #value = 0

  constructor(seed: number, kind: 'table' | 'objects', mutant: Mutant) {
    this.#mutant = mutant
    this.#witness = new Witness(kind, this.#free)
    const { place } = this.#witness
    const locks = place.locks && mutant.store?.(place.locks, this.#witness.table)
    this.#world = new World(locks === undefined ? place : { ...place, locks }, TROUBLE, seed)
  }

  async run(): Promise<Outcome> {
    const { time, network } = this.#world
    const processes = await Promise.all(Array.from({ length: 4 }, () => this.#process()))
    const writer = this.#chance(0.3) ? await this.#process() : undefined
    if (writer !== undefined) this.#free.add(writer.machine)
    const lives = [
      ...processes.map((process) => this.#live(process)),
      ...(writer === undefined ? [] : [this.#writeFreely(writer)]),
      this.#trouble(processes),
    ]
    await time.advance(HORIZON_MS)
    network.weather = { latencyMs: [5, 50] }
    for (const { machine } of processes) if (machine.stopped && !this.#dead.has(machine)) machine.resume()
    await time.advance(CALM_MS)
    const living = lives.filter((_, n) => !processes[n] || !this.#dead.has(processes[n].machine))
    await time
      .finish(Promise.all(living), 600_000)
      .catch(() => this.#witness.wrongs.push('somebody never came to an end'))
    if (this.#witness.wrongs.length === 0) await this.#judgeTheEnd()
    return { wrongs: this.#witness.wrongs, holders: this.#holders, commits: this.#acknowledged.size }
  }

  async #process(): Promise<Process> {
    const { lease } = this.#mutant
    return await this.#world.process({
      limits: LIMITS,
      rate: 0.97 + this.#world.time.random() * 0.06,
      reaches: (place, machine) => this.#witness.reachedBy(place, machine),
      ...(lease === undefined ? {} : { locks: lease }),
    })
  }

  /** One process: takes the lock, works, gives it up or not, again and again. */
  async #live(process: Process): Promise<void> {
    const { machine, document } = process
    while (this.#going) {
      await machine.sleep(this.#upTo(6_000))
      const abort = new AbortController()
      if (this.#chance(0.1)) void machine.sleep(this.#upTo(4_000)).then(() => abort.abort())
      const options = {
        operation: 'work',
        leaseMs: LEASES_MS[this.#below(LEASES_MS.length)]!,
        heartbeat: !this.#chance(0.2),
        waitMs: this.#upTo(30_000),
        signal: abort.signal,
      }
      const held = await document.lock(options).catch(expected)
      if (held === undefined) continue
      this.#started(held, machine)
      await this.#work(process, held)
      if (this.#chance(0.05)) {
        this.#dead.add(machine)
        machine.stop()
        return
      }
      if (this.#chance(0.1)) held.leave()
      else await held.release().catch(expected)
    }
  }

  async #work({ machine, document }: Process, held: LockedDocument<string>): Promise<void> {
    const jobs = this.#below(4)
    for (let n = 0; n < jobs; n++) {
      await machine.sleep(this.#upTo(3_000))
      const committing = this.#commit(held)
      if (this.#chance(0.1)) void committing
      else await committing
    }
    if (!this.#chance(0.1)) return
    // A child process under the same owner id; here on the same machine, with a writer of its own.
    const child = await document.lockedBy(held.owner).catch(expected)
    if (child === undefined) return
    await this.#commit(child)
    await child.release().catch(expected)
  }

  async #commit(held: LockedDocument<string>): Promise<void> {
    const value = `${++this.#value}`
    this.#sent.add(value)
    const options = this.#chance(0.3) ? ({ parent: 'any' } as const) : {}
    const done = await held.commit(value, options).catch(expected)
    if (done !== undefined) this.#acknowledged.add(value)
  }

  async #writeFreely({ machine, document }: Process): Promise<void> {
    while (this.#going) {
      await machine.sleep(this.#upTo(15_000))
      const value = `${++this.#value}`
      this.#sent.add(value)
      const done = await document.commit(value, { parent: 'any' }).catch(expected)
      if (done !== undefined) this.#acknowledged.add(value)
    }
  }

  /** What happens to them. */
  async #trouble(processes: readonly Process[]): Promise<void> {
    const { world } = this.#world.time
    while (this.#going) {
      await world.sleep(this.#upTo(8_000))
      const { machine, document } = processes[this.#below(processes.length)]!
      const kind = this.#world.time.random()
      if (kind < 0.55) {
        if (machine.stopped) continue
        const frozen = [{}, { monotonic: true }, { monotonic: true, wall: true }][this.#below(3)]!
        if (frozen.monotonic) this.#witness.dreamers.add(machine)
        machine.stop(frozen)
        void world.sleep(this.#upTo(25_000)).then(() => {
          if (machine.stopped && !this.#dead.has(machine)) machine.resume()
        })
      } else if (kind < 0.7) {
        machine.jumpWall((this.#world.time.random() - 0.5) * 60_000)
      } else if (kind < 0.92) {
        void document
          .holder()
          .then((holder) => (holder?.held ? document.forceUnlock(holder.owner) : undefined))
          .catch(expected)
      } else this.#witness.loseRecord()
    }
  }

  #started(held: LockedDocument<string>, machine: VirtualMachine): void {
    this.#holders++
    this.#witness.start(held, machine)
  }

  /** When all is calm: the lock is free for anybody, and what was acknowledged is there, once. */
  async #judgeTheEnd(): Promise<void> {
    const { time } = this.#world
    const last = await this.#process()
    const ended = await time
      .finish(last.document.lock({ operation: 'last', waitMs: 60_000 }), 600_000)
      .catch((error: unknown) => `nobody can take the lock in the end: ${String(error)}`)
    if (typeof ended === 'string') return void this.#witness.wrongs.push(ended)
    this.#started(ended, last.machine)
    await time.finish(ended.commit('last'))
    await time.finish(ended.release())
    const seen = new Map<string, number>()
    const count = async () => {
      for await (const { id } of last.document.history()) {
        const { value } = await last.document.revision(id)
        seen.set(value, (seen.get(value) ?? 0) + 1)
      }
    }
    await time.finish(count())
    for (const value of this.#acknowledged) if (!seen.has(value)) this.#witness.wrongs.push(`commit ${value} is lost`)
    for (const [value, times] of seen)
      if (times > 1) this.#witness.wrongs.push(`commit ${value} is there ${times} times`)
  }

  get #going(): boolean {
    return this.#world.time.elapsed < HORIZON_MS && this.#witness.wrongs.length === 0
  }

  #chance(probability: number): boolean {
    return this.#world.time.random() < probability
  }

  #below(limit: number): number {
    return Math.floor(this.#world.time.random() * limit)
  }

  #upTo(ms: number): number {
    return this.#world.time.random() * ms
  }
}

/** Everything that a call under such conditions may end with. */
function expected(error: unknown): undefined {
  if (!KeelstateError.is(error) || error.code === 'Corrupt') throw error
  return undefined
}
