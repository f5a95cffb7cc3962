import { KeelstateError } from '../core/errors.ts'
import { compareUtf8 } from '../go-json/text.ts'
import { compareInstants, formatTime, type Instant, parseTime } from '../go-json/time.ts'

interface Named {
  readonly id: string
  readonly name: TimeName | undefined
}

/** A revision id that is a time, with `_<n>` when an earlier one had taken the same time. */
interface TimeName {
  readonly instant: Instant
  /** 0 without one. */
  readonly suffix: bigint
}

/**
 * Revision ids from the oldest to the newest: by time, then by suffix, then by their bytes; ids that are no time names come last, by their bytes.
 * The list is not changed.
 */
export function sortRevisions(revisions: readonly string[] | null | undefined): string[] {
  return (revisions ?? [])
    .map((id) => ({ id, name: parseTimeName(id) }))
    .sort(compareNamed)
    .map(({ id }) => id)
}

/** The order of `sortRevisions`: below 0 when `a` is the older. */
export function compareRevisions(a: string, b: string): number {
  return compareNamed({ id: a, name: parseTimeName(a) }, { id: b, name: parseTimeName(b) })
}

/** Whether a revision is named by its time, as the contract names them. */
export function isTimeName(id: string): boolean {
  return parseTimeName(id) !== undefined
}

/** The time that names a revision, RFC 3339 in UTC; `undefined` when it is named otherwise. */
export function timeOfRevision(id: string): string | undefined {
  const instant = parseTimeName(id)?.instant
  const written = instant && formatTime({ ...instant, offsetSeconds: 0 })
  return typeof written === 'string' ? written : undefined
}

/**
 * The id of a revision that is made now: the time in UTC, or one nanosecond after `newest` when the clock has not passed it.
 *
 * @param nowMs Wall-clock time in ms since 1970.
 * @param newest The last of `sortRevisions`; ignored when it is no time name.
 * @throws {KeelstateError} `InvalidInput` when the clock is outside the years 0 to 9999.
 */
export function nextRevisionId(nowMs: number, newest?: string): string {
  const now: Instant = {
    seconds: Math.floor(nowMs / 1000),
    nanos: Math.floor(nowMs - Math.floor(nowMs / 1000) * 1000) * NANOS_PER_MS,
    offsetSeconds: 0,
  }
  const last = newest === undefined ? undefined : parseTimeName(newest)
  if (last === undefined || compareInstants(now, last.instant) > 0) {
    const id = formatTime(now)
    if (typeof id === 'string') return id
    throw new KeelstateError('InvalidInput', {
      operation: 'nextRevisionId',
      message: `the clock shows no time of the years 0 to 9999: ${nowMs} ms`,
    })
  }
  const { seconds, nanos } = last.instant
  const carry = nanos + 1 === NANOS ? 1 : 0
  const id = formatTime({ seconds: seconds + carry, nanos: carry === 1 ? 0 : nanos + 1, offsetSeconds: 0 })
  return typeof id === 'string' ? id : `${newest!.replace(/_.*$/, '')}_${last.suffix + 1n}` // no later time can be written
}

const NANOS = 1_000_000_000 // in a second
const NANOS_PER_MS = 1_000_000
const MAX_SUFFIX = 2n ** 63n - 1n

function parseTimeName(id: string): TimeName | undefined {
  const parts = id.split('_')
  if (parts.length > 2) return undefined
  const instant = parseTime(parts[0]!)
  if ('problem' in instant) return undefined
  if (parts.length === 1) return { instant, suffix: 0n }
  const digits = /^\+?(\d+)$/.exec(parts[1]!)?.[1]
  const suffix = digits === undefined ? 0n : BigInt(digits)
  return suffix >= 1n && suffix <= MAX_SUFFIX ? { instant, suffix } : undefined
}

function compareNamed(a: Named, b: Named): number {
  if (a.name === undefined || b.name === undefined) {
    return Number(a.name === undefined) - Number(b.name === undefined) || compareUtf8(a.id, b.id)
  }
  return compareTimeNames(a.name, b.name) || compareUtf8(a.id, b.id)
}

function compareTimeNames(a: TimeName, b: TimeName): number {
  return compareInstants(a.instant, b.instant) || (a.suffix < b.suffix ? -1 : a.suffix > b.suffix ? 1 : 0)
}
