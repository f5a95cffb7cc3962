import type { Finding } from './inspection.ts'
import { STORE_KEY } from './names.ts'
import { PROBES } from './proof.ts'

const OFF_MS = 60_000 // a clock that is further off is told
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/**
 * Compares this machine's clock with the one that a service's answer tells in its header `date`.
 *
 * @param sentAt When the request was sent, and `answeredAt` when it was answered: wall-clock times in ms.
 * @param why What comes of a wrong clock.
 * @returns `undefined` when the answer tells no time.
 */
export function clockFinding(
  date: string | undefined,
  sentAt: number,
  answeredAt: number,
  why: string,
): Finding | undefined {
  const check = 'clock'
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return undefined
  const offset = Math.round((theirs - (sentAt + answeredAt) / 2) / 1000)
  if (Math.abs(offset) * 1000 <= OFF_MS)
    return { check, verdict: 'ok', says: "This machine's clock is right to within a minute." }
  return {
    check,
    verdict: 'warning',
    says: `This machine's clock is ${Math.abs(offset).toLocaleString('en-US')} s ${offset > 0 ? 'behind' : 'ahead of'} the service's.`,
    todo: `Set the clock. ${why}`,
  }
}

/** Whether requests to an endpoint of one's own can be read and changed on their way. @param endpoint `undefined`: the client's own. */
export function connectionFinding(endpoint: string | undefined): Finding {
  const check = 'tls'
  const url = endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined) return { check, verdict: 'unknown', says: 'The client has an endpoint of its own.' }
  if (url.protocol === 'https:') return { check, verdict: 'ok', says: 'Requests go over TLS.' }
  if (LOOPBACK.test(url.hostname)) return { check, verdict: 'ok', says: 'Requests do not leave this machine.' }
  return {
    check,
    verdict: 'warning',
    says: 'Requests go over plain HTTP: who sits in between can do what somebody can who writes the bucket.',
    todo: 'Use an https: endpoint.',
  }
}

/** Where a store keeps what is in use: docs/format.md "Keys". */
const FOLDERS = ['heads/', 'locks/', 'objects/', 'records/']

/** Whether a rule for the keys of a bucket that begin with `start` is about what the store with this prefix has in use; probes of doctor are not. */
export function isAboutStore(start: string, prefix: string): boolean {
  if (start.startsWith(prefix + PROBES)) return false
  const within = FOLDERS.some((folder) => start.startsWith(prefix + folder))
  return within || [STORE_KEY, ...FOLDERS].some((place) => (prefix + place).startsWith(start))
}
