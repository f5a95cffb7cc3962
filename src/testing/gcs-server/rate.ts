import { performance } from 'node:perf_hooks'
import { GcsRefusal } from './answers.ts'

/**
 * The service's limit on changes to one object name: one a second, without a burst. A change that comes too early is refused before anything
 * of it is looked at. https://cloud.google.com/storage/quotas#objects
 */
export class ChangeRate {
  readonly #lastChange = new Map<string, number>()
  /** Least time between two changes of one name, in ms; 0 for no limit. */
  gapMs: number

  constructor(gapMs: number) {
    this.gapMs = gapMs
  }

  /** @throws {GcsRefusal} `rateLimitExceeded` */
  check(bucket: string, name: string): void {
    const last = this.#lastChange.get(`${bucket}/${name}`)
    if (last === undefined || performance.now() - last >= this.gapMs) return
    throw new GcsRefusal('rateLimitExceeded')
  }

  /** Notes that an object was changed. */
  changed(bucket: string, name: string): void {
    if (this.gapMs > 0) this.#lastChange.set(`${bucket}/${name}`, performance.now())
  }
}
