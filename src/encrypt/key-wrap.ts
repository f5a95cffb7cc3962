import { createCipheriv, createDecipheriv, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Environment } from '../core/environment.ts'
import type { DocumentScope } from '../core/header.ts'
import { DATA_KEY_BYTES, hkdf, scopeHash } from './derive.ts'

/**
 * Wraps a data key under a 32-byte wrapping key that this process holds: what the static and the passphrase provider share.
 * docs/format.md "Derivations".
 *
 * salt (24) ‖ AES-256-GCM ciphertext (32) ‖ tag (16). Key and nonce come from the wrapping key, the salt and the document's identity, so
 * there is no limit to how often one wrapping key is used, and what was wrapped for one document does not open for another.
 */
const SALT_BYTES = 24
const TAG_BYTES = 16
export const WRAPPED_BYTES: number = SALT_BYTES + DATA_KEY_BYTES + TAG_BYTES
const FINGERPRINT_BYTES = 8 // shown to people; tells keys apart, proves nothing
const NO_SALT = new Uint8Array(0)

/** Keeps the derivations of the two providers apart. */
export interface WrapLabels {
  /** Of the fingerprint by which key tables know the wrapping key. */
  readonly keyId: string
  readonly wrap: string
  readonly salt: string
}

/** The id of a wrapping key in key tables: 16 hex digits. */
export function fingerprint(wrappingKey: KeyObject, labels: WrapLabels): string {
  return Buffer.from(hkdf(wrappingKey, NO_SALT, Buffer.from(labels.keyId), FINGERPRINT_BYTES)).toString('hex')
}

export function sameFingerprint(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

export function wrapDataKey(
  wrappingKey: KeyObject,
  labels: WrapLabels,
  scope: DocumentScope,
  dataKey: Uint8Array,
  environment: Pick<Environment, 'randomBytes'>,
): Uint8Array {
  const salt = saltFor(wrappingKey, labels, dataKey, environment.randomBytes(32))
  const { key, nonce } = wrapKeys(wrappingKey, labels, scope, salt)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  const ciphertext = cipher.update(dataKey)
  cipher.final()
  return Buffer.concat([salt, ciphertext, cipher.getAuthTag()])
}

/** `undefined` when the tag does not fit: changed, or wrapped for another document. */
export function unwrapDataKey(
  wrappingKey: KeyObject,
  labels: WrapLabels,
  scope: DocumentScope,
  wrapped: Uint8Array,
): Uint8Array | undefined {
  if (wrapped.length !== WRAPPED_BYTES) return undefined
  const { key, nonce } = wrapKeys(wrappingKey, labels, scope, wrapped.subarray(0, SALT_BYTES))
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(wrapped.subarray(SALT_BYTES + DATA_KEY_BYTES))
  const dataKey = decipher.update(wrapped.subarray(SALT_BYTES, SALT_BYTES + DATA_KEY_BYTES))
  try {
    decipher.final()
    return dataKey
  } catch {
    return undefined
  }
}

/** Random, and tied to the data key: a cloned process that repeats its randomness cannot wrap another data key under the same salt. */
function saltFor(wrappingKey: KeyObject, labels: WrapLabels, dataKey: Uint8Array, random: Uint8Array): Uint8Array {
  const saltKey = hkdf(wrappingKey, NO_SALT, Buffer.from(labels.salt), 32)
  return createHmac('sha256', saltKey).update(random).update(dataKey).digest().subarray(0, SALT_BYTES)
}

function wrapKeys(
  wrappingKey: KeyObject,
  labels: WrapLabels,
  scope: DocumentScope,
  salt: Uint8Array,
): { key: Uint8Array; nonce: Uint8Array } {
  const bytes = hkdf(wrappingKey, salt, Buffer.concat([Buffer.from(labels.wrap), scopeHash(scope)]), 44)
  return { key: bytes.subarray(0, 32), nonce: bytes.subarray(32) }
}
