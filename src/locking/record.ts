import { KeelstateError } from '../core/errors.ts'
import type { LockHolder } from '../core/lease.ts'
import type { ListedLock } from './lock-store.ts'

export const MAX_LEASE_MS: number = 24 * 60 * 60 * 1000
/** Fences are era · 2³² + counter: a lock table that was lost or restored begins a new era. */
export const ERA: bigint = 2n ** 32n

/**
 * What a lock store keeps for each document. Clear, not sealed, and never deleted. docs/format.md "Lock records".
 */
export interface LockRecord {
  readonly held: boolean
  /** Random per acquisition; kept after the release. 32 hex digits. */
  readonly owner: string
  /** Random per write of the record: who sees it stand still sees a holder that does not renew. 32 hex digits. */
  readonly token: string
  /** Grows with every holder, every forced release and every new era. */
  readonly fence: bigint
  readonly leaseMs: number
  /** The last release left nothing that a later write could still reach: the next holder need not claim the head. */
  readonly clean: boolean
  /** `clean` as the present holder found it. */
  readonly prevClean: boolean
  /** More than one process works, or worked, under this owner: its release is not clean. */
  readonly uncertain: boolean
  /** The record was made anew, or restored: where there is a head, the next holder begins an era above its epoch and the record's own fence. */
  readonly reset: boolean
  /** The highest head that a holder saw: seq, first 8 bytes of its write id (hex), birth (hex). */
  readonly lastSeq: number
  readonly lastId: string
  readonly birth: string
  /** RFC 3339, by the holder's clock: for people. */
  readonly since: string
  readonly who: string
  readonly host: string
  readonly operation: string
  readonly reason?: string | undefined
  readonly run?: string | undefined
}

const MAX_FENCE = 2n ** 64n - 1n
const MAX_TEXT = 1024

/** Checks what a lock store gave back. @throws {KeelstateError} `Corrupt` that names the member. */
export function parseRecord(value: unknown, key: string): LockRecord {
  if (typeof value !== 'object' || value === null) throw damaged(key, 'record', 'not a record')
  const fields = value as Readonly<Record<string, unknown>>
  const member = <T>(name: keyof LockRecord, is: (found: unknown) => found is T, what: string): T => {
    const found = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (is(found)) return found
    throw damaged(key, name, `${found === undefined ? 'is missing; it has to be' : 'is not'} ${what}`)
  }
  const flag = (name: keyof LockRecord) => member(name, isFlag, 'true or false')
  const flagOr = (name: keyof LockRecord) => (fields[name] === undefined ? false : flag(name))
  const count = (name: keyof LockRecord) => member(name, isCount, 'a whole number from 0')
  const hexOf = (name: keyof LockRecord, form: RegExp) =>
    member(name, (found): found is string => typeof found === 'string' && form.test(found), 'of the right hex digits')
  const text = (name: keyof LockRecord) => member(name, isText, `a text of at most ${MAX_TEXT} characters`)
  const textOr = (name: 'reason' | 'run') => (fields[name] === undefined ? {} : { [name]: text(name) })
  const leaseMs = member('leaseMs', isLease, 'a whole number from 1')
  return {
    held: flag('held'),
    owner: hexOf('owner', HEX_32),
    token: hexOf('token', HEX_32),
    fence: member('fence', isFence, 'a u64'),
    leaseMs: Math.min(leaseMs, MAX_LEASE_MS), // a longer one is never honoured, whoever wrote it
    clean: flag('clean'),
    prevClean: flag('prevClean'),
    uncertain: flagOr('uncertain'),
    reset: flagOr('reset'),
    lastSeq: count('lastSeq'),
    lastId: hexOf('lastId', /^([0-9a-f]{16})?$/),
    birth: hexOf('birth', /^([0-9a-f]{32})?$/),
    since: text('since'),
    who: text('who'),
    host: text('host'),
    operation: text('operation'),
    ...textOr('reason'),
    ...textOr('run'),
  }
}

const HEX_32 = /^[0-9a-f]{32}$/
const isFlag = (found: unknown): found is boolean => typeof found === 'boolean'
const isCount = (found: unknown): found is number => Number.isSafeInteger(found) && (found as number) >= 0
const isLease = (found: unknown): found is number => isCount(found) && found > 0
const isText = (found: unknown): found is string => typeof found === 'string' && found.length <= MAX_TEXT
const isFence = (found: unknown): found is bigint => typeof found === 'bigint' && found >= 0n && found <= MAX_FENCE

function damaged(key: string, member: string, what: string): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key,
    message: `The lock record of ${key} is damaged: ${member}: ${what}.`,
    details: { differs: member },
    hint: 'keelstate wrote no such value: look at the record in the lock store. Once nobody is at work, delete it there: the next holder begins above all former ones.',
  })
}

/** What `list` yields for one record: what `read` gives, or the problem that it throws. */
export function listed(identity: string, read: () => LockRecord): ListedLock {
  try {
    return { identity, record: read() }
  } catch (error) {
    if (KeelstateError.is(error)) return { identity, problem: error }
    throw error
  }
}

export function holderOf(record: LockRecord): LockHolder {
  const { owner, held, who, host, operation, since, leaseMs, fence, reason, run } = record
  return {
    owner,
    held,
    who,
    host,
    operation,
    since,
    leaseMs,
    fence,
    ...(reason === undefined ? {} : { reason }),
    ...(run === undefined ? {} : { run }),
  }
}
