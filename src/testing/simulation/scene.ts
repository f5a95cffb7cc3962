import type { VersionedDocument } from '../../core/document.ts'
import { KeelstateError } from '../../core/errors.ts'
import type { Store } from '../../core/state-store.ts'
import type { ObjectStore } from '../../core/store.ts'
import { StaticKeyProvider } from '../../encrypt/index.ts'
import { openStore } from '../../open.ts'
import { type VirtualMachine, VirtualTime } from '../virtual-environment.ts'
import type { Attempt, Brought } from './attempt.ts'
import { Chronicle, STORE_ID } from './chronicle.ts'
import { Dice } from './dice.ts'
import { type Content, type Edit, JSON_MATTER, KEYED_MATTER, type Matter } from './matter.ts'
import { Network } from './network.ts'
import type { Profile } from './profiles.ts'
import { FAIR, type Weather } from './weather.ts'

export const NAME = 'simulated/document'
export const LEAST_COMMITS = 5
const MOST_COMMITS = 20
const LAST_COMMITS = 3 // kept for who looks at what is left

const ATTEMPTS = 6 // one operation's time, in those of one attempt

/** A process of its own, on a machine of its own. */
export interface Process {
  readonly name: string
  readonly machine: VirtualMachine
  readonly network: Network
  readonly store: Store
  readonly document: VersionedDocument<Content, Edit>
  /** It was killed. */
  dead: boolean
}

/** Which keys a process has. Every document can be opened with `mine`: whoever has `theirs` alone begins none, and changes no keys. */
export type Keys = 'mine' | 'both' | 'theirs'

const SECRETS = { mine: Buffer.alloc(32, 9), theirs: Buffer.alloc(32, 7) }
const RECIPIENTS: Record<Keys, readonly Buffer[]> = {
  mine: [SECRETS.mine],
  both: [SECRETS.theirs, SECRETS.mine],
  theirs: [SECRETS.theirs],
}

/** Virtual time, the stores, and the processes of one schedule, with everything that they did. */
export class Scene {
  readonly dice: Dice
  /** What the document holds. */
  readonly matter: Matter
  readonly profile: Profile
  readonly time: VirtualTime
  readonly chronicle: Chronicle
  readonly attempts: Attempt[] = []
  readonly processes: Process[] = []
  weather: Weather
  /** How many changes end it all. */
  readonly #wanted: number
  readonly #objects: ObjectStore
  #acknowledged = 0
  #marks = 0

  constructor(seed: number, profile: Profile, breakStore?: (store: ObjectStore, time: VirtualTime) => ObjectStore) {
    this.profile = profile
    this.time = new VirtualTime({ seed })
    this.weather = profile.weather
    this.dice = new Dice(() => this.time.random())
    const locks = profile.locks === 'either' ? (this.dice.chance(0.5) ? 'table' : 'objects') : profile.locks
    this.matter = this.dice.chance(profile.keyed) ? KEYED_MATTER : JSON_MATTER
    this.chronicle = new Chronicle(this.time, locks)
    this.#wanted = this.dice.between(profile.commits)
    const strict = this.chronicle.objects()
    this.#objects = breakStore?.(strict, this.time) ?? strict
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Whether there is anything left to do. */
  get going(): boolean {
    return (
      this.#acknowledged < this.#wanted &&
      this.time.elapsed < this.profile.horizonMs &&
      this.chronicle.wrongs.length === 0
    )
  }

  /** How many more changes can begin without there being too many in the end. What the dead began is acknowledged to nobody. */
  get room(): number {
    const dead = new Set(this.processes.filter((process) => process.dead).map(({ name }) => name))
    let underWay = 0
    for (const { change, answered, actor } of this.attempts)
      if (change && answered === undefined && !dead.has(actor)) underWay++
    return MOST_COMMITS - LAST_COMMITS - this.#acknowledged - underWay
  }

  mayChange(): boolean {
    return this.room > 0
  }

  get nextMark(): string {
    return `m${++this.#marks}`
  }

  async process(
    name: string,
    leased: boolean,
    keys: Keys,
    weather: () => Weather = () => this.weather,
  ): Promise<Process> {
    const { clocksMs, attemptMs } = this.profile
    const machine = this.time.machine({ rate: 1 + (this.time.random() - 0.5) / 25 })
    machine.jumpWall((this.time.random() - 0.5) * 2 * clocksMs)
    const network = new Network(this.time, machine, weather)
    this.chronicle.know(machine, { name, leased })
    const objects = network.objectStore(this.chronicle.objectsOf(machine, this.#objects))
    const locks = this.chronicle.hasTable
      ? network.lockStore(this.chronicle.locksOf(machine, this.chronicle.locks(this.#objects)))
      : this.chronicle.locks(objects)
    const store = await openStore({
      store: objects,
      lock: locks,
      keys: RECIPIENTS[keys].map((key) => new StaticKeyProvider({ key, environment: machine })),
      memory: false,
      environment: machine,
      storeId: STORE_ID,
      by: name,
      limits: { attemptMs, operationMs: ATTEMPTS * attemptMs },
    })
    const process = { name, machine, network, store, document: store.document(NAME, this.matter.codec), dead: false }
    this.processes.push(process)
    return process
  }

  /** A process that meets no accidents. */
  calmProcess(name: string, leased: boolean): Promise<Process> {
    return this.process(name, leased, 'mine', () => FAIR)
  }

  kill(process: Process): void {
    process.dead = true
    process.network.kill()
    process.machine.stop()
  }

  /** Makes a call, and notes how it ended. */
  async call(
    actor: string,
    what: string,
    mark: string,
    change: boolean,
    call: (attempt: Attempt) => Promise<Brought | undefined>,
  ): Promise<Attempt> {
    const attempt: Attempt = { actor, what, mark, change, invoked: this.chronicle.clock() }
    this.attempts.push(attempt)
    try {
      Object.assign(attempt, await call(attempt))
      attempt.outcome = 'ok'
      if (change) this.#acknowledged++
    } catch (error) {
      if (KeelstateError.is(error)) {
        attempt.outcome = error.code
        attempt.detail = error.message
        if (KeelstateError.is(error, 'OutcomeUnknown')) attempt.write = error.details.write
      } else attempt.outcome = `Unexpected: ${error instanceof Error ? error.stack : String(error)}`
    }
    attempt.answered = this.chronicle.clock()
    return attempt
  }
}
