import type {
  CallOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectKey,
  ObjectStore,
  ObjectStoreCapabilities,
  PutCondition,
  StoredObject,
  VersionToken,
} from '../core/store.ts'

/** One call of the port: one request, as drivers make them. */
export interface CountedRequest {
  readonly call: 'get' | 'put' | 'delete' | 'list'
  /** The object's key, the prefix of a listing, or the first key of a delete. */
  readonly key: ObjectKey
  /** What came back; `pending` while nothing has. */
  readonly outcome: 'pending' | 'stored' | 'found' | 'unchanged' | 'absent' | 'listed' | 'deleted' | 'failed'
  /** Its place in the longest chain of requests that waited for each other: 1 began before any other had ended. */
  readonly depth: number
}

/** What a piece of work asked of a store. */
export interface RequestCount {
  /** All requests. */
  readonly total: number
  /** How many of them, at most, had to wait for one another: the round trips that the work took. */
  readonly sequential: number
  readonly requests: readonly CountedRequest[]
}

type Counted = { -readonly [K in keyof CountedRequest]: CountedRequest[K] }

/** An `ObjectStore` that passes everything on to another one and writes down each call. */
export class CountingStore implements ObjectStore {
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #inner: ObjectStore
  #requests: Counted[] = []

  constructor(inner: ObjectStore) {
    this.#inner = inner
    this.address = inner.address
    this.capabilities = inner.capabilities
  }

  /** Every request since the start or the last `count`, in the order in which they began. */
  get requests(): readonly CountedRequest[] {
    return this.#requests
  }

  /** Runs `work` and counts its requests. What is under way from before is not counted. */
  async count(work: () => Promise<unknown>): Promise<RequestCount> {
    this.#requests = []
    await work()
    const requests = this.#requests
    return { total: requests.length, sequential: Math.max(0, ...requests.map(({ depth }) => depth)), requests }
  }

  async prepare(options?: CallOptions): Promise<void> {
    await this.#inner.prepare?.(options)
  }

  get(key: ObjectKey, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.#counted('get', key, this.#inner.get(key, options), (answer) =>
      answer === undefined ? 'absent' : answer === 'unchanged' ? 'unchanged' : 'found',
    )
  }

  put(key: ObjectKey, body: Uint8Array, condition: PutCondition, options?: CallOptions): Promise<VersionToken> {
    return this.#counted('put', key, this.#inner.put(key, body, condition, options), () => 'stored')
  }

  delete(keys: readonly ObjectKey[], options?: CallOptions): Promise<void> {
    return this.#counted('delete', keys[0] ?? '', this.#inner.delete(keys, options), () => 'deleted')
  }

  list(prefix: string, options?: ListOptions): Promise<ListPage> {
    return this.#counted('list', prefix, this.#inner.list(prefix, options), () => 'listed')
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #counted<T>(
    call: CountedRequest['call'],
    key: ObjectKey,
    work: Promise<T>,
    outcomeOf: (answer: T) => CountedRequest['outcome'],
  ): Promise<T> {
    const ended = this.#requests.filter(({ outcome }) => outcome !== 'pending')
    const depth = 1 + Math.max(0, ...ended.map((request) => request.depth))
    const request: Counted = { call, key, outcome: 'pending', depth }
    this.#requests.push(request)
    try {
      const answer = await work
      request.outcome = outcomeOf(answer)
      return answer
    } catch (error) {
      request.outcome = 'failed'
      throw error
    }
  }
}

/** Counts what is asked of `inner`: what the request budget of an operation is tested with. */
export function countingStore(inner: ObjectStore): CountingStore {
  return new CountingStore(inner)
}
