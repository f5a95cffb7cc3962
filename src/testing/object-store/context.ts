import assert from 'node:assert/strict'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import { documentName, headKey, lockKey, objectKey } from '../../core/names.ts'
import type { ListedObject, ListOptions, ObjectKey, ObjectStore, PutCondition, VersionToken } from '../../core/store.ts'
import type { SuiteCase } from '../suite.ts'

/** What a case works on. */
export interface ObjectStoreContext {
  /** Fresh: its place holds no object. */
  readonly store: ObjectStore
  /** `store` first, then, where the harness can open them, more handles on the same place: four in all. */
  handles(): Promise<readonly ObjectStore[]>
  /** Opens one more handle on the same place. */
  openAgain(): Promise<ObjectStore>
  openMissingBucket(): Promise<ObjectStore>
  openDenied(): Promise<ObjectStore>
  stall(): Promise<void>
  /** How often a race is run. */
  readonly rounds: number
  /** Size in bytes of what counts as a big body. */
  readonly bigBytes: number
}

export type ObjectStoreCase = SuiteCase<ObjectStoreContext>

export const ABSENT: PutCondition = { ifAbsent: true }
export const PREFIXES = { heads: 'heads/state/', objects: 'objects/state/' } as const

export function head(...segments: string[]): ObjectKey {
  return headKey(documentName(segments))
}

export function lock(...segments: string[]): ObjectKey {
  return lockKey(documentName(segments))
}

/** Key of the immutable object number `n` of a document; ascending with `n`. */
export function object(segments: readonly string[], n: number): ObjectKey {
  return objectKey(documentName(segments), n.toString(16).padStart(32, '0'))
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** `length` bytes without a pattern that a compressor or a page-wise copy could hide behind; the same ones every time. */
export function noise(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    out[at] = state
  }
  return out
}

/** The body stored at `key`, which must exist. */
export async function stored(store: ObjectStore, key: ObjectKey): Promise<{ bytes: Uint8Array; token: VersionToken }> {
  const found = await store.get(key)
  assert.notEqual(found, undefined, `${key} should exist`)
  assert.notEqual(found, 'unchanged', 'a get without unlessToken never answers unchanged')
  return found as { bytes: Uint8Array; token: VersionToken }
}

export async function assertStored(store: ObjectStore, key: ObjectKey, body: Uint8Array): Promise<void> {
  const found = await stored(store, key)
  assertSameBytes(found.bytes, body, key)
}

export async function assertAbsent(store: ObjectStore, key: ObjectKey): Promise<void> {
  assert.equal(await store.get(key), undefined, `${key} should be absent`)
}

/** Compares without printing megabytes when they differ. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.ok(actual instanceof Uint8Array, `${what}: a body is a Uint8Array`)
  assert.equal(actual.length, expected.length, `${what}: length of the body`)
  assert.equal(Buffer.compare(actual, expected), 0, `${what}: the body differs from what was written`)
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

/** All pages of a listing, checked to end and to keep the limit. */
export async function listAll(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<ListedObject[]> {
  const all: ListedObject[] = []
  let cursor: string | undefined
  for (let page = 0; page < 10_000; page += 1) {
    const answer = await store.list(prefix, cursor === undefined ? options : { ...options, cursor })
    assert.ok(answer.objects.length <= (options.limit ?? 1_000), 'a page holds at most `limit` keys')
    all.push(...answer.objects)
    if (answer.cursor === undefined) return all
    cursor = answer.cursor
  }
  return assert.fail('a listing never ended')
}

export async function listKeys(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<ObjectKey[]> {
  return (await listAll(store, prefix, options)).map((entry) => entry.key)
}

/** Ascending by UTF-8 bytes, as the port orders a page. */
export function sorted(keys: readonly ObjectKey[]): ObjectKey[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/** Lets timers run: a loop on a driver that never waits for anything must not keep a time-out from firing. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Runs `work` on every item, at most eight at a time: what a client with a modest connection pool does. */
export async function forEach<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next
      next += 1
      await work(items[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: 8 }, lane))
}
