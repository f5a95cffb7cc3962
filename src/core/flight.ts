import type { Access } from './access.ts'
import { aborted, KeelstateError } from './errors.ts'
import type { HeadWrite } from './head.ts'
import type { Change, Landed } from './head-writer.ts'

const ABORTED_SETTLE_MS = 5_000

/** A caller of `HeadWriter.submit`. */
export interface Waiting {
  readonly change: Change<unknown>
  readonly tick: number
  readonly signal: AbortSignal | undefined
  readonly resolve: (landed: Landed<unknown>) => void
  readonly reject: (error: unknown) => void
  /** What the last round found; handed out when its write has landed. */
  outcome: { result: unknown } | { refusal: unknown } | undefined
  done: boolean
}

/** The callers that share one write, and what each is owed. */
export class Flight {
  readonly #access: Access
  readonly #batch: readonly Waiting[]
  readonly #controller: AbortController | undefined
  readonly #cancels: (() => void)[] = []
  /** Set while a write that carries these callers may be on its way. */
  writeName: string | undefined
  /** How many callers left before there was a write. */
  leavers = 0

  constructor(access: Access, batch: readonly Waiting[]) {
    this.#access = access
    this.#batch = batch
    if (batch.some(({ signal }) => signal !== undefined)) this.#controller = new AbortController()
    for (const waiting of batch) {
      const { signal } = waiting
      if (signal === undefined) continue
      const onAbort = () => this.#onAbort(waiting)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#cancels.push(() => signal.removeEventListener('abort', onAbort))
      if (signal.aborted) onAbort()
    }
  }

  /** Fires when nobody waits any more; absent where all of them wait to the end. */
  get signal(): AbortSignal | undefined {
    return this.#controller?.signal
  }

  get open(): Waiting[] {
    return this.#batch.filter((waiting) => !waiting.done)
  }

  reject(waiting: Waiting, error: unknown): void {
    waiting.done = true
    waiting.reject(error)
  }

  get announces(): boolean {
    return this.open.some(({ change }) => change.announce !== undefined)
  }

  /** Tells who is in it, and asked for it, which write is about to be sent. False when one of them dropped out for that: it must not be in it. */
  async announce(write: string): Promise<boolean> {
    let all = true
    for (const waiting of this.open) {
      if (!isIn(waiting)) continue
      try {
        await waiting.change.announce?.(write)
      } catch (error) {
        this.reject(waiting, error)
        all = false
      }
    }
    return all
  }

  /** The write has landed: results and refusals are final. */
  answerAll(write: HeadWrite): void {
    for (const waiting of this.open) {
      if (waiting.outcome === undefined) continue
      waiting.done = true
      if ('refusal' in waiting.outcome) waiting.reject(waiting.outcome.refusal)
      else waiting.resolve({ result: waiting.outcome.result, write })
    }
  }

  /** Tells the error to all that it concerns, and returns the others, to be judged anew. */
  failAll(error: unknown): Waiting[] {
    const again = this.open.filter(({ outcome }) => outcome !== undefined && 'refusal' in outcome)
    for (const waiting of again) waiting.outcome = undefined
    for (const waiting of this.open) if (!again.includes(waiting)) this.reject(waiting, error)
    return again
  }

  dropAborted(waiting: Waiting): boolean {
    if (waiting.signal?.aborted)
      this.reject(waiting, aborted('head.write', this.#access.headKey, waiting.signal.reason, true))
    return waiting.done
  }

  end(): void {
    for (const cancel of this.#cancels) cancel()
  }

  #onAbort(waiting: Waiting): void {
    if (this.open.every(({ signal }) => signal?.aborted)) {
      this.#controller?.abort(waiting.signal?.reason)
      return
    }
    // Others still wait for the shared write: this caller gets its verdict if it comes soon.
    this.#cancels.push(
      this.#access.environment.timer(ABORTED_SETTLE_MS, () => {
        if (waiting.done) return
        if (this.writeName === undefined) this.leavers++
        this.reject(
          waiting,
          this.writeName === undefined || !isIn(waiting)
            ? aborted('head.write', this.#access.headKey, waiting.signal?.reason)
            : new KeelstateError('OutcomeUnknown', {
                operation: 'head.write',
                key: this.#access.headKey,
                message:
                  'The call was aborted while its write was under way; it is not known yet whether it was stored.',
                details: { write: this.writeName },
                hint: `document.outcome('${this.writeName}') tells what became of it.`,
                cause: waiting.signal?.reason,
              }),
        )
      }),
    )
  }
}

/** Whether the write of this round carries its change: who was refused, because of what is written with it, is told so once that has landed. */
function isIn({ outcome }: Waiting): boolean {
  return outcome !== undefined && 'result' in outcome
}
