import type { Environment } from '../../src/core/environment.ts'
import { aborted } from '../../src/core/errors.ts'
import { Random } from './random.ts'

/** Time that passes only when a test says so, and reproducible chance. */
export class VirtualTime implements Environment {
  /** Wall clock in ms since 1970. */
  wall: number
  readonly #random: Random
  readonly #timers = new Map<number, { at: number; fire: () => void }>()
  #elapsed = 0
  #count = 0

  constructor(options: { wall?: number; seed?: number } = {}) {
    this.wall = options.wall ?? Date.parse('2026-01-02T03:04:05.678Z')
    this.#random = new Random(options.seed ?? 1)
  }

  now(): number {
    return Math.floor(this.wall)
  }

  monotonic(): number {
    return this.#elapsed
  }

  timer(ms: number, fire: () => void): () => void {
    const id = ++this.#count
    this.#timers.set(id, { at: this.#elapsed + ms, fire })
    return () => void this.#timers.delete(id)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted('wait', undefined, signal.reason))
      const cancel = this.timer(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      const onAbort = () => {
        cancel()
        reject(aborted('wait', undefined, signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  randomBytes(length: number): Uint8Array {
    return this.#random.bytes(length)
  }

  random(): number {
    return this.#random.next()
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets `ms` pass: fires what is due, in order, and lets everything that follows from it run. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    for (;;) {
      const next = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (next === undefined) break
      const [id, { at, fire }] = next
      this.wall += at - this.#elapsed
      this.#elapsed = at
      this.#timers.delete(id)
      fire()
      await settle()
    }
    this.wall += end - this.#elapsed
    this.#elapsed = end
  }

  /** Lets time pass until `work` is settled; resolves to how many ms that took. */
  async until(work: Promise<unknown>, limitMs = 600_000): Promise<number> {
    const started = this.#elapsed
    let done = false
    work.then(
      () => {
        done = true
      },
      () => {
        done = true
      },
    )
    await settle()
    while (!done) {
      const next = Math.min(...[...this.#timers.values()].map(({ at }) => at))
      if (this.#elapsed - started > limitMs) throw new Error(`not settled after ${limitMs} ms`)
      if (next === Number.POSITIVE_INFINITY) await settle()
      else await this.advance(Math.max(0, next - this.#elapsed))
    }
    return this.#elapsed - started
  }
}

/** Lets everything run that waits for no timer. Work on the thread pool (compression) is not waited for: seal in plaintext. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}
