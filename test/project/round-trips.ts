import type { CallOptions, ObjectStore } from '../../src/core/store.ts'

const QUIET_MS = 4 // how long nothing new has to be asked for before the round trip under way ends

/** Requests of an operation, and how many round trips follow one another. */
export interface Cost {
  readonly requests: number
  readonly inTurn: number
}

/**
 * A store in which all requests that are under way at once take one round trip together: as on a network whose delay is all that counts.
 */
export class RoundTrips {
  readonly store: ObjectStore
  #requests = 0
  #inTurn = 0
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(inner: ObjectStore) {
    const request = async <T>(call: () => Promise<T>): Promise<T> => {
      this.#requests++
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#answer(), QUIET_MS)
      })
      return await call()
    }
    this.store = {
      address: inner.address,
      capabilities: inner.capabilities,
      get: (...args) => request(() => inner.get(...args)),
      put: (...args) => request(() => inner.put(...args)),
      delete: (keys: readonly string[], options?: CallOptions) => request(() => inner.delete(keys, options)),
      list: (...args) => request(() => inner.list(...args)),
      close: () => inner.close(),
    }
  }

  /** What `work` cost. */
  async of(work: () => Promise<unknown>): Promise<Cost> {
    this.#requests = 0
    this.#inTurn = 0
    await work()
    return { requests: this.#requests, inTurn: this.#inTurn }
  }

  #answer(): void {
    this.#inTurn++
    const answered = this.#waiting
    this.#waiting = []
    for (const resolve of answered) resolve()
  }
}
