import { randomBytes, randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { aborted } from './errors.ts'

/** Time and chance, injectable so that a test or a simulation owns both. */
export interface Environment {
  /** Wall-clock time in ms since 1970. Only for what people read; never compared across machines. */
  now(): number
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number
  /** Resolves after `ms`; rejects with `Aborted` when `signal` fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `fire` after `ms` unless the returned function is called first. */
  timer(ms: number, fire: () => void): () => void
  /** Cryptographically strong random bytes. */
  randomBytes(length: number): Uint8Array
  /** A number in [0, 1) for jitter. */
  random(): number
}

/** The real clock and the operating system's randomness. */
export const systemEnvironment: Environment = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted('wait', undefined, signal.reason))
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      const onAbort = () => {
        clearTimeout(timer)
        reject(aborted('wait', undefined, signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
  timer(ms, fire) {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  },
  randomBytes: (length) => randomBytes(length),
  random: () => randomInt(2 ** 32) / 2 ** 32,
}
