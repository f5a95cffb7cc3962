/** A point in time with the zone in which it was written: Go's `time.Time`. */
export interface Instant {
  /** Whole seconds since 1970 UTC, down to the first second of year 0 and before. */
  readonly seconds: number
  /** 0 to 999,999,999. */
  readonly nanos: number
  /** Seconds east of UTC. */
  readonly offsetSeconds: number
}

/** Go's zero time, as it is written. */
export const ZERO_TIME = '0001-01-01T00:00:00Z'

const LAX = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/
const STRICT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/**
 * Reads a time as Go's `time.Parse(time.RFC3339, …)` does, which is laxer than RFC 3339: an hour of one digit, a comma before the fraction, any
 * number of fraction digits (cut after nine), a zone of 24 hours or 60 minutes. Answers with what is wrong when it is none.
 */
export function parseTime(text: string): Instant | { readonly problem: string } {
  const parts = LAX.exec(text)
  if (parts === null) return { problem: 'not of the form 2006-01-02T15:04:05.999Z or 2006-01-02T15:04:05.999+07:00' }
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12) return { problem: 'month out of range' }
  if (hour > 23) return { problem: 'hour out of range' }
  if (minute > 59) return { problem: 'minute out of range' }
  if (second > 59) return { problem: 'second out of range' }
  let offsetSeconds = 0
  if (parts[8] !== undefined) {
    const hours = Number(parts[9])
    const minutes = Number(parts[10])
    if (hours > 24 || minutes > 60) return { problem: 'time zone offset out of range' }
    offsetSeconds = (hours * 60 + minutes) * (parts[8] === '-' ? -60 : 60) + 0 // no negative zero
  }
  if (day < 1 || day > daysInMonth(year, month)) return { problem: 'day out of range' }
  const nanos = Number((parts[7] ?? '').slice(0, 9).padEnd(9, '0'))
  const seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offsetSeconds
  return { seconds, nanos, offsetSeconds }
}

/**
 * Writes a time as Go's `Time.MarshalJSON` does (RFC 3339, nanoseconds without trailing zeros), or answers with why it cannot be
 * written: RFC 3339 has no year beyond 0–9999 and no zone of 24 hours.
 */
export function formatTime(instant: Instant): string | { readonly problem: string } {
  const local = instant.seconds + instant.offsetSeconds
  const days = Math.floor(local / 86_400)
  const { year, month, day } = civilFromDays(days)
  if (!(year >= 0 && year <= 9_999)) return { problem: 'year outside of range [0,9999]' }
  const rest = local - days * 86_400
  const clock = `${two(Math.floor(rest / 3_600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`
  const fraction = instant.nanos === 0 ? '' : `.${String(instant.nanos).padStart(9, '0').replace(/0+$/, '')}`
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  if (instant.offsetSeconds === 0) return `${date}T${clock}${fraction}Z`
  const zone = Math.trunc(instant.offsetSeconds / 60)
  const hours = Math.floor(Math.abs(zone) / 60)
  if (hours >= 24) return { problem: 'timezone hour outside of range [0,23]' }
  return `${date}T${clock}${fraction}${zone < 0 ? '-' : '+'}${two(hours)}:${two(Math.abs(zone) % 60)}`
}

/**
 * The string that a decoded document holds for a time: the text itself when it is RFC 3339, else the form in which it would be written, so that
 * other programs can read it.
 */
export function keptTime(text: string, instant: Instant): string {
  if (STRICT.test(text)) return text
  const written = formatTime(instant)
  return typeof written === 'string' ? written : text
}

/** Orders two instants, whatever their zones. */
export function compareInstants(a: Instant, b: Instant): number {
  return a.seconds - b.seconds || a.nanos - b.nanos
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n)
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/**
 * Days since 1970-01-01 in the proleptic Gregorian calendar, for any year.
 * http://howardhinnant.github.io/date_algorithms.html
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const mp = Math.floor((5 * dayOfYear + 2) / 153)
  const month = mp < 10 ? mp + 3 : mp - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * mp + 2) / 5) + 1,
  }
}
