import { z } from 'zod'
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
  /** Grows with every holder and every forced release. */
  readonly fence: bigint
  readonly leaseMs: number
  /** The last release left nothing that a later write could still reach: the next holder need not claim the head. */
  readonly clean: boolean
  /** `clean` as the present holder found it. */
  readonly prevClean: boolean
  /** A commit under the present lease is of unknown outcome. */
  readonly uncertain: boolean
  /** The record was made anew: its fence must be seeded from the head. */
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

const hex32 = z.string().regex(/^[0-9a-f]{32}$/)
const short = z.string().max(1024)

const schema = z.object({
  held: z.boolean(),
  owner: hex32,
  token: hex32,
  fence: z
    .bigint()
    .nonnegative()
    .max(2n ** 64n - 1n),
  leaseMs: z.number().int().positive(),
  clean: z.boolean(),
  prevClean: z.boolean(),
  uncertain: z.boolean().default(false),
  reset: z.boolean().default(false),
  lastSeq: z.number().int().nonnegative(),
  lastId: z.string().regex(/^([0-9a-f]{16})?$/),
  birth: z.string().regex(/^([0-9a-f]{32})?$/),
  since: short,
  who: short,
  host: short,
  operation: short,
  reason: short.optional(),
  run: short.optional(),
})

/** Checks what a lock store gave back. @throws {KeelstateError} `Corrupt` that names the member. */
export function parseRecord(value: unknown, key: string): LockRecord {
  const parsed = schema.safeParse(value)
  // A lease longer than a day is never honoured, whoever wrote it.
  if (parsed.success) return { ...parsed.data, leaseMs: Math.min(parsed.data.leaseMs, MAX_LEASE_MS) }
  const issue = parsed.error.issues[0]
  throw new KeelstateError('Corrupt', {
    key,
    message: `The lock record of ${key} is damaged: ${issue?.path.join('.') ?? 'record'}: ${issue?.message ?? 'not a record'}.`,
    details: { differs: issue?.path.join('.') ?? 'record' },
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
