import assert from 'node:assert/strict'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import { documentName, identityOf } from '../../core/names.ts'
import type { Claim, LockKey, LockRecord, LockStore, StoredLock } from '../../locking/index.ts'
import type { SuiteCase } from '../suite.ts'

/** What a case works on. */
export interface LockStoreContext {
  /** Fresh: its place holds no record. */
  readonly locks: LockStore
  /** `locks` first, then, where the harness can open them, more handles on the same place: four in all. */
  handles(): Promise<readonly LockStore[]>
  /** Opens one more handle on the same place. */
  openAgain(): Promise<LockStore>
  openMissingPlace(): Promise<LockStore>
  openDenied(): Promise<LockStore>
  /** Lets the service take what is sent from now on without ever answering. */
  stall(): Promise<void>
  /** Makes the record at `key` unreadable, behind the lock store's back. */
  damage(key: LockKey): Promise<void>
  /** How often a race is run. */
  readonly rounds: number
  /** How many records a long listing has. */
  readonly many: number
}

export type LockStoreCase = SuiteCase<LockStoreContext>

export const STORE_ID = '0123456789abcdef0123456789abcdef'
export const OTHER_STORE = 'fedcba9876543210fedcba9876543210'

export function lockOf(path: string, storeId: string = STORE_ID): LockKey {
  const name = documentName(path.split('/'))
  return { storeId, name, identity: identityOf(name) }
}

/** 32 hex digits that no other number has. */
export function id(n: number): string {
  return n.toString(16).padStart(32, '0')
}

/** A record as a holder writes it, with what matters to the case. */
export function record(changes: Partial<LockRecord> = {}): LockRecord {
  return {
    held: true,
    owner: id(1),
    token: id(2),
    fence: 1n,
    leaseMs: 30_000,
    clean: false,
    prevClean: false,
    uncertain: false,
    reset: true,
    lastSeq: 0,
    lastId: '',
    birth: '',
    since: '2026-01-02T03:04:05.678Z',
    who: 'deployer',
    host: 'runner-7',
    operation: 'deploy',
    ...changes,
  }
}

/** What a process that wants the lock says. */
export function claim(owner: number, token: number, changes: Partial<Claim['record']> = {}, watched?: string): Claim {
  const { leaseMs, since, who, host, operation } = record()
  return {
    record: { leaseMs, since, who, host, operation, ...changes, owner: id(owner), token: id(token) },
    watched,
  }
}

/** The record at `key`, which must be there. */
export async function stored(locks: LockStore, key: LockKey): Promise<StoredLock> {
  const found = await locks.read(key)
  assert.ok(found !== undefined, `${key.identity} should have a record`)
  return found
}

/** Reads the record and compares it, member by member; an absent member is absent. */
export async function assertRecord(locks: LockStore, key: LockKey, expected: LockRecord): Promise<void> {
  assertSame((await stored(locks, key)).record, expected)
}

export function assertSame(actual: LockRecord, expected: LockRecord): void {
  const given = (all: LockRecord) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  assert.deepEqual(given(actual), given(expected))
}

/** Awaits a rejection with one of our errors and one of `codes`. */
export async function assertRejects(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<KeelstateError> {
  try {
    await work
  } catch (error) {
    assert.ok(KeelstateError.is(error), `expected a KeelstateError, got ${String(error)}`)
    assert.ok(codes.includes(error.code), `expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`)
    return error
  }
  assert.fail(`expected ${codes.join(' or ')}, but the call resolved`)
}

/** The service said that the write's condition does not hold. */
export async function assertRefused(work: Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, 'PreconditionFailed', 'NotFound')
  if (KeelstateError.is(error, 'NotFound')) assert.equal(error.details.subject, 'object')
}

/** `acquire`, of a lock store that has it. */
export async function acquire(
  locks: LockStore,
  ...args: Parameters<NonNullable<LockStore['acquire']>>
): Promise<{ acquired: StoredLock } | { blocked: StoredLock }> {
  assert.ok(locks.acquire !== undefined, 'the case needs oneRequest')
  return await locks.acquire(...args)
}

export async function acquired(
  locks: LockStore,
  ...args: Parameters<NonNullable<LockStore['acquire']>>
): Promise<StoredLock> {
  const outcome = await acquire(locks, ...args)
  assert.ok('acquired' in outcome, 'the lock should have been free')
  return outcome.acquired
}

export async function blocked(
  locks: LockStore,
  ...args: Parameters<NonNullable<LockStore['acquire']>>
): Promise<LockRecord> {
  const outcome = await acquire(locks, ...args)
  assert.ok('blocked' in outcome, 'the lock should have been taken')
  return outcome.blocked.record
}

export async function listAll(locks: LockStore, storeId: string = STORE_ID): Promise<Map<string, LockRecord>> {
  const all = new Map<string, LockRecord>()
  for await (const found of locks.list(storeId)) {
    const { identity } = found
    assert.ok(!all.has(identity), `${identity} was listed twice`)
    assert.ok('record' in found, `${identity} was listed as unreadable`)
    all.set(identity, found.record)
  }
  return all
}
