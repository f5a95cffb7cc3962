import { createHash, randomUUID } from 'node:crypto'
import { isNotExecuted } from '../core/retry.ts'
import type { PutCondition } from '../core/store.ts'

const REMEMBERED = 1_000 // attempts of unknown outcome; each is about 100 bytes

/**
 * Names a logical write to the service, which answers a second request of the same name with the first one's answer instead of executing it
 * (https://github.com/googleapis/google-cloud-cpp/pull/12347). Nothing rests on it: how long the service remembers is not documented.
 *
 * A driver sees attempts, not writes. A write of the same bytes to the same key under the same condition as an attempt whose outcome is not known is
 * taken for its resend; after a definite answer it is another write, and has to be refused like any other.
 */
export class IdempotencyTokens {
  readonly #undecided = new Map<string, string>() // oldest first

  /** Makes one attempt, with the token (a UUID) that names its write. */
  async attempt<T>(
    key: string,
    condition: PutCondition,
    md5: Uint8Array,
    make: (token: string) => Promise<T>,
  ): Promise<T> {
    const expected = 'ifAbsent' in condition ? '' : condition.ifMatch
    const write = createHash('sha256')
      .update(JSON.stringify([key, expected]))
      .update(md5)
      .digest('base64')
    const token = this.#undecided.get(write) ?? randomUUID()
    this.#undecided.delete(write)
    try {
      return await make(token)
    } catch (error) {
      if (!isNotExecuted(error)) this.#remember(write, token)
      throw error
    }
  }

  /** Something is being deleted: what is written from now on is new. */
  forget(): void {
    this.#undecided.clear()
  }

  #remember(write: string, token: string): void {
    this.#undecided.set(write, token)
    if (this.#undecided.size <= REMEMBERED) return
    const [oldest] = this.#undecided.keys()
    this.#undecided.delete(oldest!)
  }
}
