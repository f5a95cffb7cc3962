import type { Environment } from './environment.ts'
import { aborted, KeelstateError } from './errors.ts'
import type { CallOptions } from './store.ts'

/** How long things may take. */
export interface Limits {
  /** One request, in ms; default 10,000. */
  attemptMs: number
  /** Added to `attemptMs` for each 1e6 bytes of the body, in ms; default 1,000. */
  attemptMsPerMegabyte: number
  /** One logical operation with all its attempts, in ms; default 60,000. */
  operationMs: number
}

export const DEFAULT_LIMITS: Limits = { attemptMs: 10_000, attemptMsPerMegabyte: 1_000, operationMs: 60_000 }

const BACKOFF_BASE_MS = 50
const BACKOFF_CAP_MS = 5_000
const ASKED_JITTER = 1 / 4 // of the wait that a service asks for: writers of one object that were refused together come back apart
const RACE_MS = 200 // for the others of a race to come apart
const SETTLE_MS = 5_000 // how long an aborted write may look for its outcome

/**
 * The time that one logical operation has, over all its attempts. The loop that owns a deadline owns the retries: drivers make one attempt.
 */
export class Deadline {
  readonly #environment: Environment
  readonly #limits: Limits
  readonly #signal: AbortSignal | undefined
  readonly #end: number
  #failures = 0
  #abortSeenAt: number | undefined

  constructor(environment: Environment, limits: Limits, signal?: AbortSignal) {
    this.#environment = environment
    this.#limits = limits
    this.#signal = signal
    this.#end = environment.monotonic() + limits.operationMs
  }

  /** Milliseconds left; not above zero when the time is up. */
  get left(): number {
    return this.#end - this.#environment.monotonic()
  }

  get aborted(): boolean {
    return this.#signal?.aborted ?? false
  }

  /**
   * The same operation's time to find out what became of a write, not tied to the caller's signal: until 5 s after an abort, the grace of the
   * attempt under way included; else what is left, but at least 5 s.
   */
  settling(): Deadline {
    const operationMs = this.aborted ? Math.max(1, SETTLE_MS - this.#sinceAbort()) : Math.max(this.left, SETTLE_MS)
    return new Deadline(this.#environment, { ...this.#limits, operationMs })
  }

  /**
   * Waits before the next attempt; never beyond the deadline. With full jitter, or for as long as `failure` says in `details.retryAfterMs` and a little
   * more. Ends early when the caller's signal fires: the next attempt is not made.
   */
  async backoff(failure?: unknown): Promise<void> {
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(this.#failures++, 10))
    const random = this.#environment.random()
    const asked = KeelstateError.is(failure) ? failure.details.retryAfterMs : undefined
    await this.#sleep(asked === undefined ? random * ceiling : asked * (1 + random * ASKED_JITTER))
  }

  /**
   * Waits before the next attempt when somebody else came first: no longer the more often that happened, or those who have waited longest would come last
   * each time. Nobody's work is held up by it, as each lost race is one that another has won.
   */
  async afterLostRace(): Promise<void> {
    await this.#sleep(this.#environment.random() * RACE_MS)
  }

  async #sleep(ms: number): Promise<void> {
    const wait = Math.max(1, Math.min(ms, this.left))
    await this.#environment.sleep(wait, this.#signal).catch(() => undefined)
  }

  /** Milliseconds since the abort was first noticed. */
  #sinceAbort(): number {
    const now = this.#environment.monotonic()
    this.#abortSeenAt ??= now
    return now - this.#abortSeenAt
  }

  /**
   * Makes one attempt with a timeout that fires, whatever the driver does.
   *
   * @param bodyBytes What the request carries or is expected to bring back; lengthens the timeout.
   * @param graceMs How long a request under way may still answer after the caller's signal fired.
   * @throws {KeelstateError} `Timeout` when the attempt took too long; `Aborted` when the caller's signal fired. The request may still be
   *   executed, unless `details.notExecuted` says that it was never sent.
   */
  async attempt<T>(
    operation: string,
    key: string,
    bodyBytes: number,
    call: (options: CallOptions) => Promise<T>,
    graceMs = 0,
  ): Promise<T> {
    const allowed = this.#limits.attemptMs + (bodyBytes / 1e6) * this.#limits.attemptMsPerMegabyte
    return await this.#bounded(operation, key, Math.min(allowed, this.left), call, graceMs)
  }

  /** Calls something that is no request to the store, such as a key service, and gives it all the time that is left. */
  async within<T>(operation: string, key: string, call: (options: CallOptions) => Promise<T>): Promise<T> {
    return await this.#bounded(operation, key, this.left, call, 0)
  }

  async #bounded<T>(
    operation: string,
    key: string,
    timeoutMs: number,
    call: (options: CallOptions) => Promise<T>,
    graceMs: number,
  ): Promise<T> {
    if (this.aborted) throw aborted(operation, key, this.#signal?.reason, true)
    if (timeoutMs <= 0) {
      throw new KeelstateError('Timeout', {
        operation,
        key,
        message: `There was no time left for ${operation} of ${key}; it was not sent.`,
        details: { notExecuted: true },
      })
    }
    const controller = new AbortController()
    return await new Promise<T>((resolve, reject) => {
      const give = (error: KeelstateError) => {
        reject(error)
        controller.abort(error)
      }
      const cancelTimer = this.#environment.timer(timeoutMs, () =>
        give(
          new KeelstateError('Timeout', {
            operation,
            key,
            message: `${operation} of ${key} had no answer within ${Math.round(timeoutMs)} ms.`,
            details: { timeoutMs },
          }),
        ),
      )
      let cancelGrace = () => {}
      const onAbort = () => {
        this.#sinceAbort()
        cancelGrace = this.#environment.timer(graceMs, () => give(aborted(operation, key, this.#signal?.reason)))
      }
      this.#signal?.addEventListener('abort', onAbort, { once: true })
      const answered = () => {
        cancelTimer()
        cancelGrace()
        this.#signal?.removeEventListener('abort', onAbort)
      }
      call({ signal: controller.signal }).then(
        (result) => {
          answered()
          resolve(result)
        },
        (error) => {
          answered()
          reject(error)
        },
      )
    })
  }

  /** Repeats a call that changes nothing (or changes nothing twice) until it succeeds, is refused for good, or the time is up. */
  async repeat<T>(
    operation: string,
    key: string,
    bodyBytes: number,
    call: (options: CallOptions) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      try {
        return await this.attempt(operation, key, bodyBytes, call)
      } catch (error) {
        if (!isTransient(error) || this.left <= 0 || this.aborted) throw error
        await this.backoff(error)
        if (this.left <= 0) throw error
      }
    }
  }
}

/** Worth another attempt: the service was busy, away, or did not answer. */
export function isTransient(error: unknown): boolean {
  return (
    KeelstateError.is(error, 'Unavailable') ||
    KeelstateError.is(error, 'Timeout') ||
    KeelstateError.is(error, 'Throttled')
  )
}

/** The request certainly had no effect. Anything else may have been executed, or may yet be. */
export function isNotExecuted(error: unknown): boolean {
  if (!KeelstateError.is(error)) return false
  if (error.details.notExecuted) return true
  return !['Unavailable', 'Timeout', 'Aborted'].includes(error.code)
}
