import { setMaxListeners } from 'node:events'
import type { Environment } from '../core/environment.ts'
import { aborted, type ErrorCode, KeelstateError, throwIfAborted } from '../core/errors.ts'
import { type FaultAction, FaultPlan, type FaultTarget, type FaultyExchange, performExchange } from './faults.ts'

/** What the thing behind the faults answered. */
type Answer = { value: unknown } | { error: unknown }

/** The way between a caller and what it calls, where there is one: each message takes its time. */
export interface Way {
  there(): Promise<void>
  back(): Promise<void>
}

/** Calls of a port that a plan of faults may lose, delay, double or hold. A call that its caller gave up is executed all the same: it was sent. */
export class FaultyCalls {
  readonly faults: FaultPlan = new FaultPlan()
  readonly #environment: Pick<Environment, 'sleep'>
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(environment: Pick<Environment, 'sleep'>) {
    this.#environment = environment
    setMaxListeners(0, this.#closing.signal) // one for each call that waits
  }

  /**
   * @param execute Makes the call. It gets the caller's signal only when nothing stands between them.
   * @param otherwise What happens to the call when the plan has no rule for it.
   */
  async call<T>(
    target: FaultTarget,
    signal: AbortSignal | undefined,
    execute: (signal?: AbortSignal) => Promise<T>,
    way?: Way,
    otherwise?: FaultAction,
  ): Promise<T> {
    throwIfAborted(signal, target.method, target.key)
    const action = this.faults.take(target) ?? otherwise
    if (action === undefined && way === undefined) return await execute(signal)
    const sender = new Sender<T>(target, signal, this.#closing.signal)
    const make = async (): Promise<Answer> => {
      await way?.there()
      return await execute().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      )
    }
    const exchange: FaultyExchange<Answer> = {
      target,
      execute: make,
      refusal: (status, code) => ({ error: serviceRefusal(target, status, code) }),
      async answer(answer) {
        await way?.back()
        sender.take(answer)
      },
      truncate: () => sender.lose(), // a driver notices a body that ends too early, and reports no answer
      corrupted: withBitFlipped,
      reset: () => void (way === undefined ? sender.lose() : way.back().then(() => sender.lose())),
    }
    const run = performExchange(exchange, action, this.#environment, this.#closing.signal)
    const tracked = run.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
    return await sender.answered
  }

  /** Resolves when no call is under way any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Ends every wait: what waited is not executed any more. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.settled()
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
