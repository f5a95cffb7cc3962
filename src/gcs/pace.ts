import { setTimeout as sleep } from 'node:timers/promises'
import { WRITE_INTERVAL_MS } from './errors.ts'

const CROWDED_FOR_MS = 10_000 // after the last write that was refused, or that waited: then nothing is in a hurry any more
const REMEMBERED = 1_000 // names

/** What is known of one name, in ms of the monotonic clock. */
interface Name {
  /** The service refused a write that came too soon. */
  refusedAt: number
  /** It took one of ours. */
  writtenAt: number
}

/**
 * Keeps the writes of one object apart where the service has said that they come too fast. Before it says so nothing waits; from then on a write of
 * that name is sent when the service will take it, instead of being refused and sent again.
 */
export class WritePace {
  readonly #names = new Map<string, Name>() // the one that was refused longest ago first

  /** Resolves when `name` may be written, as far as this process knows; soon when `signal` fires. */
  async turn(name: string, signal: AbortSignal | undefined): Promise<void> {
    const known = this.#names.get(name)
    const now = performance.now()
    if (known === undefined) return
    if (now - Math.max(known.refusedAt, known.writtenAt) > CROWDED_FOR_MS) {
      this.#names.delete(name)
      return
    }
    const waitMs = known.writtenAt + WRITE_INTERVAL_MS - now
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
  }

  /** The service took a write. */
  written(name: string): void {
    const known = this.#names.get(name)
    if (known !== undefined) known.writtenAt = performance.now()
  }

  /** The service refused a write because it came too soon. */
  refused(name: string): void {
    const writtenAt = this.#names.get(name)?.writtenAt ?? Number.NEGATIVE_INFINITY
    this.#names.delete(name)
    this.#names.set(name, { refusedAt: performance.now(), writtenAt })
    if (this.#names.size <= REMEMBERED) return
    const [oldest] = this.#names.keys()
    this.#names.delete(oldest!)
  }
}
