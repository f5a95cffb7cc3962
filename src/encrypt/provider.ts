import type { DocumentScope } from '../core/header.ts'
import type { RecipientInfo } from '../core/sealer.ts'
import type { CallOptions } from '../core/store.ts'

/** A data key as one recipient can unwrap it: an entry of a document's key table. */
export interface WrappedKey extends RecipientInfo {
  /** The provider's own bytes: ciphertext, salts, parameters. At most 4,096. */
  wrapped: Uint8Array
}

/** A new data key and its first wrapping, as a key service's GenerateDataKey answers them. */
export interface GeneratedKey {
  /** 32 bytes. */
  dataKey: Uint8Array
  wrapped: WrappedKey
}

/**
 * One key that can be a recipient of documents: it wraps their data keys and unwraps them again.
 *
 * **Contract.** Between keelstate and whoever adds a key service. A provider stands for exactly one key (or passphrase). It sees data keys
 * (32 bytes) and never a body. Every wrapping is bound to its document: what was wrapped for one scope does not unwrap for another (a key
 * service takes store id, kind and name as its encryption context). The caller owns all bytes that come back and may overwrite them; a
 * provider keeps no reference to bytes that went in.
 *
 * **Cost.** `wrap`, `unwrap` and `generate` make at most one request to a key service each, and repeat it only when it failed. `matches` and
 * `describe` make none. The sealer calls `unwrap` once per document and process and remembers the data key; while that call is under way,
 * others who want the same document wait for it.
 *
 * **Foreign bytes.** A key table comes from a bucket and is unproven when `unwrap` sees it. Lengths and cost parameters are checked before
 * they are used.
 *
 * **Cancellation.** When `signal` aborts, a call rejects with `Aborted` soon; work that cannot be stopped goes on unheard.
 *
 * **Errors.** `unwrap` rejects with `DecryptFailed` when this key is not the one that wrapped (the sealer goes on to the next), with `Corrupt`
 * when it is, but the bytes were changed or come from another document, with `Unsupported` for a form it does not know. `AccessDenied`,
 * `Unauthenticated`, `Throttled`, `Unavailable` and `Timeout` pass on what a service answered; `InvalidOptions` says what is wrong
 * with the key as configured. No error, `inspect` or JSON of a provider shows a byte of any key.
 */
export interface KeyProvider {
  /** What key tables call this kind of key: a lower-case word such as `static`. */
  readonly provider: string

  /** Where the key comes from, as configured: `env:STATE_KEY`. For messages; holds no secret. */
  readonly address: string

  /** The address and, when that costs no request and no long derivation, the id by which key tables know the key. Never rejects. */
  describe(): string | Promise<string>

  /** Whether `unwrap` is worth trying for this recipient. May say yes when only trying can tell. */
  matches(recipient: RecipientInfo, options?: CallOptions): boolean | Promise<boolean>

  /** Wraps a data key for this recipient. */
  wrap(dataKey: Uint8Array, scope: DocumentScope, options?: CallOptions): Promise<WrappedKey>

  /** Gives the data key back. */
  unwrap(wrapped: WrappedKey, scope: DocumentScope, options?: CallOptions): Promise<Uint8Array>

  /** Makes and wraps a data key in one request. Left out, the sealer makes the key itself and has it wrapped. */
  generate?(scope: DocumentScope, options?: CallOptions): Promise<GeneratedKey>
}
