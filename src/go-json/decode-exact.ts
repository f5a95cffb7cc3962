import { decodeBase64 } from './base64.ts'
import { type ArrayNode, type Node, numberText, type ObjectNode, parseJson, stringOf } from './parse.ts'
import { type Context, mismatch, type Path } from './problem.ts'
import type { Field, ListShape, MapShape, Shape, StructShape } from './shape.ts'
import { decodeUtf8, quote } from './text.ts'
import { keptTime, parseTime, ZERO_TIME } from './time.ts'

/**
 * Reads a document exactly as Go's `json.Unmarshal` does, oddities included: names match whatever their case, a repeated name is read *into* what
 * its first occurrence left, `null` leaves scalars and structs alone. `decode.ts` calls it for documents in which one of these can matter, and for
 * the error of one that does not fit.
 *
 * @throws {KeelstateError} `InvalidInput`: the first place where the text is not JSON, else the first value of another type than its shape.
 */
export function decodeExactly(bytes: Uint8Array, shape: Shape, context: Context): unknown {
  const root = parseJson(bytes, context)
  return settle(shape, new Reader(bytes, context).into(shape, undefined, root, []))
}

/** A Go slice: its elements, and behind them those of an earlier, longer reading that a later one can bring back. */
interface Slice {
  length: number
  readonly slots: unknown[]
}

type Members = Record<string, unknown>

class Reader {
  private readonly bytes: Uint8Array
  private readonly context: Context

  constructor(bytes: Uint8Array, context: Context) {
    this.bytes = bytes
    this.context = context
  }

  /** Reads `node` over the value `current` (undefined is Go's zero value) and answers with what is there then. */
  into(shape: Shape, current: unknown, node: Node, path: Path): unknown {
    if (shape.kind === 'raw') return Uint8Array.from(this.bytes.subarray(node.start, node.end))
    if (shape.kind === 'any') return this.untyped(node, path)
    if (node.type === 'null')
      return shape.kind === 'list' || shape.kind === 'map' || shape.kind === 'pointer' || shape.kind === 'bytes'
        ? undefined
        : current
    switch (shape.kind) {
      case 'pointer':
        return this.into(shape.to, current ?? zero(shape.to), node, path)
      case 'string':
        return node.type === 'string' ? stringOf(this.bytes, node) : this.refuse(node, path, 'a string')
      case 'bool':
        return node.type === 'true' || node.type === 'false'
          ? node.type === 'true'
          : this.refuse(node, path, 'true or false')
      case 'int':
        return node.type === 'number' ? this.integer(node, path) : this.refuse(node, path, 'an integer')
      case 'float':
        return node.type === 'number' ? this.double(node, path) : this.refuse(node, path, 'a number')
      case 'time':
        return this.time(node, path)
      case 'bytes':
        return this.byteSlice(current as Slice | undefined, node, path)
      case 'list':
        return node.type === 'array'
          ? this.list(shape, current as Slice | undefined, node, path)
          : this.refuse(node, path, 'a list')
      case 'map':
        return node.type === 'object'
          ? this.map(shape, current as Members | undefined, node, path)
          : this.refuse(node, path, 'an object')
      case 'struct':
        return node.type === 'object'
          ? this.struct(shape, current as Members | undefined, node, path)
          : this.refuse(node, path, 'an object')
    }
  }

  private struct(shape: StructShape, current: Members | undefined, node: ObjectNode, path: Path): Members {
    const target = current ?? nullObject()
    node.keys.forEach((key, i) => {
      const field = fieldFor(shape, key)
      if (field === undefined) return
      target[field.member] = this.into(field.shape, target[field.member], node.values[i]!, [...path, field.name])
    })
    return target
  }

  private map(shape: MapShape, current: Members | undefined, node: ObjectNode, path: Path): Members {
    const target = current ?? nullObject()
    node.keys.forEach((key, i) => {
      target[key] = this.into(shape.of, undefined, node.values[i]!, [...path, key])
    })
    return target
  }

  private list(shape: { readonly of: Shape }, current: Slice | undefined, node: ArrayNode, path: Path): Slice {
    if (node.items.length === 0) return { length: 0, slots: [] }
    const slice = current ?? { length: 0, slots: [] }
    node.items.forEach((item, i) => {
      slice.slots[i] = this.into(shape.of, slice.slots[i], item, [...path, i])
    })
    slice.length = node.items.length
    return slice
  }

  private byteSlice(current: Slice | undefined, node: Node, path: Path): Slice {
    if (node.type === 'string') {
      const decoded = decodeBase64(stringOf(this.bytes, node))
      if ('corruptAt' in decoded) {
        throw this.mismatch(node, path, 'padded base64', `text that is none from its byte ${decoded.corruptAt} on`)
      }
      return { length: decoded.length, slots: [...decoded] }
    }
    if (node.type !== 'array') throw this.mismatch(node, path, 'base64 in a string, or a list of bytes')
    for (const [i, item] of node.items.entries()) {
      if (
        item.type !== 'null' &&
        !(item.type === 'number' && /^\d{1,3}$/.test(this.text(item)) && Number(this.text(item)) < 256)
      ) {
        throw this.mismatch(item, [...path, i], 'a number from 0 to 255')
      }
    }
    return this.list({ of: { kind: 'int' } }, current, node, path)
  }

  private integer(node: Node, path: Path): number | bigint {
    const text = this.text(node)
    const value = /^-?\d+$/.test(text) ? BigInt(text) : undefined
    if (value === undefined || BigInt.asIntN(64, value) !== value) {
      throw this.mismatch(node, path, value === undefined ? 'an integer' : 'an integer of 64 bits', text.slice(0, 40))
    }
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }

  private double(node: Node, path: Path): number {
    const value = Number(this.text(node))
    if (!Number.isFinite(value))
      throw this.mismatch(node, path, 'a number that fits a double', this.text(node).slice(0, 40))
    return value
  }

  private time(node: Node, path: Path): string {
    if (node.type !== 'string') throw this.mismatch(node, path, 'an RFC 3339 time')
    const text = decodeUtf8(this.bytes.subarray(node.start + 1, node.end - 1)) // Go does not decode escapes here
    const instant = parseTime(text)
    if ('problem' in instant)
      throw this.mismatch(node, path, 'an RFC 3339 time', `${quote(text.slice(0, 40))}: ${instant.problem}`)
    return keptTime(text, instant)
  }

  /** Reads what has no shape, without recursion: 10,000 levels are legal. */
  private untyped(root: Node, path: Path): unknown {
    const open: { node: ArrayNode | ObjectNode; value: unknown[] | Members; next: number }[] = []
    const begin = (node: Node): unknown => {
      switch (node.type) {
        case 'null':
          return null
        case 'true':
        case 'false':
          return node.type === 'true'
        case 'string':
          return stringOf(this.bytes, node)
        case 'number':
          return this.double(node, [...path, ...open.map(stepOf)])
        default: {
          const value = node.type === 'array' ? [] : nullObject()
          open.push({ node, value, next: 0 })
          return value
        }
      }
    }
    const made = begin(root)
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { node, value } = top
      const i = top.next++
      if (node.type === 'array') {
        if (i === node.items.length) open.pop()
        else (value as unknown[]).push(begin(node.items[i]!))
      } else if (i === node.values.length) open.pop()
      else (value as Members)[node.keys[i]!] = begin(node.values[i]!)
    }
    return made
  }

  private text(node: Node): string {
    return numberText(this.bytes, node as Node & { type: 'number' })
  }

  private refuse(node: Node, path: Path, expected: string): never {
    throw this.mismatch(node, path, expected)
  }

  private mismatch(node: Node, path: Path, expected: string, found: string = NAMES[node.type]): Error {
    return mismatch(this.context, this.bytes, node.start, path, expected, found)
  }
}

const NAMES: Record<Node['type'], string> = {
  null: 'null',
  true: 'true',
  false: 'false',
  number: 'a number',
  string: 'a string',
  array: 'a list',
  object: 'an object',
}

function stepOf(frame: { node: ArrayNode | ObjectNode; next: number }): string | number {
  return frame.node.type === 'array' ? frame.next - 1 : frame.node.keys[frame.next - 1]!
}

/** The field that Go would choose for a name: the exact one, else the first that is equal under Unicode's simple case folding. */
function fieldFor(shape: StructShape, key: string): Field | undefined {
  return shape.fields.find(({ name }) => name === key) ?? shape.fields.find(({ name }) => sameFolded(name, key))
}

function sameFolded(name: string, key: string): boolean {
  if (ASCII.test(name) && ASCII.test(key)) return name.toLowerCase() === key.toLowerCase()
  return new RegExp(`^${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`, 'iu').test(key)
}

const ASCII = /^[ -~]*$/

function zero(shape: Shape): unknown {
  return shape.kind === 'struct' ? nullObject() : undefined
}

function nullObject(): Members {
  return Object.setPrototypeOf({}, null) as Members
}

/** Turns the state of reading into what callers get: see `Shape`. */
function settle(shape: Shape, state: unknown): unknown {
  switch (shape.kind) {
    case 'string':
      return state ?? ''
    case 'int':
    case 'float':
      return state ?? 0
    case 'bool':
      return state ?? false
    case 'time':
      return state ?? ZERO_TIME
    case 'bytes':
      return state === undefined
        ? undefined
        : Uint8Array.from(settleSlice({ kind: 'list', of: { kind: 'int' } }, state as Slice) as number[])
    case 'list':
      return state === undefined ? undefined : settleSlice(shape, state as Slice)
    case 'map': {
      const target = state as Members | undefined
      for (const key in target) target[key] = settle(shape.of, target[key]) ?? null
      return target
    }
    case 'pointer':
      return state === undefined ? undefined : settle(shape.to, state)
    case 'struct':
      return settleStruct(shape, (state as Members | undefined) ?? nullObject())
    default:
      return state
  }
}

function settleSlice(shape: ListShape, slice: Slice): unknown[] {
  return slice.slots.slice(0, slice.length).map((slot) => settle(shape.of, slot) ?? null)
}

function settleStruct(shape: StructShape, state: Members): Members {
  const out = nullObject()
  for (const field of shape.fields) {
    const value = settle(field.shape, state[field.member])
    if (isPresent(field, value)) out[field.member] = value
  }
  return out
}

/** Whether a decoded struct holds a member for the field; see `Shape`. */
export function isPresent(field: Field, value: unknown): boolean {
  if (value === undefined || value === null) return false
  return !(
    field.omitEmpty &&
    (value === '' || value === 0 || value === false) &&
    field.shape.kind !== 'any' &&
    field.shape.kind !== 'pointer'
  )
}
