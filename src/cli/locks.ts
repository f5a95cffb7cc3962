import type { LockHolder } from '../index.ts'
import { durationText } from './durations.ts'
import { shown } from './text.ts'

/** A lock's holder in `--json`. */
export interface LockJson {
  held: boolean
  owner: string
  who: string
  host: string
  operation: string
  reason: string | null
  run: string | null
  since: string
  leaseMs: number
  /** Text: it may lie beyond 2^53. */
  fence: string
}

export function lockJson({
  held,
  owner,
  who,
  host,
  operation,
  reason,
  run,
  since,
  leaseMs,
  fence,
}: LockHolder): LockJson {
  return {
    held,
    owner,
    who,
    host,
    operation,
    reason: reason ?? null,
    run: run ?? null,
    since,
    leaseMs,
    fence: fence.toString(),
  }
}

/** The command that breaks a lock: whoever types it has seen the owner. */
export function breakCommand(name: string, owner: string): string {
  return `keelstate unlock ${/^[\w@%+=:,./-]+$/.test(name) ? name : `'${shown(name).replaceAll("'", "'\\''")}'`} --owner ${shown(owner)}`
}

/** Name, state, who, since, lease and what for: a row of `columns`. */
export function lockRow(lock: LockHolder & { name: string }): string[] {
  return [
    shown(lock.name),
    lock.held ? 'held' : 'free',
    `${shown(lock.who)}@${shown(lock.host)}`,
    shown(lock.since),
    durationText(lock.leaseMs),
    [lock.operation, ...(lock.reason === undefined ? [] : [lock.reason])].map((part) => shown(part)).join(', '),
  ]
}
