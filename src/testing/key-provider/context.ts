import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import type { DocumentScope } from '../../core/header.ts'
import type { KeyProvider } from '../../encrypt/provider.ts'
import type { SuiteCase } from '../suite.ts'

/** What a case works on. */
export interface KeyProviderContext {
  readonly provider: KeyProvider
  /** The same key in another process. */
  again(): Promise<KeyProvider>
  /** Another key of the same kind. */
  other(): Promise<KeyProvider>
  broken(): Promise<BrokenKeyProvider>
  readonly secrets: readonly (string | Uint8Array)[]
  /** At how many places a wrapped key is changed. */
  readonly flips: number
}

export interface BrokenKeyProvider {
  readonly provider: KeyProvider
  /** Makes the key available; the provider is expected to work from then on. */
  repair(): Promise<void>
}

export type KeyProviderCase = SuiteCase<KeyProviderContext>

export const SCOPE: DocumentScope = { storeId: Buffer.alloc(16, 0x5a), kind: 'state', path: 'shop/prod' }

export function newDataKey(): Uint8Array {
  return Uint8Array.from(randomBytes(32))
}

export function assertSameKey(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(actual instanceof Uint8Array, 'a data key is a Uint8Array')
  assert.ok(Buffer.compare(actual, expected) === 0, 'the data key is not the one that was wrapped')
}

/** Awaits a rejection with one of our errors and one of `codes`. */
export async function assertRefuses(
  work: Promise<unknown>,
  what: string,
  ...codes: ErrorCode[]
): Promise<KeelstateError> {
  try {
    await work
  } catch (error) {
    assert.ok(KeelstateError.is(error), `${what}: expected a KeelstateError, got ${String(error)}`)
    assert.ok(
      codes.includes(error.code),
      `${what}: expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`,
    )
    return error
  }
  assert.fail(`${what}: expected ${codes.join(' or ')}, but the call resolved`)
}

/** Fails when `shown` holds a secret, or eight bytes of one in a row, as text, hex, base64 or a list of numbers. */
export function assertHides(shown: string, secrets: readonly (string | Uint8Array)[], what: string): void {
  for (const secret of secrets) {
    const bytes = Buffer.from(secret)
    if (typeof secret === 'string') assert.ok(!shown.includes(secret), `${what} shows the secret`)
    for (let at = 0; at + 8 <= bytes.length; at += 1) {
      const piece = bytes.subarray(at, at + 8)
      const numbers = [...piece].join(',')
      const spread = [...piece].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
      const forms = [piece.toString('hex'), piece.toString('base64').slice(0, 10), numbers, spread]
      const seen = forms.some((form) => shown.toLowerCase().includes(form.toLowerCase()))
      assert.ok(!seen && !shown.replace(/\s/g, '').includes(numbers), `${what} shows a part of the secret`)
    }
  }
}

/** Everything that a log could catch of a value. */
export function everythingShown(value: unknown): string {
  const error = value instanceof Error ? `${value.stack} ${value.message} ${inspect(value.cause, { depth: 9 })}` : ''
  return `${inspect(value, { depth: 9, showHidden: true, maxArrayLength: null })} ${JSON.stringify(value)} ${String(value)} ${error}`
}
