import { setTimeout as sleep } from 'node:timers/promises'
import { WRITE_INTERVAL_MS } from './errors.ts'

const CROWDED_FOR_MS = 10_000 // after the last write that was refused, or that waited: then nothing is in a hurry any more
const NEVER = Number.NEGATIVE_INFINITY
const REMEMBERED = 1_000 // names
const IN_A_ROW = 3 // writes, until others get a turn of whom nothing is known: they may be refused each time, a moment too soon

/** What is known of one name, in ms of the monotonic clock. */
interface Name {
  /** The service refused a write that came too soon. */
  refusedAt: number
  /** It took one of ours. */
  writtenAt: number
  /** Somebody else wrote it, too. */
  othersAt: number
  /** How many of ours it took since others last got a turn. */
  row: number
}

/**
 * Keeps the writes of one object apart where the service has said that they come too fast. Before it says so nothing waits; from then on a write of
 * that name is sent when the service will take it, instead of being refused and sent again. Whoever sends each write at that very moment keeps all
 * others out, who cannot know it: so a process leaves every second turn to others once it has met them, and one in four before.
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
    const givesWay = now - known.othersAt <= CROWDED_FOR_MS || known.row >= IN_A_ROW
    if (givesWay) known.row = 0
    const waitMs = known.writtenAt + (givesWay ? 2 : 1) * WRITE_INTERVAL_MS - now
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
  }

  /** The service took a write. */
  written(name: string): void {
    const known = this.#names.get(name)
    if (known === undefined) return
    known.writtenAt = performance.now()
    known.row++
  }

  /** The service refused a write because it came too soon: after one of ours, or else after one of others. */
  refused(name: string): void {
    const now = performance.now()
    const known = this.#names.get(name) ?? { writtenAt: NEVER, othersAt: NEVER, row: 0 }
    this.#names.delete(name)
    const others = known.writtenAt !== NEVER && now - known.writtenAt >= WRITE_INTERVAL_MS
    this.#names.set(name, { ...known, refusedAt: now, othersAt: others ? now : known.othersAt })
    if (this.#names.size <= REMEMBERED) return
    const [oldest] = this.#names.keys()
    this.#names.delete(oldest!)
  }

  /** What stands there is not what we left there. */
  contested(name: string): void {
    const known = this.#names.get(name)
    if (known !== undefined) known.othersAt = performance.now()
  }
}
