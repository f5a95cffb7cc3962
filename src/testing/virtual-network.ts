import type { ObjectStore } from '../core/store.ts'
import type { LockStore } from '../locking/index.ts'
import type { FaultAction, FaultPlan, FaultTarget } from './faults.ts'
import { FaultyCalls, type Way } from './faulty-calls.ts'
import { throughCalls } from './faulty-lock-store.ts'
import { OPERATIONS } from './faulty-store.ts'
import type { VirtualMachine, VirtualTime } from './virtual-environment.ts'

/** How messages fare that no rule is about. Chances are in [0, 1]. */
export interface Weather {
  /** One way, from and to, in ms; default exactly 50, so that a round trip takes 100. */
  latencyMs?: readonly [number, number]
  /** A request is never executed: its connection is reset, or it is never heard of again. */
  requestLost?: number
  /** It is executed, and the answer is lost in one of these ways. */
  answerLost?: number
  /** It is executed late, its sender gone or not. */
  late?: number
  /** It is executed twice. */
  doubled?: number
  /** How late a late request or a second copy comes at most, in ms; default 60,000. */
  lateMs?: number
}

/** One request that was sent. */
export interface NetworkRequest extends FaultTarget {
  readonly machine: VirtualMachine
  /** In the world's time. */
  readonly sentAt: number
}

/**
 * The network between virtual machines and their stores: messages take virtual time, and get lost, late or doubled, by plan or by chance.
 *
 * A machine that is stopped sends nothing, and gets its answers when it goes on. A request of which the sender gave up goes on without it.
 */
export class VirtualNetwork {
  /** What is planned goes before what the weather brings. */
  readonly faults: FaultPlan
  weather: Weather
  readonly #time: VirtualTime
  readonly #calls: FaultyCalls
  #requests: NetworkRequest[] = []

  constructor(time: VirtualTime, weather: Weather = {}) {
    this.#time = time
    this.weather = weather
    this.#calls = new FaultyCalls(time.world)
    this.faults = this.#calls.faults
  }

  /** Every request so far. */
  get requests(): readonly NetworkRequest[] {
    return this.#requests
  }

  /** What `work` cost: requests, and the virtual time that it took. With a fixed latency and no work in between, that time counts round trips. */
  async cost(work: () => Promise<unknown>): Promise<{ requests: readonly NetworkRequest[]; ms: number }> {
    const [before, began] = [this.#requests.length, this.#time.elapsed]
    await this.#time.finish(work())
    return { requests: this.#requests.slice(before), ms: this.#time.elapsed - began }
  }

  /** `inner` as `machine` reaches it. */
  objectStore(machine: VirtualMachine, inner: ObjectStore): ObjectStore {
    const send = <T>(
      method: keyof typeof OPERATIONS,
      key: string,
      signal: AbortSignal | undefined,
      execute: () => Promise<T>,
    ) => this.#send(machine, { method, operation: OPERATIONS[method], key }, signal, execute)
    return {
      address: inner.address,
      capabilities: inner.capabilities,
      get: (key, options = {}) =>
        send('get', key, options.signal, () => inner.get(key, { ...options, signal: undefined })),
      put(key, body, condition, options = {}) {
        const copy = Uint8Array.from(body)
        return send('put', key, options.signal, () => inner.put(key, copy, condition))
      },
      delete: (keys, options = {}) => send('delete', keys[0] ?? '', options.signal, () => inner.delete([...keys])),
      list: (prefix, options = {}) =>
        send('list', prefix, options.signal, () => inner.list(prefix, { ...options, signal: undefined })),
      close: async () => {}, // other machines go on with it
    }
  }

  /** `inner` as `machine` reaches it. */
  lockStore(machine: VirtualMachine, inner: LockStore): LockStore {
    const store = throughCalls(inner, (target, signal, execute) => this.#send(machine, target, signal, () => execute()))
    return { ...store, close: async () => {} }
  }

  /** Resolves when nothing is on its way any more. Needs time to pass meanwhile. */
  settled(): Promise<void> {
    return this.#calls.settled()
  }

  #send<T>(
    machine: VirtualMachine,
    target: FaultTarget,
    signal: AbortSignal | undefined,
    execute: () => Promise<T>,
  ): Promise<T> {
    if (!signal?.aborted) this.#requests.push({ ...target, machine, sentAt: this.#time.elapsed })
    const { world } = this.#time
    const latencyBack = this.#latency()
    const way: Way = {
      there: () => world.sleep(this.#latency()),
      async back() {
        await world.sleep(latencyBack)
        await machine.running()
      },
    }
    return this.#calls.call(target, signal, () => this.#time.during(execute()), way, this.#fate())
  }

  #latency(): number {
    const [from, to] = this.weather.latencyMs ?? [50, 50]
    return from === to ? from : from + this.#time.random() * (to - from)
  }

  /** What the weather does to a request. */
  #fate(): FaultAction | undefined {
    const { requestLost = 0, answerLost = 0, late = 0, doubled = 0, lateMs = 60_000 } = this.weather
    let chance = this.#time.random()
    const silent = this.#time.random() < 0.5
    const ms = this.#time.random() * lateMs
    const happens = (probability: number) => {
      chance -= probability
      return chance < 0 && chance + probability >= 0
    }
    if (happens(requestLost)) return silent ? { do: 'stall' } : { do: 'drop-request' }
    if (happens(answerLost)) return silent ? { do: 'stall', when: 'after' } : { do: 'drop-answer' }
    if (happens(late)) return { do: 'delay-before', ms }
    if (happens(doubled)) return { do: 'double', answer: silent ? 'first' : 'second', ms }
    return undefined
  }
}
