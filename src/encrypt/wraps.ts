import { KeelstateError } from '../core/errors.ts'
import { corrupt, ID_BYTES, same } from '../core/header.ts'
import type { RecipientInfo } from '../core/sealer.ts'
import type { WrappedKey } from './provider.ts'

/**
 * The key table of a head: the current data key, wrapped once per recipient. docs/format.md "Key table".
 *
 * It stands in the clear header and is unproven until a body was opened, so every length is checked before it is used.
 */
export const MAX_RECIPIENTS = 16
const TABLE_VERSION = 1
const MAX_KEY_ID_BYTES = 1_024 // resource names of key services are at most a few hundred
const MAX_WRAPPED_BYTES = 4_096 // a key service's ciphertext of 32 bytes is below 700
const PROVIDER_NAME = /^[a-z][a-z0-9-]{0,31}$/

/** Whether a key table takes a wrapped key of that length. */
export function isWrappedLength(bytes: number): boolean {
  return bytes > 0 && bytes <= MAX_WRAPPED_BYTES
}

/** @throws {KeelstateError} `InvalidInput` when an entry is not one that a reader would take. */
export function encodeKeyTable(entries: readonly WrappedKey[]): Uint8Array {
  if (entries.length === 0 || entries.length > MAX_RECIPIENTS) {
    throw invalidEntry(`a key table has 1 to ${MAX_RECIPIENTS} recipients, not ${entries.length}`)
  }
  const parts: Uint8Array[] = [Uint8Array.of(TABLE_VERSION, entries.length)]
  for (const { provider, keyId, wrapped } of entries) {
    const id = Buffer.from(keyId)
    if (!PROVIDER_NAME.test(provider))
      throw invalidEntry('a provider is a lower-case word of letters, digits and "-", at most 32 long')
    if (id.length === 0 || id.length > MAX_KEY_ID_BYTES)
      throw invalidEntry(`a key id has 1 to ${MAX_KEY_ID_BYTES} bytes, not ${id.length}`)
    if (!isWrappedLength(wrapped.length)) {
      throw invalidEntry(`a wrapped key has 1 to ${MAX_WRAPPED_BYTES} bytes, not ${wrapped.length}`)
    }
    parts.push(Uint8Array.of(provider.length), Buffer.from(provider), u16(id.length), id, u16(wrapped.length), wrapped)
  }
  return Buffer.concat(parts)
}

/**
 * Reads a key table; `key` is the head's, for messages.
 *
 * @throws {KeelstateError} `Corrupt` with `differs: 'keyTable'`; `Unsupported` when a newer release wrote it.
 */
export function decodeKeyTable(bytes: Uint8Array, key: string): WrappedKey[] {
  const table = new TableReader(bytes, key)
  const version = table.u8()
  if (version !== TABLE_VERSION) {
    throw new KeelstateError('Unsupported', {
      key,
      message: `${key} has a key table of version ${version}; this build reads version ${TABLE_VERSION}.`,
      hint: 'Upgrade keelstate to a release that reads it. If no newer release wrote it, the head was damaged.',
    })
  }
  const count = table.u8()
  if (count === 0 || count > MAX_RECIPIENTS)
    throw table.error(`lists ${count} recipients (1 to ${MAX_RECIPIENTS} are possible)`)
  const entries: WrappedKey[] = []
  for (let n = 1; n <= count; n++) {
    const provider = table.take(table.u8()).toString('latin1')
    if (!PROVIDER_NAME.test(provider)) throw table.error(`gives recipient ${n} an impossible provider`)
    const keyId = table.take(table.bounded(MAX_KEY_ID_BYTES, n)).toString()
    const wrapped = Uint8Array.from(table.take(table.bounded(MAX_WRAPPED_BYTES, n)))
    entries.push({ provider, keyId, wrapped })
  }
  table.end()
  return entries
}

/** The recipients that a key table lists. An empty table is that of a document in the clear. */
export function listRecipients(keyTable: Uint8Array, key = 'A head'): RecipientInfo[] {
  if (keyTable.length === 0) return []
  return decodeKeyTable(keyTable, key).map(({ provider, keyId }) => ({ provider, keyId }))
}

/** The key id of a document in the clear. */
export const NO_KEY_ID: Uint8Array = new Uint8Array(ID_BYTES)

/** Whether a head's key fields are those of a document in the clear. */
export function isPlaintext(keyTable: Uint8Array, keyId: Uint8Array): boolean {
  return keyTable.length === 0 && same(keyId, NO_KEY_ID)
}

class TableReader {
  readonly #bytes: Buffer
  readonly #key: string
  #at = 0

  constructor(bytes: Uint8Array, key: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#key = key
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw this.error('ends too early')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  u8(): number {
    return this.take(1).readUInt8()
  }

  /** A u16 length between 1 and `max`. */
  bounded(max: number, recipient: number): number {
    const length = this.take(2).readUInt16BE()
    if (length === 0 || length > max)
      throw this.error(`gives recipient ${recipient} a field of ${length} bytes (1 to ${max} are possible)`)
    return length
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.error('goes on after its last recipient')
  }

  error(what: string): Error {
    return corrupt(this.#key, `has a damaged key table: it ${what}`, 'keyTable')
  }
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

function invalidEntry(why: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', { message: `This key table cannot be written: ${why}.` })
}
