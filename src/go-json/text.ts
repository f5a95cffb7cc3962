import { isAscii, isUtf8 } from 'node:buffer'

/** Decodes UTF-8 as Go does: every byte that is not part of a valid sequence becomes one U+FFFD (browsers make one of several). */
export function decodeUtf8(bytes: Uint8Array): string {
  const buffer = asBuffer(bytes)
  if (isAscii(buffer)) return buffer.toString('latin1') // a third of the time
  if (isUtf8(buffer)) return buffer.toString()
  let text = ''
  let from = 0
  for (let at = 0; at < buffer.length; ) {
    const length = sequenceLength(buffer, at)
    if (length > 0) {
      at += length
    } else {
      text += `${buffer.toString('utf8', from, at)}\ufffd`
      at += 1
      from = at
    }
  }
  return text + buffer.toString('utf8', from)
}

/** Length of the valid UTF-8 sequence at `at`, 0 when there is none. */
export function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const length =
    first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) === 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0
}

/** Compares two strings by their UTF-8 bytes, the order of Go's map keys: UTF-16 order puts U+E000–U+FFFF after the planes beyond. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? rank(x) - rank(y) : x - y
  }
  return a.length - b.length
}

/** Puts the halves of surrogate pairs, which stand for the planes beyond, after U+E000–U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}

/**
 * Quotes text for a message as Go's `%q` does: letters, marks, numbers, punctuation, symbols and the blank as they are, everything
 * else escaped.
 */
export function quote(text: string): string {
  let quoted = '"'
  for (const char of text.toWellFormed()) quoted += NAMED.get(char) ?? (PRINTED.test(char) ? char : escapeRune(char))
  return `${quoted}"`
}

const PRINTED = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

const NAMED: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\u0007', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
])

function escapeRune(char: string): string {
  const rune = char.codePointAt(0)!
  const hex = rune.toString(16)
  if (rune < 0x20 || rune === 0x7f) return `\\x${hex.padStart(2, '0')}`
  return rune < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

/** The same bytes as a `Buffer`, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
