import { KeelstateError } from '../../core/errors.ts'
import type {
  CallOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectKey,
  ObjectStore,
  PutCondition,
  StoredObject,
  VersionToken,
} from '../../core/store.ts'
import type { VirtualMachine, VirtualTime } from '../virtual-environment.ts'

/** How likely each accident is, per request. */
export interface Weather {
  /** The request never arrives. */
  lostRequest: number
  /** It is executed, and the answer never comes back. */
  lostAnswer: number
  /** It arrives, and is executed, long after the caller gave up. */
  late: number
  /** It is executed twice, the second time later. */
  doubled: number
  /** The service refuses: 429 or 503 before execution. */
  refused: number
  /** The service refuses for good: 403 before execution. */
  denied: number
  /** The answer is 5xx although the request was executed. */
  failedAfter: number
}

export const FAIR: Weather = {
  lostRequest: 0,
  lostAnswer: 0,
  late: 0,
  doubled: 0,
  refused: 0,
  denied: 0,
  failedAfter: 0,
}
export const STORMY: Weather = {
  lostRequest: 0.06,
  lostAnswer: 0.08,
  late: 0.05,
  doubled: 0.05,
  refused: 0.04,
  denied: 0.01,
  failedAfter: 0.04,
}

const LATENCY_MS = 40
const LATE_MS = 90_000

/**
 * One process's way to a store: every request takes virtual time and may meet an accident. What it reaches is strict and atomic.
 */
export class Network implements ObjectStore {
  readonly address: string
  readonly capabilities: ObjectStore['capabilities']
  readonly #store: ObjectStore
  readonly #time: VirtualTime
  readonly #machine: VirtualMachine
  readonly #weather: () => Weather
  #dead = false

  constructor(store: ObjectStore, time: VirtualTime, machine: VirtualMachine, weather: () => Weather) {
    this.#store = store
    this.#time = time
    this.#machine = machine
    this.#weather = weather
    this.address = store.address
    this.capabilities = store.capabilities
  }

  /** The process is gone: nothing it sends from now on leaves it, and no answer reaches it. What was sent goes on. */
  kill(): void {
    this.#dead = true
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    return this.#request('get', key, () => this.#store.get(key, { unlessToken: options.unlessToken }), options.signal)
  }

  put(key: ObjectKey, body: Uint8Array, condition: PutCondition, options: CallOptions = {}): Promise<VersionToken> {
    const copy = Uint8Array.from(body)
    return this.#request('put', key, () => this.#store.put(key, copy, condition), options.signal)
  }

  delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    return this.#request('delete', keys[0] ?? '', () => this.#store.delete(keys), options.signal)
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const { signal, ...rest } = options
    return this.#request('list', prefix, () => this.#store.list(prefix, rest), signal)
  }

  async close(): Promise<void> {}

  async #request<T>(
    operation: string,
    key: string,
    execute: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.#dead) return await new Promise<T>(() => {})
    const answer = this.#travel(operation, key, execute)
    answer.catch(() => undefined)
    const result = await new Promise<T>((resolve, reject) => {
      const onAbort = () =>
        reject(new KeelstateError('Aborted', { operation, key, message: `${operation} of ${key} was aborted.` }))
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      answer.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort))
    })
    await this.#machine.running()
    return this.#dead ? await new Promise<T>(() => {}) : result
  }

  /** What happens to one request on its way there and back. */
  async #travel<T>(operation: string, key: string, execute: () => Promise<T>): Promise<T> {
    const { world } = this.#time
    const delay = () => world.sleep(1 + this.#time.random() * LATENCY_MS)
    const weather = this.#weather()
    const fate = pick(weather, this.#time.random())
    await delay()
    switch (fate) {
      case 'lostRequest':
        return await new Promise<T>(() => {})
      case 'refused':
        throw this.#time.random() < 0.5
          ? failure('Throttled', operation, key, 429)
          : failure('Unavailable', operation, key, 409)
      case 'denied':
        throw failure('AccessDenied', operation, key, 403)
      case 'late':
        world.timer(this.#time.random() * LATE_MS, () => void execute().catch(() => undefined))
        return await new Promise<T>(() => {})
      case 'doubled':
        world.timer(1 + this.#time.random() * LATE_MS, () => void execute().catch(() => undefined))
        break
      case 'lostAnswer':
        await execute().catch(() => undefined)
        return await new Promise<T>(() => {})
      case 'failedAfter':
        await execute().catch(() => undefined)
        throw failure('Unavailable', operation, key, 503)
    }
    const result = await execute()
    await delay()
    return result
  }
}

type Fate = keyof Weather | 'fine'

function pick(weather: Weather, chance: number): Fate {
  let left = chance
  for (const [fate, likely] of Object.entries(weather) as [keyof Weather, number][]) {
    if (left < likely) return fate
    left -= likely
  }
  return 'fine'
}

function failure(
  code: 'Throttled' | 'Unavailable' | 'AccessDenied',
  operation: string,
  key: string,
  status: number,
): KeelstateError {
  return new KeelstateError(code, {
    operation,
    key,
    message: `${operation} of ${key} was answered with ${status}.`,
    details: { status },
  })
}
