import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import { type Deadline, isNotExecuted, isTransient } from '../core/retry.ts'

const SETTLE_MS = 5_000 // how long a write under way may still answer after an abort: what lands later is not deleted
const ENOUGH = 3 // rounds of one fault after which no more are needed to say so

/** What became of one of several writers that raced. */
export type Contender<T> =
  | { readonly outcome: 'won'; readonly written: T }
  | { readonly outcome: 'refused' }
  /** It may have been executed. `conflict`: the service did answer, that the write met another one, as it may say to those that it refuses. */
  | { readonly outcome: 'unknown'; readonly conflict?: boolean }

/**
 * Makes one conditional write, once: only what certainly had no effect is sent again.
 *
 * @throws {KeelstateError} a refusal that has nothing to do with the condition, such as `AccessDenied`.
 */
export async function contend<T>(
  deadline: Deadline,
  key: string,
  write: Parameters<Deadline['attempt']>[3],
): Promise<Contender<T>> {
  for (;;) {
    try {
      return { outcome: 'won', written: (await deadline.attempt('doctor.write', key, 0, write, SETTLE_MS)) as T }
    } catch (error) {
      if (KeelstateError.is(error, 'PreconditionFailed') || KeelstateError.is(error, 'NotFound'))
        return { outcome: 'refused' }
      if (deadline.aborted || !isTransient(error)) throw error
      if (!isNotExecuted(error))
        return { outcome: 'unknown', conflict: KeelstateError.is(error) && error.details.status === 409 }
      if (deadline.left <= 0) throw error
      await deadline.backoff(error)
    }
  }
}

/** What stood there after a round. */
export type After =
  | { readonly stands: 'before' }
  /** What the contender with this number wrote. */
  | { readonly stands: 'contender'; readonly number: number }
  /** Neither: somebody else is at work on the same probe. */
  | { readonly stands: 'foreign' }

/** Counts what was seen in the rounds of a race, and says what follows from it. */
export class RaceJudge {
  rounds = 0
  #doubles = 0
  #lost = 0
  #silent = 0
  #denied = 0
  #foreign = 0
  #unknown = 0

  note(contenders: readonly Contender<unknown>[], after: After): void {
    this.rounds++
    const winners = contenders.flatMap(({ outcome }, number) => (outcome === 'won' ? [number] : []))
    const unknown = contenders.some(({ outcome }) => outcome === 'unknown')
    const unanswered = contenders.some((one) => one.outcome === 'unknown' && one.conflict !== true)
    if (winners.length > 1) this.#doubles++
    else if (after.stands === 'foreign') this.#foreign++
    else if (winners.length === 1) {
      if (after.stands !== 'contender' || after.number !== winners[0]) this.#lost++
      else if (unanswered) this.#unknown++ // whoever had no answer may have been let in before
    } else if (unknown) this.#unknown++
    else if (after.stands === 'contender') this.#silent++
    else this.#denied++
  }

  /** More rounds would only say the same. */
  get decided(): boolean {
    return Math.max(this.#doubles, this.#lost, this.#denied) >= ENOUGH
  }

  /** @param what What each writer tried, such as "create the same object". */
  finding(check: string, what: string, writers: number): Finding {
    const times = (n: number) => `in ${n} of ${this.rounds} rounds`
    const todo =
      'Keep no state here that more than one process writes. Ask the vendor for conditional writes that are atomic, or use another service.'
    const unsafe = (says: string): Finding => ({ check, verdict: 'unsafe', says, todo })
    if (this.#doubles > 0)
      return unsafe(
        `${times(this.#doubles)} more than one of ${writers} writers that tried to ${what} was told that it did.`,
      )
    if (this.#lost > 0)
      return unsafe(
        `${times(this.#lost)} a writer that tried to ${what} was told that it did, and what stands there is not what it wrote.`,
      )
    if (this.#denied > 0)
      return unsafe(
        `${times(this.#denied)} none of ${writers} writers was able to ${what}, although the condition held.`,
      )
    const usable = this.rounds - this.#foreign - this.#unknown
    if (this.rounds === 0 || usable < this.rounds / 2) {
      const why =
        this.#foreign > 0 ? 'somebody else was at work on the same probe' : 'too many requests were not answered'
      return { check, verdict: 'unknown', says: `It could not be found out: ${why}.`, todo: 'Run it again.' }
    }
    if (this.#silent > 0) {
      return {
        check,
        verdict: 'warning',
        says: `${times(this.#silent)} a writer that did ${what} was told that it did not. keelstate finds out by reading back, at the cost of a request.`,
        todo: 'Look for something in between that repeats requests, such as a proxy.',
      }
    }
    return {
      check,
      verdict: 'ok',
      says: `${writers} writers at once tried to ${what}, ${this.rounds} times: one did, each time.`,
    }
  }
}
