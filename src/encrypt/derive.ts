import { createHash, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { DocumentScope } from '../core/header.ts'

/**
 * Every key derivation of the format, in one place. docs/format.md "Derivations".
 *
 * All are HKDF-SHA-512 (RFC 5869). The labels keep them apart: no two uses share salt rule and info.
 */
export const DATA_KEY_BYTES = 32 // AES-256; also what GenerateDataKey of a key service returns
export const KEY_ID_BYTES = 16
export const MESSAGE_ID_BYTES = 32
export const COMMITMENT_BYTES = 32
const ENCRYPTION_KEY_BYTES = 32
const NONCE_PREFIX_BYTES = 7 // with a u32 counter and the last flag: the 12 bytes of GCM

const NO_SALT = new Uint8Array(0)
const DATA_KEY_ID = Buffer.from('keelstate/1 data key id')
const MESSAGE_ID_KEY = Buffer.from('keelstate/1 message id key')
const MESSAGE_KEYS = Buffer.from('keelstate/1 message keys')

/** What one message is sealed with. */
export interface MessageKeys {
  readonly encryptionKey: Uint8Array
  readonly commitment: Uint8Array
  readonly noncePrefix: Uint8Array
}

/** A document's data key. Its bytes stay behind private fields and a `KeyObject`, which no `inspect` prints. */
export class DataKey {
  /** Derived from the key, so that a wrong key is known by its id. Not secret. */
  readonly id: Uint8Array
  readonly #key: KeyObject
  #messageIdKey: KeyObject | undefined

  constructor(bytes: Uint8Array) {
    this.#key = createSecretKey(bytes)
    this.id = hkdf(this.#key, NO_SALT, DATA_KEY_ID, KEY_ID_BYTES)
  }

  /** The key itself: it belongs into a sealed body and nowhere else. Whoever asks overwrites it after use. */
  copy(): Uint8Array {
    return this.#key.export()
  }

  /** Depends on randomness and on the text: a cloned process that repeats its randomness cannot repeat an id with other text. */
  messageId(random: Uint8Array, plaintextHash: Uint8Array): Uint8Array {
    this.#messageIdKey ??= createSecretKey(hkdf(this.#key, NO_SALT, MESSAGE_ID_KEY, 32)) // who only reads needs none
    return createHmac('sha256', this.#messageIdKey).update(random).update(plaintextHash).digest()
  }

  /** The keys of the message with this id and this clear header. */
  messageKeys(messageId: Uint8Array, clearHeader: Uint8Array): MessageKeys {
    const length = ENCRYPTION_KEY_BYTES + COMMITMENT_BYTES + NONCE_PREFIX_BYTES
    const bytes = hkdf(this.#key, messageId, Buffer.concat([MESSAGE_KEYS, sha256(clearHeader)]), length)
    return {
      encryptionKey: bytes.subarray(0, 32),
      commitment: bytes.subarray(32, 64),
      noncePrefix: bytes.subarray(64),
    }
  }
}

export function hkdf(key: KeyObject, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha512', key, salt, info, length))
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** Which document a wrapped key belongs to, as 32 bytes. `crypto.hkdf` takes at most 1,024 bytes of info, a name may be longer. */
export function scopeHash(scope: DocumentScope): Uint8Array {
  const hash = createHash('sha256').update(scope.storeId)
  for (const text of [scope.kind, scope.path]) {
    const bytes = Buffer.from(text)
    const length = Buffer.alloc(2)
    length.writeUInt16BE(bytes.length)
    hash.update(length).update(bytes)
  }
  return hash.digest()
}
