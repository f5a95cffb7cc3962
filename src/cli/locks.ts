import { KeelstateError } from '../core/errors.ts'
import type { LockHolder, UnreadableLock } from '../index.ts'
import { durationText } from './durations.ts'
import type { Output } from './output.ts'
import { count, shown } from './text.ts'

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

/** A lock whose record cannot be read, in `--json`. */
export interface UnreadableLockJson {
  name: string
  kind: string
  code: string
  message: string
}

export function unreadableJson({ name, kind, problem }: UnreadableLock): UnreadableLockJson {
  return { name, kind, code: problem.code, message: problem.message }
}

export async function tellUnreadable(unreadable: readonly UnreadableLock[], output: Output): Promise<void> {
  for (const { name, problem } of unreadable) await output.talk(`unreadable: ${shown(name)}: ${shown(problem.message)}`)
}

/** What a command that went through all locks ends with when it could not read some of them. */
export function unreadableLocks(
  operation: string,
  unreadable: readonly UnreadableLock[],
): KeelstateError<'Corrupt'> | undefined {
  const first = unreadable[0]
  if (first === undefined) return undefined
  return new KeelstateError('Corrupt', {
    operation,
    key: first.name,
    message: `${count(unreadable.length, 'lock record')} cannot be read: nobody can take ${unreadable.length === 1 ? 'that lock' : 'those locks'}.`,
    ...(first.problem.hint === undefined ? {} : { hint: first.problem.hint }),
    cause: first.problem,
  })
}
