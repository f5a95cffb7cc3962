import type { Shape, StructShape } from './shape.ts'

/**
 * Tells whether `JSON.parse` reads a document as Go does, by one pass over its bytes that looks at nothing else.
 *
 * The two differ where a name of a struct is repeated, or equal to a field's only when its case is folded; where an escape names half of a surrogate
 * pair; where a number does not fit a double, or an integer is not written as one of at most 15 digits; and where a value has another type than
 * its shape. `bytes` must be valid JSON.
 */
export function readsAlike(bytes: Uint8Array, shape: Shape): boolean {
  const scan = new Scan(bytes)
  return scan.value(shape, 0)
}

/** Levels up to which the quick readers recurse. */
export const QUICK_DEPTH = 500

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const NULL = 0x6e
const UNLIKE = -1 // in place of an offset

class Scan {
  readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Passes over one value; false when Go would read it differently. */
  value(shape: Shape, depth: number): boolean {
    const first = this.token()
    if (shape.kind === 'any') return this.skip(depth)
    if (shape.kind === 'raw') return false
    if (first === NULL) {
      this.at += 4
      return true
    }
    switch (shape.kind) {
      case 'string':
        return first === QUOTE && this.skip(depth)
      case 'time':
        return first === QUOTE && this.plainString()
      case 'bytes':
        return first === QUOTE && this.skip(depth)
      case 'bool':
        return (first === 0x74 || first === 0x66) && this.skip(depth)
      case 'float':
        return (first === 0x2d || (first >= 0x30 && first <= 0x39)) && this.skip(depth)
      case 'int':
        return this.integer()
      case 'pointer':
        return this.value(shape.to, depth)
      case 'list':
        if (first !== 0x5b) return false
        return shape.of.kind === 'any' ? this.skip(depth) : this.list(shape.of, depth + 1)
      case 'map':
        if (first !== 0x7b) return false
        return shape.of.kind === 'any' ? this.skip(depth) : this.map(shape.of, depth + 1)
      case 'struct':
        return first === 0x7b && this.struct(shape, depth + 1)
    }
  }

  private list(of: Shape, depth: number): boolean {
    this.at += 1
    if (this.token() !== 0x5d) {
      do {
        if (!this.value(of, depth)) return false
      } while (this.separator())
    }
    this.at += 1
    return true
  }

  private map(of: Shape, depth: number): boolean {
    this.at += 1
    if (this.token() !== 0x7d) {
      do {
        this.token()
        if (!this.skip(depth)) return false
        this.token()
        this.at += 1 // the colon
        if (!this.value(of, depth)) return false
      } while (this.separator())
    }
    this.at += 1
    return true
  }

  private struct(shape: StructShape, depth: number): boolean {
    const { fields } = shape
    if (fields.length > 31) return false
    let seen = 0
    let expected = 0 // Go writes fields in their order, so the next one is mostly the one after
    this.at += 1
    if (this.token() !== 0x7d) {
      do {
        this.token()
        const start = this.at + 1
        if (!this.plainString()) return false
        const end = this.at - 1
        let found = -1
        for (let n = 0; n < fields.length && found < 0; n++) {
          const i = (expected + n) % fields.length
          if (this.holds(start, end, fields[i]!.name)) found = i
        }
        this.token()
        this.at += 1 // the colon
        if (found >= 0) {
          if ((seen & (1 << found)) !== 0) return false
          seen |= 1 << found
          expected = found + 1
          if (!this.value(fields[found]!.shape, depth)) return false
        } else {
          const name = String.fromCharCode(...this.bytes.subarray(start, end)).toLowerCase()
          if (fields.some((field) => field.name.toLowerCase() === name)) return false
          this.token()
          if (!this.skip(depth)) return false
        }
      } while (this.separator())
    }
    this.at += 1
    return true
  }

  private holds(start: number, end: number, name: string): boolean {
    if (end - start !== name.length) return false
    for (let i = 0; i < name.length; i++) if (this.bytes[start + i] !== name.charCodeAt(i)) return false
    return true
  }

  /** Passes over a string without escapes, of ASCII characters only. */
  private plainString(): boolean {
    const { bytes } = this
    let at = this.at + 1
    for (let byte = bytes[at]!; byte !== QUOTE; byte = bytes[++at]!)
      if (byte === BACKSLASH || byte >= 0x80) return false
    this.at = at + 1
    return true
  }

  /** Passes over an integer that a double holds for certain. */
  private integer(): boolean {
    const { bytes } = this
    let at = this.at
    if (bytes[at] === 0x2d) at += 1
    const start = at
    while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at += 1
    const next = bytes[at]
    this.at = at
    return at > start && at - start <= 15 && next !== 0x2e && next !== 0x65 && next !== 0x45
  }

  /** Passes over a comma, if there is one. */
  private separator(): boolean {
    if (this.token() !== COMMA) return false
    this.at += 1
    return true
  }

  /** Passes over white space; answers with the byte after it. */
  private token(): number {
    const { bytes } = this
    let at = this.at
    let byte = bytes[at]!
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++at]!
    this.at = at
    return byte
  }

  private skip(depth: number): boolean {
    const end = skipValue(this.bytes, this.at, depth)
    this.at = end
    return end !== UNLIKE
  }
}

/** Passes over the value at `at`, whatever it is. This loop sees nearly every byte of a document, so it knows as little as it can. */
function skipValue(bytes: Uint8Array, from: number, depthOutside: number): number {
  let at = from
  let depth = depthOutside
  for (;;) {
    const byte = bytes[at]!
    if (byte <= 0x20 || byte === COMMA || byte === 0x3a) {
      at += 1
      continue
    }
    if (byte === QUOTE) {
      for (let inside = bytes[++at]!; inside !== QUOTE; inside = bytes[++at]!) {
        if (inside === BACKSLASH) {
          at += 1
          if (bytes[at] === 0x75 && isSurrogate(bytes, at)) {
            if (!isPair(bytes, at)) return UNLIKE
            at += 6
          }
        }
      }
      at += 1
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > QUICK_DEPTH) return UNLIKE
      at += 1
      continue
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1
      at += 1
    } else if (byte === 0x74 || byte === NULL) {
      at += 4
    } else if (byte === 0x66) {
      at += 5
    } else {
      at = skipNumber(bytes, at)
      if (at === UNLIKE) return UNLIKE
    }
    if (depth === depthOutside) return at
  }
}

function skipNumber(bytes: Uint8Array, from: number): number {
  let at = from
  let exponent = false
  for (let byte = bytes[at]!; ; byte = bytes[++at]!) {
    if (byte >= 0x30 && byte <= 0x39) continue
    if (byte === 0x65 || byte === 0x45) exponent = true
    else if (byte !== 0x2d && byte !== 0x2e && byte !== 0x2b) break
  }
  if (!exponent && at - from < 300) return at
  return Number.isFinite(Number(Buffer.from(bytes.subarray(from, at)).toString('latin1'))) ? at : UNLIKE
}

/** Whether the escape whose `u` is at `at` is a half of a surrogate pair: `\ud8…` to `\udf…`. */
function isSurrogate(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 1]! | 0x20) === 0x64 && bytes[at + 2]! >= 0x38
}

/** Whether it is the first half, and the second half follows. */
function isPair(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at + 2]! | 0x20
  const isFirst = first === 0x38 || first === 0x39 || first === 0x61 || first === 0x62
  if (!isFirst || bytes[at + 5] !== BACKSLASH || bytes[at + 6] !== 0x75 || (bytes[at + 7]! | 0x20) !== 0x64)
    return false
  const second = bytes[at + 8]! | 0x20
  return second >= 0x63 && second <= 0x66
}
