import { KeelstateError } from './errors.ts'
import type { BodyForm } from './form.ts'
import type { PartChange, Parts } from './parts.ts'

/**
 * Turns values into bodies and back. What `encode` gives is what is stored, and what `decode` gets: a body is never re-encoded.
 *
 * @typeParam C What may be committed in the place of a whole value: a change of it.
 */
export interface Codec<T, C = never> {
  /** Recorded with each revision, such as `json`, `bytes` or a media type. */
  readonly type: string
  /** The bytes must be the caller's alone: nothing may change them afterwards. */
  encode(value: T): Uint8Array | Promise<Uint8Array>
  /**
   * @param bytes Must not be changed or handed out: they may be shared with other readers.
   * @param type The type recorded with the revision, which another codec may have written.
   */
  decode(bytes: Uint8Array, type: string): T | Promise<T>
  /** How changes are made of parts; absent where only whole values are committed. */
  readonly changes?: Changes<T, C>
}

/** How a document's value is changed by parts. Its codec's `encode` spells bodies as the form does. */
export interface Changes<T, C> {
  readonly form: BodyForm
  /** Whether it is a change, and not a whole value. */
  is(value: unknown): boolean
  /** Takes over all that it needs: the caller may change what it gave afterwards. @throws {KeelstateError} `InvalidInput`. */
  encode(change: C): EncodedChange
  /** The value that these parts make. */
  open(parts: Parts): T
  /** `open` makes no more of the value than is asked for: a whole content is better cut into parts than decoded, too. */
  readonly lazy: boolean
}

export interface EncodedChange {
  /** Roughly what it takes. */
  readonly bytes: number
  /**
   * The change of what is current; `undefined` where nothing is.
   *
   * @throws {KeelstateError} `InvalidInput` when it cannot be made there.
   */
  on(now: Parts | undefined): PartChange
}

/** Values as compact JSON. */
export function json<T>(): Codec<T> {
  return {
    type: 'json',
    encode(value) {
      let text: string | undefined
      try {
        text = JSON.stringify(value)
      } catch (cause) {
        throw new KeelstateError('InvalidInput', {
          message: 'This value has no JSON form.',
          hint: 'JSON knows no bigint and no cycles.',
          cause,
        })
      }
      if (text === undefined) {
        throw new KeelstateError('InvalidInput', {
          message: 'undefined has no JSON form; nothing was written.',
          hint: 'Return the value to be stored, or null.',
        })
      }
      return Buffer.from(text)
    },
    decode(bytes, type) {
      try {
        return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as T
      } catch (cause) {
        throw new KeelstateError('InvalidInput', {
          message: `This revision of type ${JSON.stringify(type)} is not JSON.`,
          hint: 'Open the document with bytes() instead of json().',
          cause,
        })
      }
    },
  }
}

/**
 * Bodies as they are. The bytes are copied in and out.
 *
 * @param mediaType Recorded as the type of what is committed; default `bytes`.
 */
export function bytes(mediaType = 'bytes'): Codec<Uint8Array> {
  return {
    type: mediaType,
    encode: (value) => Uint8Array.from(value),
    decode: (stored) => Uint8Array.from(stored),
  }
}
