/**
 * What a service gets wrong that only looks like Google Cloud Storage, each part by itself. Nothing is wrong by default.
 *
 * `refused`: answered 412 although the condition holds, and not carried out. `denied-after-write`: carried out, and answered 412.
 */
export interface GcsFlaws {
  /** Writes with `ifGenerationMatch=0`. */
  readonly creates?: GcsWriteFlaw
  /** Writes with any other `ifGenerationMatch`. */
  readonly updates?: GcsWriteFlaw
  /** Bodies that do not fit their hash are stored. */
  readonly checksums?: 'ignored'
  /** For a moment after a write, reads answer as if it had not been made. */
  readonly reads?: 'stale'
  /** For a moment after it was created, an object is not listed. */
  readonly lists?: 'stale'
  /** A read with `ifGenerationNotMatch` is always told that nothing changed. */
  readonly notModified?: 'always'
  /** Bodies come back with something added. */
  readonly bodies?: 'framed'
}

/** How preconditions of writes are treated: as they should be, not at all, or checked and then waited. */
export type GcsConditions = 'enforced' | 'ignored' | 'racy'
export type GcsWriteFlaw = Exclude<GcsConditions, 'enforced'> | 'refused' | 'denied-after-write'

/** How long a stale read lags, in ms. */
export const STALE_MS = 150
/** How long a stale listing does: longer than a slow machine takes from a write to it. */
export const STALE_LIST_MS = 10_000

/** The flaw that a write with these parameters meets. */
export function flawOf(
  query: Readonly<Record<string, string>>,
  conditions: GcsConditions,
  flaws: GcsFlaws,
): GcsWriteFlaw | undefined {
  if (conditions !== 'enforced') return conditions
  if (query.ifGenerationMatch === undefined) return undefined
  return query.ifGenerationMatch === '0' ? flaws.creates : flaws.updates
}
