import type { DocumentScope, HeadHeader, ObjectHeader, ParsedMessage } from './header.ts'
import type { CallOptions } from './store.ts'

/** One recipient of a document's data key, as its head lists it. Readable without a key, and unproven until one opened the head. */
export interface RecipientInfo {
  /** `static`, `passphrase`, `aws-kms`, `gcp-kms`, … */
  provider: string
  /** Which key of that provider: a fingerprint, or the service's name of it. */
  keyId: string
}

/** What of a header `seal` is told; key id, key table and object id are the sealer's own. */
export type SealHead = Omit<HeadHeader, 'keyId' | 'keyTable'>
export type SealObject = Omit<ObjectHeader, 'keyId' | 'objectId'>

export interface SealedMessage {
  bytes: Uint8Array
  /** Of an object: the id that it is stored under, the first 16 bytes of its message id. Empty for a head. */
  objectId: Uint8Array
  /** SHA-256 of the body that was sealed: it was needed for the message id, and hashing it once more would take a large body's time twice. */
  bodySha256: Uint8Array
}

/**
 * The port through which core seals. `keelstate/encrypt` implements it; core never sees a key.
 */
export interface Sealer {
  /** Makes the data key of a new document and wraps it for every configured recipient. */
  create(scope: DocumentScope, options?: CallOptions): Promise<DocumentKeys>

  /**
   * Unwraps the key table of a head that was read; at most one call of a key service per document and process.
   *
   * @throws {KeelstateError} `DecryptFailed` when no configured key is among the recipients.
   */
  unwrap(scope: DocumentScope, keyTable: Uint8Array, keyId: Uint8Array, options?: CallOptions): Promise<DocumentKeys>

  /**
   * Makes a new data key for a document and wraps it for every recipient configured now. The one that it had joins the earlier ones, so that history still opens.
   * The document has it once a head carries it.
   *
   * @param keys What `create`, `unwrap` or `rotate` gave for this document, with the earlier keys of its head.
   * @throws {KeelstateError} what a recipient's key says that cannot wrap; `Unsupported` for a document in the clear.
   */
  rotate(scope: DocumentScope, keys: DocumentKeys, options?: CallOptions): Promise<DocumentKeys>

  /**
   * Makes sure that a key can be had at all, before anything is begun that only a key can finish. Asks no key service.
   *
   * @throws {KeelstateError} `InvalidOptions` when no configured key can be read.
   */
  check(options?: CallOptions): Promise<void>

  /** Reads the recipients off a key table, without any key. */
  recipients(keyTable: Uint8Array): RecipientInfo[]
}

/** The data keys of one document: the current one, and the earlier ones that its history was sealed under. */
export interface DocumentKeys {
  /** Id of the current data key. */
  readonly keyId: Uint8Array
  /** What a head's header carries: the current data key, wrapped for each recipient. */
  readonly keyTable: Uint8Array
  /** What a head's sealed body carries of earlier data keys; absent while there are none. Opaque to core. */
  readonly earlier: string | undefined

  /** The same keys, together with the earlier ones found in a head's body. */
  withEarlier(earlier: string | undefined): DocumentKeys

  /** Seals a body under the current data key, bound to every field of the header. */
  seal(header: SealHead | SealObject, body: Uint8Array): Promise<SealedMessage>

  /**
   * Opens a message whose identity fields the caller has compared.
   *
   * @throws {KeelstateError} `DecryptFailed` (key unknown) or `Corrupt` (anything was changed); nothing unverified is handed out.
   */
  open(message: ParsedMessage, key: string): Promise<Uint8Array>
}
