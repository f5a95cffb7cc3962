import type { ConditionsMode } from './operations.ts'

/**
 * What a service gets wrong that only looks like S3, each part by itself. Nothing is wrong by default.
 *
 * `refused`: answered 412 although the condition holds, and not carried out. `denied-after-write`: carried out, and answered 412.
 */
export interface S3Flaws {
  readonly ifNoneMatch?: WriteFlaw
  readonly ifMatch?: WriteFlaw
  /** Bodies that do not fit their checksum are stored. */
  readonly checksums?: 'ignored'
  /** For a moment after a write, reads answer as if it had not been made. */
  readonly reads?: 'stale'
  /** For a moment after it was created, an object is not listed. */
  readonly lists?: 'stale'
  /** A read that names the version it knows is always told that nothing changed. */
  readonly notModified?: 'always'
  /** Bodies come back with something added. */
  readonly bodies?: 'framed'
}

type WriteFlaw = Exclude<ConditionsMode, 'enforced'> | 'refused' | 'denied-after-write'

/** How long a stale read lags, in ms. */
export const STALE_MS = 150
/** How long a stale listing does: longer than a slow machine takes from a write to it. */
export const STALE_LIST_MS = 10_000

/** The flaw that a write with these headers meets. */
export function flawOf(
  headers: Readonly<Record<string, string>>,
  conditions: ConditionsMode,
  flaws: S3Flaws,
): WriteFlaw | undefined {
  if (conditions !== 'enforced') return conditions
  if (headers['if-none-match'] !== undefined) return flaws.ifNoneMatch
  return headers['if-match'] === undefined ? undefined : flaws.ifMatch
}
