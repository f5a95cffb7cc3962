import { setMaxListeners } from 'node:events'
import { type Environment, systemEnvironment } from '../core/environment.ts'
import { aborted, type ErrorCode, KeelstateError, throwIfAborted } from '../core/errors.ts'
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
import { FaultPlan, type FaultTarget, type FaultyExchange, performExchange } from './faults.ts'

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

/** What the inner store answered. */
type Answer = { value: unknown } | { error: unknown }

const OPERATIONS = { get: 'GetObject', put: 'PutObject', delete: 'DeleteObjects', list: 'ListObjectsV2' } as const
type Method = keyof typeof OPERATIONS

class PlannedFaults implements FaultyStore {
  readonly faults: FaultPlan = new FaultPlan()
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #inner: ObjectStore
  readonly #environment: Pick<Environment, 'sleep'>
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(inner: ObjectStore, environment: Pick<Environment, 'sleep'>) {
    this.#inner = inner
    this.#environment = environment
    this.address = inner.address
    this.capabilities = inner.capabilities
    setMaxListeners(0, this.#closing.signal) // one for each call that waits
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
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.settled()
    await this.#inner.close()
  }

  async #call<T>(
    method: Method,
    key: string,
    { signal }: CallOptions,
    execute: (signal?: AbortSignal) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal, method, key)
    const target: FaultTarget = { method, operation: OPERATIONS[method], key }
    const action = this.faults.take(target)
    if (action === undefined) return await execute(signal)
    const sender = new Sender<T>(target, signal, this.#closing.signal)
    const exchange: FaultyExchange<Answer> = {
      target,
      execute: () =>
        execute().then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        ),
      refusal: (status, code) => ({ error: serviceRefusal(target, status, code) }),
      answer: (answer) => sender.take(answer),
      truncate: () => sender.lose(), // a driver notices a body that ends too early, and reports no answer
      corrupted: withBitFlipped,
      reset: () => sender.lose(),
    }
    const run = performExchange(exchange, action, this.#environment, this.#closing.signal)
    const tracked = run.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
    return await sender.answered
  }
}

/** Whoever waits for one answer: until it comes, the connection ends, the caller gives up, or the store is closed. */
class Sender<T> {
  readonly answered: Promise<T>
  readonly #target: FaultTarget
  readonly #listening: [AbortSignal, () => void][] = []
  #resolve: (value: T) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(target: FaultTarget, signal: AbortSignal | undefined, closing: AbortSignal) {
    this.#target = target
    this.answered = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (signal !== undefined) this.#on(signal, () => this.#end(aborted(target.method, target.key, signal.reason)))
    this.#on(closing, () => this.lose())
  }

  take(answer: Answer): void {
    if ('error' in answer) this.#end(answer.error)
    else {
      this.#resolve(answer.value as T)
      this.#stopListening()
    }
  }

  lose(): void {
    this.#end(connectionReset(this.#target))
  }

  #end(error: unknown): void {
    this.#reject(error)
    this.#stopListening()
  }

  #on(signal: AbortSignal, listener: () => void): void {
    signal.addEventListener('abort', listener, { once: true })
    this.#listening.push([signal, listener])
  }

  #stopListening(): void {
    for (const [signal, listener] of this.#listening.splice(0)) signal.removeEventListener('abort', listener)
  }
}

function connectionReset({ method, key }: FaultTarget): KeelstateError<'Unavailable'> {
  return new KeelstateError('Unavailable', {
    operation: method,
    key,
    message: `The connection was reset before ${method} of ${key} was answered.`,
    details: { status: 'ECONNRESET' },
  })
}

/** The port's error for a service's answer, as drivers map it. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
function serviceRefusal({ method, key }: FaultTarget, status: number, serviceCode: string): KeelstateError {
  const code = codeOf(status, serviceCode)
  const details = { status, serviceCode }
  const init = { operation: method, key, message: `${method} of ${key} was answered ${status} ${serviceCode}.` }
  if (code === 'NotFound') return new KeelstateError(code, { ...init, details: { ...details, subject: 'object' } })
  if (code === 'BucketMissing') return new KeelstateError(code, { ...init, details: { ...details, subject: 'bucket' } })
  return new KeelstateError(code, { ...init, details } as never)
}

function codeOf(status: number, serviceCode: string): ErrorCode {
  if (serviceCode === 'NoSuchBucket') return 'BucketMissing'
  if (serviceCode === 'SlowDown') return 'Throttled'
  const codes: Record<number, ErrorCode> = {
    400: 'InvalidInput',
    401: 'Unauthenticated',
    403: 'AccessDenied',
    404: 'NotFound',
    412: 'PreconditionFailed',
    413: 'TooLarge',
    429: 'Throttled',
    501: 'Unsupported',
    507: 'NoSpace',
  }
  return codes[status] ?? 'Unavailable' // 409 and 5xx: what became of the request is not known
}

function withBitFlipped(answer: Answer, at: number): Answer {
  if ('error' in answer || typeof answer.value !== 'object' || answer.value === null) return answer
  const { bytes } = answer.value as { bytes?: unknown }
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) return answer
  const copy = Uint8Array.from(bytes)
  copy[at % copy.length]! ^= 1
  return { value: { ...answer.value, bytes: copy } }
}
