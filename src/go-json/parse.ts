import { type Context, MAX_DEPTH, notJson, type Path, tooDeep } from './problem.ts'
import { decodeUtf8 } from './text.ts'

/** A JSON value with its place in the text. `start` and `end` are byte offsets. */
export type Node = ScalarNode | StringNode | ArrayNode | ObjectNode

export interface ScalarNode {
  readonly type: 'null' | 'true' | 'false' | 'number'
  readonly start: number
  readonly end: number
}

export interface StringNode {
  readonly type: 'string'
  readonly start: number
  readonly end: number
}

export interface ArrayNode {
  readonly type: 'array'
  readonly start: number
  end: number
  readonly items: Node[]
}

export interface ObjectNode {
  readonly type: 'object'
  readonly start: number
  end: number
  /** Every member in the order of the text, repeated names included. */
  readonly keys: string[]
  readonly values: Node[]
}

/**
 * Parses JSON strictly (RFC 8259, as Go's scanner does), without recursion: 10,000 levels are read, one more is refused.
 *
 * @throws {KeelstateError} `InvalidInput` that says where the text stops being JSON and what was expected there.
 */
export function parseJson(bytes: Uint8Array, context: Context): Node {
  return new Parser(bytes, context).parse()
}

/** The characters of a string node, without escapes; what is not UTF-8 and escaped halves of a pair become U+FFFD. */
export function stringOf(bytes: Uint8Array, node: StringNode): string {
  return (JSON.parse(decodeUtf8(bytes.subarray(node.start, node.end))) as string).toWellFormed()
}

/** The text of a number node. */
export function numberText(bytes: Uint8Array, node: ScalarNode): string {
  return decodeUtf8(bytes.subarray(node.start, node.end))
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

class Parser {
  private readonly bytes: Uint8Array
  private readonly context: Context
  private readonly open: (ArrayNode | ObjectNode)[] = []
  private at = 0

  constructor(bytes: Uint8Array, context: Context) {
    this.bytes = bytes
    this.context = context
  }

  parse(): Node {
    for (;;) {
      this.skipSpace()
      let node = this.beginValue()
      if (node === undefined) continue // a container was opened and is not empty
      for (;;) {
        const parent = this.open.at(-1)
        if (parent === undefined) return this.finish(node)
        if (parent.type === 'array') parent.items.push(node)
        else parent.values.push(node)
        this.skipSpace()
        const next = this.bytes[this.at]
        const close = parent.type === 'array' ? 0x5d : 0x7d
        if (next === close) {
          node = this.close()
          continue
        }
        if (next !== 0x2c) {
          throw this.unexpected(parent.type === 'array' ? `',' or ']'` : `',' or '}'`, this.path(this.open.length - 1))
        }
        this.at += 1
        if (parent.type === 'object') this.key(parent)
        break
      }
    }
  }

  private finish(node: Node): Node {
    this.skipSpace()
    if (this.at < this.bytes.length) throw this.unexpected('the end of the text')
    return node
  }

  /** Reads a scalar or an empty container; of any other container, reads up to its first value. */
  private beginValue(): Node | undefined {
    switch (this.bytes[this.at]) {
      case QUOTE:
        return this.string()
      case 0x5b:
        return this.openContainer({ type: 'array', start: this.at, end: this.at, items: [] })
      case 0x7b:
        return this.openContainer({ type: 'object', start: this.at, end: this.at, keys: [], values: [] })
      case 0x74:
        return this.literal('true')
      case 0x66:
        return this.literal('false')
      case 0x6e:
        return this.literal('null')
      default:
        return this.number()
    }
  }

  private openContainer(node: ArrayNode | ObjectNode): Node | undefined {
    if (this.open.length === MAX_DEPTH) throw tooDeep(this.context, this.bytes, this.at, this.path())
    this.open.push(node)
    this.at += 1
    this.skipSpace()
    if (this.bytes[this.at] === (node.type === 'array' ? 0x5d : 0x7d)) return this.close()
    if (node.type === 'object') this.key(node, true)
    return undefined
  }

  private close(): Node {
    const node = this.open.pop()!
    this.at += 1
    node.end = this.at
    return node
  }

  private key(parent: ObjectNode, first = false): void {
    this.skipSpace()
    if (this.bytes[this.at] !== QUOTE) throw this.unexpected(first ? `a name in quotes or '}'` : 'a name in quotes')
    parent.keys.push(stringOf(this.bytes, this.string()))
    this.skipSpace()
    if (this.bytes[this.at] !== 0x3a) throw this.unexpected(`':'`)
    this.at += 1
  }

  private string(): StringNode {
    const { bytes } = this
    const start = this.at
    let at = start + 1
    for (; bytes[at] !== QUOTE; at++) {
      const byte = bytes[at]
      if (byte === undefined || byte < 0x20) {
        this.at = at
        throw this.unexpected(
          byte === undefined ? 'the end of a string' : 'a character of a string (control characters are escaped)',
        )
      }
      if (byte === BACKSLASH) at = this.escape(at + 1)
    }
    this.at = at + 1
    return { type: 'string', start, end: this.at }
  }

  /** Checks what follows a backslash; answers with the offset of its last byte. */
  private escape(at: number): number {
    const { bytes } = this
    if (bytes[at] !== 0x75) {
      if (bytes[at] !== undefined && '"\\/bfnrt'.includes(String.fromCharCode(bytes[at]!))) return at
      this.at = at
      throw this.unexpected('an escape: one of "\\/bfnrt or u and four hexadecimal digits')
    }
    for (let digit = at + 1; digit <= at + 4; digit++) {
      if (bytes[digit] === undefined || !/[0-9a-fA-F]/.test(String.fromCharCode(bytes[digit]!))) {
        this.at = digit
        throw this.unexpected('a hexadecimal digit')
      }
    }
    return at + 4
  }

  private literal(word: 'true' | 'false' | 'null'): ScalarNode {
    const start = this.at
    for (const char of word) {
      if (this.bytes[this.at] !== char.charCodeAt(0)) throw this.unexpected(`'${char}' of ${word}`)
      this.at += 1
    }
    return { type: word, start, end: this.at }
  }

  private number(): ScalarNode {
    const start = this.at
    if (this.bytes[this.at] === 0x2d) this.at += 1
    if (this.bytes[this.at] === 0x30) this.at += 1
    else this.digits(this.at === start ? 'a value' : 'a digit')
    if (this.bytes[this.at] === 0x2e) {
      this.at += 1
      this.digits('a digit')
    }
    if (this.bytes[this.at] === 0x65 || this.bytes[this.at] === 0x45) {
      this.at += 1
      if (this.bytes[this.at] === 0x2b || this.bytes[this.at] === 0x2d) this.at += 1
      this.digits('a digit')
    }
    return { type: 'number', start, end: this.at }
  }

  private digits(expected: string): void {
    const start = this.at
    while (this.bytes[this.at]! >= 0x30 && this.bytes[this.at]! <= 0x39) this.at += 1
    if (this.at === start) throw this.unexpected(expected)
  }

  private skipSpace(): void {
    const { bytes } = this
    let at = this.at
    for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[at])
      at += 1
    this.at = at
  }

  private unexpected(expected: string, path: Path = this.path()): Error {
    return notJson(this.context, this.bytes, this.at, path, expected)
  }

  /** From the top to the value that is being read, or to the container at `depth`. */
  private path(depth = this.open.length): Path {
    return this.open.slice(0, depth).flatMap((node): Path => {
      if (node.type === 'array') return [node.items.length]
      return node.keys.length > node.values.length ? [node.keys.at(-1)!] : []
    })
  }
}
