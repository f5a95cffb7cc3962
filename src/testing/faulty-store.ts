import { type Environment, systemEnvironment } from '../core/environment.ts'
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
import type { FaultPlan } from './faults.ts'
import { FaultyCalls } from './faulty-calls.ts'

/**
 * An `ObjectStore` between whom a plan of faults and another store stand, in the vocabulary of the fixture servers.
 *
 * Rules see `get`, `put`, `delete` and `list` as the method, S3's name of it as the operation, and the key below the store's prefix. A call
 * that its caller gave up is executed all the same when the plan says so: it was sent.
 */
export interface FaultyStore extends ObjectStore {
  /** Faults to come. */
  readonly faults: FaultPlan
  /** Resolves when no call is under way any more: nothing late, held or doubled is still to come. A stalled call counts as over. */
  settled(): Promise<void>
}

export function faultyStore(
  inner: ObjectStore,
  environment: Pick<Environment, 'sleep'> = systemEnvironment,
): FaultyStore {
  return new PlannedFaults(inner, environment)
}

export const OPERATIONS = {
  get: 'GetObject',
  put: 'PutObject',
  delete: 'DeleteObjects',
  list: 'ListObjectsV2',
} as const
type Method = keyof typeof OPERATIONS

class PlannedFaults implements FaultyStore {
  readonly faults: FaultPlan
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #inner: ObjectStore
  readonly #calls: FaultyCalls

  constructor(inner: ObjectStore, environment: Pick<Environment, 'sleep'>) {
    this.#inner = inner
    this.#calls = new FaultyCalls(environment)
    this.faults = this.#calls.faults
    this.address = inner.address
    this.capabilities = inner.capabilities
  }

  async prepare(options?: CallOptions): Promise<void> {
    await this.#inner.prepare?.(options)
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    return this.#call('get', key, options, (signal) => this.#inner.get(key, { ...options, signal }))
  }

  put(key: ObjectKey, body: Uint8Array, condition: PutCondition, options: CallOptions = {}): Promise<VersionToken> {
    const copy = Uint8Array.from(body) // it may be executed long after the caller has gone on
    return this.#call('put', key, options, (signal) => this.#inner.put(key, copy, condition, { signal }))
  }

  delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    const copy = [...keys]
    return this.#call('delete', copy[0] ?? '', options, (signal) => this.#inner.delete(copy, { signal }))
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    return this.#call('list', prefix, options, (signal) => this.#inner.list(prefix, { ...options, signal }))
  }

  async settled(): Promise<void> {
    await this.#calls.settled()
  }

  async close(): Promise<void> {
    await this.#calls.close()
    await this.#inner.close()
  }

  #call<T>(
    method: Method,
    key: string,
    { signal }: CallOptions,
    execute: (signal?: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#calls.call({ method, operation: OPERATIONS[method], key }, signal, execute)
  }
}
