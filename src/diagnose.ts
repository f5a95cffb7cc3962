import { setMaxListeners } from 'node:events'
import { type Environment, systemEnvironment } from './core/environment.ts'
import { KeelstateError } from './core/errors.ts'
import { DEFAULT_LIMITS, type Limits } from './core/retry.ts'
import type { CallOptions, ObjectStore } from './core/store.ts'
import type { DoctorReport } from './doctor/examine.ts'
import type { LockStore } from './locking/index.ts'
import { openAddress, openLocks } from './open.ts'

export type { DoctorReport } from './doctor/examine.ts'

const DEFAULT_WRITERS = 8 // and no fewer: what so few did not catch would be remembered as proven
const DEFAULT_ROUNDS = 25
const MOST = { writers: 64, rounds: 10_000 }

export interface DoctorOptions extends CallOptions {
  /** As in `openStore`. */
  store: string | ObjectStore
  /** As in `openStore`; what is proven of the store holds for locks that are kept in it. */
  lock?: string | LockStore
  /** How many writers race at once: 8 to 64, default 8. */
  writers?: number
  /** How often they do: default 25. What fewer than 10 rounds found out is not remembered. */
  rounds?: number
  /** Told what is checked, and how far that is. */
  onProgress?: (check: string, done: number, of: number) => void
  /** Timeouts in ms. */
  limits?: Partial<Limits>
  /** Clock and randomness, for tests. */
  environment?: Environment
}

/**
 * Proves that a store, and a lock table, do what keelstate rests on: writers race for one object, one version and one lock, readers look at once, and
 * the service's settings are asked for. No key is needed. What was proven is remembered in the store, so that locks are let in there.
 *
 * @throws {KeelstateError} when the place cannot be reached at all: `BucketMissing`, `Unauthenticated`, `Unavailable`; `InvalidOptions`; `Aborted`,
 *   after the probes were deleted.
 */
export async function doctor(options: DoctorOptions): Promise<DoctorReport> {
  const { writers = DEFAULT_WRITERS, rounds = DEFAULT_ROUNDS } = options
  const signal = options.signal && AbortSignal.any([options.signal])
  if (signal !== undefined) setMaxListeners(0, signal) // one for each request under way
  checkCount('writers', writers, DEFAULT_WRITERS)
  checkCount('rounds', rounds, 1)
  const store = typeof options.store === 'string' ? await openAddress(options.store) : options.store
  const apart =
    options.lock === undefined || options.lock === 'store' ? undefined : await openLocks(options.lock, store)
  const { examine } = await import('./doctor/examine.ts')
  try {
    return await examine(
      {
        store,
        ...(apart === undefined ? {} : { locks: apart }),
        environment: options.environment ?? systemEnvironment,
        limits: { ...DEFAULT_LIMITS, ...options.limits },
        writers,
        rounds,
        onProgress: options.onProgress,
      },
      { signal },
    )
  } finally {
    if (typeof options.lock === 'string') await apart?.close()
    if (typeof options.store === 'string') await store.close()
  }
}

function checkCount(option: 'writers' | 'rounds', value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= MOST[option]) return
  throw new KeelstateError('InvalidOptions', {
    operation: 'doctor',
    message: `${option} must be a whole number from ${least} to ${MOST[option]}.`,
    details: { option },
  })
}
