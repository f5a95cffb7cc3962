import { aborted, KeelstateError } from './errors.ts'

/** What a call of a driver is about, for its errors. */
export interface DriverCall {
  /** Name of the service, as messages have it. */
  readonly service: string
  readonly operation: 'delete' | 'get' | 'list' | 'put'
  /** Key or prefix below the store's. */
  readonly key: string
}

/**
 * Bounds one attempt: it ends when the caller's signal fires, when the store is closed, or when the service is silent for too long. Does not rely on
 * the client for any of it.
 */
export class DriverAttempt {
  /** Tells the client, and whoever reads a body, to give up. */
  readonly signal: AbortSignal
  /** Whether the request was handed to the client: from then on it may be executed. */
  sent = false
  readonly #call: DriverCall
  readonly #caller: AbortSignal | undefined
  readonly #closing: AbortSignal
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #reject: ((error: KeelstateError) => void) | undefined

  constructor(call: DriverCall, caller: AbortSignal | undefined, closing: AbortSignal) {
    this.#call = call
    this.#caller = caller
    this.#closing = closing
    this.signal = this.#controller.signal
  }

  /** Settles as `work` does, or rejects as soon as the attempt has ended otherwise. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const ended = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
    const { operation, key } = this.#call
    const onAbort = () => this.#fail(aborted(operation, key, this.#caller?.reason, !this.sent))
    const onClose = () => this.#fail(this.#closed())
    this.#caller?.addEventListener('abort', onAbort, { once: true })
    this.#closing.addEventListener('abort', onClose, { once: true })
    try {
      return await Promise.race([work(), ended])
    } catch (error) {
      // Whatever the client says once it was told to give up, it gave up.
      if (!this.#caller?.aborted || KeelstateError.is(error)) throw error
      throw aborted(operation, key, this.#caller.reason, !this.sent)
    } finally {
      this.#reject = undefined
      clearTimeout(this.#timer)
      this.#caller?.removeEventListener('abort', onAbort)
      this.#closing.removeEventListener('abort', onClose)
    }
  }

  /** Gives the service `ms` from now on, instead of what it had left. Without effect once the attempt has ended. */
  allow(ms: number): void {
    if (this.#reject === undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const { service, operation, key } = this.#call
      this.#fail(
        new KeelstateError('Timeout', {
          operation,
          key,
          message: `${service} gave no answer to ${operation} of ${key} within ${ms} ms.`,
          details: this.sent ? { timeoutMs: ms } : { timeoutMs: ms, notExecuted: true },
        }),
      )
    }, ms)
  }

  #fail(error: KeelstateError): void {
    this.#reject?.(error)
    this.#controller.abort(error)
  }

  /** Not `Closed`: that is for calls that were never begun, and this one may have been executed. */
  #closed(): KeelstateError<'Aborted'> {
    const { service, operation, key } = this.#call
    return new KeelstateError('Aborted', {
      operation,
      key,
      message: `${service} ${operation} of ${key} was given up because its store was closed.`,
      details: this.sent ? {} : { notExecuted: true },
    })
  }
}
