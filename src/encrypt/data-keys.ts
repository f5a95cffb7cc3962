import { KeelstateError } from '../core/errors.ts'
import { corrupt, type ParsedMessage, same } from '../core/header.ts'
import type { DocumentKeys, SealedMessage, SealHead, SealObject } from '../core/sealer.ts'
import { DATA_KEY_BYTES, DataKey } from './derive.ts'
import { type MessageContext, openMessage, sealMessage } from './message.ts'

const EARLIER_VERSION = 1
const MAX_EARLIER = 64 // 2.8 kB of every head; there is no need to replace a key more often than that

/** The data keys of one encrypted document. */
export class EncryptedDocumentKeys implements DocumentKeys {
  readonly keyTable: Uint8Array
  readonly #current: DataKey
  /** Made when something is met that the current key did not seal. */
  #earlierKeys: readonly DataKey[] | undefined
  readonly #earlier: string | undefined
  readonly #context: MessageContext

  constructor(current: DataKey, keyTable: Uint8Array, context: MessageContext, earlier?: string) {
    this.#current = current
    this.keyTable = keyTable
    this.#context = context
    this.#earlier = earlier
    if (earlier !== undefined) checkEarlier(earlier)
  }

  get keyId(): Uint8Array {
    return this.#current.id
  }

  /** Holds raw data keys: it belongs into a sealed body and nowhere else. */
  get earlier(): string | undefined {
    return this.#earlier
  }

  withEarlier(earlier: string | undefined): EncryptedDocumentKeys {
    if (earlier === this.#earlier) return this
    return new EncryptedDocumentKeys(this.#current, this.keyTable, this.#context, earlier)
  }

  /**
   * The same document under `next`, which `keyTable` wraps: what comes is sealed under that one, and the current one joins the earlier ones.
   *
   * @param key The head's, for messages.
   * @throws {KeelstateError} `TooLarge` when there are 64 earlier ones already.
   */
  succeededBy(next: DataKey, keyTable: Uint8Array, key: string): EncryptedDocumentKeys {
    const former = [...this.#earlierOnes(), this.#current]
    if (former.length > MAX_EARLIER) throw tooMany(key)
    return new EncryptedDocumentKeys(next, keyTable, this.#context, encodeEarlier(former))
  }

  seal(header: SealHead | SealObject, body: Uint8Array): Promise<SealedMessage> {
    return sealMessage(this.#current, this.keyTable, header, body, this.#context)
  }

  open(message: ParsedMessage, key: string): Promise<Uint8Array> {
    return openMessage(message, key, (keyId) => this.#find(keyId), this.#context.maxBytes)
  }

  #find(keyId: Uint8Array): DataKey | undefined {
    if (same(this.#current.id, keyId)) return this.#current
    return this.#earlierOnes().find((dataKey) => same(dataKey.id, keyId))
  }

  #earlierOnes(): readonly DataKey[] {
    this.#earlierKeys ??= this.#earlier === undefined ? [] : decodeEarlier(this.#earlier)
    return this.#earlierKeys
  }
}

function encodeEarlier(keys: readonly DataKey[]): string {
  const bytes = Buffer.alloc(1 + keys.length * DATA_KEY_BYTES, EARLIER_VERSION)
  for (const [index, dataKey] of keys.entries()) {
    const copy = dataKey.copy()
    bytes.set(copy, 1 + index * DATA_KEY_BYTES)
    copy.fill(0)
  }
  const text = bytes.toString('base64')
  bytes.fill(0)
  return text
}

/** Base64 of version (1) ‖ the earlier data keys, oldest first, 32 bytes each. docs/format.md "Key table". */
function checkEarlier(text: string): void {
  const bytes = Buffer.from(text, 'base64')
  const wellFormed =
    bytes.toString('base64') === text && bytes[0] === EARLIER_VERSION && (bytes.length - 1) % DATA_KEY_BYTES === 0
  bytes.fill(0)
  if (!wellFormed) throw corrupt('The list of earlier data keys in a head', 'is malformed', 'keys')
}

function decodeEarlier(text: string): DataKey[] {
  const bytes = Buffer.from(text, 'base64')
  const keys: DataKey[] = []
  for (let at = 1; at < bytes.length; at += DATA_KEY_BYTES)
    keys.push(new DataKey(bytes.subarray(at, at + DATA_KEY_BYTES)))
  bytes.fill(0)
  return keys
}

function tooMany(key: string): KeelstateError<'TooLarge'> {
  return new KeelstateError('TooLarge', {
    key,
    message: `${key} has ${MAX_EARLIER} earlier data keys, and room for no more.`,
    hint: 'Export the document and import it under another name: the copy begins with one data key.',
  })
}
