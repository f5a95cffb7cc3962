// Loading a module takes real time, in which virtual time would go on or find nothing to wait for: what documents load when they need it is loaded before.
import '../core/collect.ts'
import '../core/compact.ts'
import '../core/diff.ts'
import '../core/rotate.ts'
import '../core/verify.ts'
import type { Environment } from '../core/environment.ts'
import { aborted } from '../core/errors.ts'

export interface VirtualTimeOptions {
  /** The same seed gives the same run; default 1. */
  seed?: number
  /** Wall clock of every machine at the start, in ms since 1970; default in January 2026. */
  wall?: number
}

const DEFAULT_WALL = Date.parse('2026-01-02T03:04:05.678Z')

/**
 * A world in which time passes only when a test says so, and chance repeats itself.
 *
 * The processes in it are {@link VirtualMachine}s, each with clocks of its own. Between two moments everything runs that does not wait for
 * time. What really leaves the process (a file, a socket, the thread pool) is named by `during`: time stands still until it is back.
 */
export class VirtualTime {
  readonly seed: number
  /** Whose timers are never late: for what lies between machines. */
  readonly world: VirtualMachine
  readonly #wall: number
  readonly #machines: VirtualMachine[] = []
  readonly #outside = new Set<Promise<void>>()
  #elapsed = 0
  #chance: number

  constructor(options: VirtualTimeOptions = {}) {
    this.seed = options.seed ?? 1
    this.#wall = options.wall ?? DEFAULT_WALL
    this.#chance = this.seed >>> 0
    this.world = this.machine()
  }

  /** Milliseconds since the start. */
  get elapsed(): number {
    return this.#elapsed
  }

  /** A process with clocks of its own. With `rate` 1.01 they gain one percent. */
  machine(options: { rate?: number } = {}): VirtualMachine {
    const machine = new VirtualMachine(this, this.#wall + this.#elapsed, options.rate ?? 1)
    this.#machines.push(machine)
    return machine
  }

  /** In [0, 1). https://prng.di.unimi.it/splitmix64.c, in 32 bits */
  random(): number {
    this.#chance = (this.#chance + 0x9e3779b9) >>> 0
    let z = this.#chance
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
  }

  /** Holds time until `work`, which happens outside of it, has ended. */
  during<T>(work: Promise<T>): Promise<T> {
    const over: Promise<void> = work.then(
      () => void this.#outside.delete(over),
      () => void this.#outside.delete(over),
    )
    this.#outside.add(over)
    return work
  }

  /** Lets everything run that does not wait for time. */
  async settle(): Promise<void> {
    do {
      if (this.#outside.size > 0) await Promise.race(this.#outside)
      await new Promise((resolve) => process.nextTick(resolve)) // after all microtasks: whatever follows from what has ended
    } while (this.#outside.size > 0)
  }

  /** Lets `ms` pass: fires what becomes due, in order, and lets everything that follows from it run. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await this.settle()
    while (await this.#step(end));
    this.#elapsed = Math.max(this.#elapsed, end)
  }

  /**
   * Lets time pass until `work` has ended, and returns what it returns.
   *
   * @param withinMs Fails when that is not enough; default one day.
   */
  async finish<T>(work: Promise<T>, withinMs = 86_400_000): Promise<T> {
    let over = false
    const ended = () => {
      over = true
    }
    work.then(ended, ended)
    const end = this.#elapsed + withinMs
    await this.settle()
    while (!over) {
      if (!(await this.#step(end))) throw new Error(`It has not ended within ${withinMs} ms of virtual time.`)
    }
    return await work
  }

  /** Fires the next timer, if it is due by `end`. */
  async #step(end: number): Promise<boolean> {
    let next: { machine: VirtualMachine; due: number } | undefined
    for (const machine of this.#machines) {
      const due = machine.nextDue()
      if (due !== undefined && due <= end && (next === undefined || due < next.due)) next = { machine, due }
    }
    if (next === undefined) return false
    this.#elapsed = Math.max(this.#elapsed, next.due)
    next.machine.fireNext()
    await this.settle()
    return true
  }
}

interface Timer {
  /** On the machine's monotonic clock. */
  readonly at: number
  readonly fire: () => void
}

/** Which clocks stand still while a machine is stopped. */
export interface Frozen {
  /** As on Linux while the machine is suspended. */
  monotonic?: boolean
  /** As after a snapshot of a machine was restored, until something sets the clock. */
  wall?: boolean
}

/** One process on one machine: an {@link Environment} with two clocks, which a test can stop, jump and let run. */
export class VirtualMachine implements Environment {
  readonly #time: VirtualTime
  readonly #rate: number
  readonly #timers = new Set<Timer>()
  /** The one that is due first, if that is known. */
  #first: Timer | undefined
  readonly #waiting: (() => void)[] = []
  /** The clocks as they stood at `#since`, from where they run. */
  #monotonic = 0
  #wall: number
  #since: number
  #stopped: Frozen | undefined

  /** @internal Made by `VirtualTime.machine`. */
  constructor(time: VirtualTime, wall: number, rate: number) {
    this.#time = time
    this.#wall = wall
    this.#rate = rate
    this.#since = time.elapsed
  }

  now(): number {
    return Math.round(this.#wall + (this.#stopped?.wall ? 0 : this.#passed()))
  }

  monotonic(): number {
    return this.#monotonic + (this.#stopped?.monotonic ? 0 : this.#passed())
  }

  timer(ms: number, fire: () => void): () => void {
    const timer = { at: this.monotonic() + Math.max(0, ms), fire }
    const first = this.#next()
    if (first === undefined || timer.at < first.at) this.#first = timer
    this.#timers.add(timer)
    return () => this.#remove(timer)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted('wait', undefined, signal.reason))
      const onAbort = () => {
        cancel()
        reject(aborted('wait', undefined, signal?.reason))
      }
      const cancel = this.timer(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  randomBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = Math.floor(this.#time.random() * 256)
    return bytes
  }

  random(): number {
    return this.#time.random()
  }

  /** Sets the wall clock forwards, or back. */
  jumpWall(ms: number): void {
    this.#wall += ms
  }

  /** Stops the process, as SIGSTOP does: nothing in it happens until `resume`. Its clocks go on, but for those named. */
  stop(frozen: Frozen = {}): void {
    this.#take()
    this.#stopped = frozen
  }

  /** Lets it go on. What became due meanwhile happens at once. */
  resume(): void {
    this.#take()
    this.#stopped = undefined
    for (const go of this.#waiting.splice(0)) go()
  }

  get stopped(): boolean {
    return this.#stopped !== undefined
  }

  /** Resolves while the process runs: what reaches it from outside waits for this. */
  async running(): Promise<void> {
    while (this.#stopped !== undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** How many timers have not fired: a process without any, and without a request under way, would end. */
  get timers(): number {
    return this.#timers.size
  }

  /** @internal When, in the world's time, the next timer is due; `undefined`: never, as it is now. */
  nextDue(): number | undefined {
    if (this.#stopped !== undefined) return undefined
    const next = this.#next()
    return next && this.#since + (next.at - this.#monotonic) / this.#rate
  }

  /** @internal */
  fireNext(): void {
    const next = this.#next()
    if (next === undefined) return
    this.#remove(next)
    next.fire()
  }

  #remove(timer: Timer): void {
    this.#timers.delete(timer)
    if (this.#first === timer) this.#first = undefined
  }

  #next(): Timer | undefined {
    if (this.#first !== undefined) return this.#first
    for (const timer of this.#timers) if (this.#first === undefined || timer.at < this.#first.at) this.#first = timer // of two, who came first
    return this.#first
  }

  #passed(): number {
    return (this.#time.elapsed - this.#since) * this.#rate
  }

  /** Notes where the clocks stand. */
  #take(): void {
    const [monotonic, wall] = [this.monotonic(), this.#wall + (this.#stopped?.wall ? 0 : this.#passed())]
    this.#monotonic = monotonic
    this.#wall = wall
    this.#since = this.#time.elapsed
  }
}
