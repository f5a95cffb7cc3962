import type { Codec } from './codec.ts'
import type { VersionedDocument } from './document.ts'
import { KeelstateError, printable } from './errors.ts'
import type { BodyForm } from './form.ts'
import { same } from './header.ts'
import { type Part, type PartChange, Parts } from './parts.ts'

/** A change of a keyed document: keys to delete, then values to put. Keys to delete that are not there are ignored. */
export interface KeyedChange<V> {
  put?: Readonly<Record<string, V>> | ReadonlyMap<string, V>
  delete?: Iterable<string>
}

/** A document that is a map from keys to JSON values, and is changed by keys. Made by `Store.keyed`. */
export type KeyedDocument<V> = VersionedDocument<KeyedValue<V>, KeyedChange<V>>

/**
 * The values of one revision of a keyed document, by key. It never changes, whatever is committed later. Each value that is handed out is made anew, so
 * what a caller does to it stays with the caller.
 */
export class KeyedValue<V> {
  /** @internal */
  readonly parts: Parts

  /** @internal Made by `Store.keyed`. */
  constructor(parts: Parts) {
    this.parts = parts
  }

  get size(): number {
    return this.parts.size
  }

  has(key: string): boolean {
    return this.parts.get(key) !== undefined
  }

  get(key: string): V | undefined {
    const bytes = this.parts.get(key)
    return bytes === undefined ? undefined : (parse(bytes) as V)
  }

  /** By key, in the order of their UTF-16 code units. */
  *[Symbol.iterator](): IterableIterator<[key: string, value: V]> {
    for (const [key, bytes] of sorted(this.parts)) yield [key, parse(bytes) as V]
  }

  *keys(): IterableIterator<string> {
    for (const [key] of sorted(this.parts)) yield key
  }
}

/** A body of this form is a JSON object without blanks, its members by key. docs/format.md "Forms". */
export const keyedForm: BodyForm = {
  name: 'keyed',
  ordered: false,
  split: (body) => membersOf(body).map(([key, value]): Part => [key, encodeValue(key, value)]),
  join(parts) {
    const pieces: Uint8Array[] = []
    for (const [key, bytes] of sorted(parts)) {
      pieces.push(Buffer.from(`${pieces.length === 0 ? '{' : ','}${JSON.stringify(key)}:`), bytes)
    }
    pieces.push(Buffer.from(pieces.length === 0 ? '{}' : '}'))
    return Buffer.concat(pieces)
  },
  normalise: (body) => keyedForm.join(keyedForm.split(body)),
  spelt: (parts) => parts.every(([key, bytes]) => same(bytes, encodeValue(key, tryParse(bytes)))),
}

/** Values of a keyed document: maps from keys to JSON values. */
export function keyed<V>(): Codec<KeyedValue<V>, KeyedChange<V>> {
  return {
    type: keyedForm.name,
    encode: (value) => keyedForm.join(value.parts),
    decode: (bytes) => new KeyedValue<V>(Parts.of(keyedForm.split(bytes))),
    changes: {
      form: keyedForm,
      is: (value) => !(value instanceof KeyedValue),
      encode(change) {
        const encoded = encodeChange(change)
        return {
          bytes: encoded.put.reduce((sum, { key, bytes }) => sum + key.length + bytes.length, 0),
          on: () => encoded,
        }
      },
      open: (parts) => new KeyedValue<V>(parts),
      lazy: true,
    },
  }
}

const MEMBERS = ['put', 'delete']

function encodeChange<V>(change: KeyedChange<V>): PartChange {
  const wrong =
    typeof change !== 'object' || change === null
      ? 'it is none'
      : Object.keys(change).find((name) => !MEMBERS.includes(name))
  if (wrong !== undefined || typeof change.delete === 'string') {
    throw new KeelstateError('InvalidInput', {
      message: `A change of a keyed document has the members put and delete${wrong === undefined || wrong === 'it is none' ? '' : `, not ${JSON.stringify(printable(wrong, 60))}`}.`,
      hint: 'For example { put: { vpc: { id: 1 } }, delete: ["subnet"] }.',
    })
  }
  const { put = {}, delete: gone = [] } = change
  const entries = put instanceof Map ? [...put] : Object.entries(put as Record<string, V>)
  return {
    delete: [...gone].map(checkedKey),
    put: entries.map(([key, value]) => ({ key: checkedKey(key), bytes: encodeValue(key, value) })),
  }
}

function checkedKey(key: unknown): string {
  if (typeof key === 'string' && key.isWellFormed()) return key
  throw new KeelstateError('InvalidInput', {
    message: 'A key of a keyed document must be text without halves of surrogate pairs.',
  })
}

function encodeValue(key: string, value: unknown): Uint8Array {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  if (text !== undefined) return Buffer.from(text)
  throw new KeelstateError('InvalidInput', {
    message: `The value at ${JSON.stringify(printable(key, 100))} has no JSON form.`,
    hint: 'JSON knows no undefined, no bigint and no cycles; delete a key by naming it in "delete".',
    cause,
  })
}

function membersOf(body: Uint8Array): [string, unknown][] {
  const value = tryParse(body)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value)
  throw new KeelstateError('InvalidInput', {
    message: 'The body is no JSON object, so it has no keys.',
    hint: 'Open the document with the codec that it was written with.',
  })
}

function tryParse(bytes: Uint8Array): unknown {
  try {
    return parse(bytes)
  } catch {
    return undefined
  }
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}

function sorted(parts: Iterable<Part>): Part[] {
  return [...parts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
