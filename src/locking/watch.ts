import type { Environment } from '../core/environment.ts'
import type { LockRecord } from './record.ts'

/** Added to a lease before its holder counts as dead, in ms: what two clocks may drift apart in a lease, and then some. */
export const EXPIRY_MARGIN_MS = 5_000

/**
 * Watches a holder's token. A holder is dead when the same token stood still for lease and margin on this process's own monotonic clock; clocks of two
 * machines are never compared.
 */
export class TokenWatch {
  readonly #environment: Environment
  #token: string | undefined
  #since = 0

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Notes what stands in the record, and returns the ms until its holder counts as dead: 0 or less when it does. */
  note(record: LockRecord): number {
    const now = this.#environment.monotonic()
    if (record.token !== this.#token) {
      this.#token = record.token
      this.#since = now
    }
    return record.leaseMs + EXPIRY_MARGIN_MS - (now - this.#since)
  }
}
