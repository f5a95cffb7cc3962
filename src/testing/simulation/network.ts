import { KeelstateError, untilAborted } from '../../core/errors.ts'
import type { ObjectStore } from '../../core/store.ts'
import type { LockStore } from '../../locking/index.ts'
import { throughCalls } from '../faulty-lock-store.ts'
import type { VirtualMachine, VirtualTime } from '../virtual-environment.ts'
import { fateIn, type Weather } from './weather.ts'

/**
 * What lies between one process and the stores: each request takes virtual time, and may be lost, late, doubled or refused.
 *
 * A machine that is stopped gets its answers when it goes on. A request of which the sender gave up, or died, goes on without it.
 */
export class Network {
  readonly #time: VirtualTime
  readonly #machine: VirtualMachine
  readonly #weather: () => Weather
  #dead = false

  constructor(time: VirtualTime, machine: VirtualMachine, weather: () => Weather) {
    this.#time = time
    this.#machine = machine
    this.#weather = weather
  }

  /** The process is gone: nothing it sends from now on leaves it, and no answer reaches it. What was sent goes on. */
  kill(): void {
    this.#dead = true
  }

  objectStore(inner: ObjectStore): ObjectStore {
    return {
      address: inner.address,
      capabilities: inner.capabilities,
      get: (key, { unlessToken, signal } = {}) =>
        this.#request('get', key, () => inner.get(key, { unlessToken }), signal),
      put: (key, body, condition, { signal } = {}) => {
        const copy = Uint8Array.from(body)
        return this.#request('put', key, () => inner.put(key, copy, condition), signal)
      },
      delete: (keys, { signal } = {}) => this.#request('delete', keys[0] ?? '', () => inner.delete(keys), signal),
      list: (prefix, { signal, ...rest } = {}) => this.#request('list', prefix, () => inner.list(prefix, rest), signal),
      close: async () => {}, // others go on with it
    }
  }

  lockStore(inner: LockStore): LockStore {
    return throughCalls(inner, ({ method, key }, signal, execute) =>
      this.#request(`lock ${method}`, key, () => execute(), signal),
    )
  }

  async #request<T>(
    operation: string,
    key: string,
    execute: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.#dead) return await never<T>()
    const answer = this.#travel(operation, key, execute)
    const result = await untilAborted(answer, signal, operation, key)
    if (this.#machine.stopped) await this.#machine.running()
    return this.#dead ? await never<T>() : result
  }

  /** What happens to one request on its way there and back. */
  async #travel<T>(operation: string, key: string, execute: () => Promise<T>): Promise<T> {
    const weather = this.#weather()
    const random = () => this.#time.random()
    const within = ([from, to]: readonly [number, number]) => from + random() * (to - from)
    const chance = random()
    const fate = weather.only?.includes(operation) === false ? 'fine' : fateIn(weather, chance)
    const { world } = this.#time
    await world.sleep(within(weather.latencyMs))
    const later = () => world.timer(within(weather.lateMs), () => void execute().catch(() => undefined))
    const lost = async (): Promise<T> => {
      if (random() < weather.silence) return await never<T>()
      throw failure('Unavailable', operation, key, 'reset')
    }
    switch (fate) {
      case 'lostRequest':
        return await lost()
      case 'lostAnswer':
        await execute().catch(() => undefined)
        return await lost()
      case 'late':
        later()
        return await lost()
      case 'doubled': {
        if (random() < 0.5) {
          later()
          break
        }
        await execute().catch(() => undefined)
        await world.sleep(within(weather.latencyMs))
        break // its second answer comes back
      }
      case 'busy':
        throw random() < 0.5 ? failure('Throttled', operation, key, 429) : failure('Throttled', operation, key, 503)
      case 'racing':
        if (random() < 0.5) await execute().catch(() => undefined) // it was a copy of its own that it met
        throw failure('Unavailable', operation, key, 409)
      case 'denied':
        throw failure('AccessDenied', operation, key, 403)
      case 'failedAfter':
        await execute().catch(() => undefined)
        throw failure('Unavailable', operation, key, 503)
    }
    const result = await execute()
    await world.sleep(within(fate === 'stalled' ? weather.lateMs : weather.latencyMs))
    return result
  }
}

/** One for each, or all that ever waited would be kept. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}

function failure(
  code: 'Throttled' | 'Unavailable' | 'AccessDenied',
  operation: string,
  key: string,
  status: number | 'reset',
): KeelstateError {
  return new KeelstateError(code, {
    operation,
    key,
    message: `${operation} of ${key} was ${status === 'reset' ? 'cut off: the connection was reset' : `answered with ${status}`}.`,
    details: status === 'reset' ? {} : { status },
  })
}
