import { QUICK_DEPTH } from './scan.ts'
import type { Field, Shape, StructShape } from './shape.ts'
import { compareUtf8 } from './text.ts'
import { formatTime, parseTime, ZERO_TIME } from './time.ts'

/** Answer of `asPlain` for a value that `JSON.stringify` does not write as Go does. `encode.ts` then writes it itself, or says what is wrong with it. */
export const UNLIKE: unique symbol = Symbol('unlike')

/**
 * A value that `JSON.stringify` writes as Go would write `value`, apart from the escapes that `encode` adds; often `value` itself. `JSON.stringify` is
 * several times faster than any writer in JavaScript.
 */
export function asPlain(shape: Shape, value: unknown): unknown {
  switch (shape.kind) {
    case 'any':
      return value === undefined ? null : writesAlike(value, 0) ? value : sorted(value, 0)
    case 'string':
      return typeof value === 'string' ? value : value === undefined ? '' : UNLIKE
    case 'bool':
      return typeof value === 'boolean' ? value : value === undefined ? false : UNLIKE
    case 'int':
      return Number.isSafeInteger(value) ? (value as number) + 0 : value === undefined ? 0 : UNLIKE
    case 'float':
      return value === undefined ? 0 : isPlainNumber(value) ? value : UNLIKE
    case 'time':
      return typeof value === 'string' ? plainTime(value) : value === undefined ? ZERO_TIME : UNLIKE
    case 'pointer':
      return value === undefined || value === null ? null : asPlain(shape.to, value)
    case 'list':
      return value === undefined || value === null ? null : Array.isArray(value) ? plainList(shape.of, value) : UNLIKE
    case 'struct':
      return isStruct(value) ? plainStruct(shape, value) : UNLIKE
    case 'map':
      if (value === undefined || value === null) return null
      return shape.of.kind === 'any' && isObject(value) ? asPlain(shape.of, value) : UNLIKE
    default:
      return UNLIKE
  }
}

/** Whether Go's `omitempty` leaves the field out. */
export function isEmpty({ shape }: Field, value: unknown): boolean {
  switch (shape.kind) {
    case 'struct':
    case 'time':
      return false
    case 'any':
    case 'pointer':
      return value === undefined || value === null
    case 'list':
      return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
    case 'map':
      return value === undefined || value === null || (isObject(value) && hasNone(value))
    case 'bytes':
    case 'raw':
      return value === undefined || value === null || (value instanceof Uint8Array && value.length === 0)
    case 'string':
      return value === undefined || value === ''
    case 'bool':
      return value === undefined || value === false
    default:
      return value === undefined || value === 0 || value === 0n
  }
}

function hasNone(value: Record<string, unknown>): boolean {
  for (const key in value) if (value[key] !== undefined) return false
  return true
}

/** Names of an object's members, in the order of their UTF-8 bytes; a member that is undefined is none. */
export function keysOf(value: Record<string, unknown>): string[] {
  return Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort(compareUtf8)
}

/** Whether it is an object that stands for a JSON object: not a list, and not an instance of a class. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Whether it can stand for a struct: an object of any class. */
export function isStruct(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function plainStruct(shape: StructShape, value: Record<string, unknown>): unknown {
  const out: Record<string, unknown> = {}
  let known = 0
  for (const field of shape.fields) {
    const member = value[field.member]
    if (member !== undefined) known += 1
    if (field.omitEmpty && (member === undefined || isEmpty(field, member))) continue
    const plain = asPlain(field.shape, member)
    if (plain === UNLIKE) return UNLIKE
    out[field.name] = plain
  }
  for (const key in value) if (value[key] !== undefined) known -= 1
  return known < 0 ? UNLIKE : out // a member that is no field
}

function plainList(of: Shape, value: readonly unknown[]): unknown {
  if (of.kind === 'string' && isStrings(value)) return value
  const out: unknown[] = []
  for (const item of value) {
    const plain = item === undefined ? UNLIKE : asPlain(of, item)
    if (plain === UNLIKE) return UNLIKE
    out.push(plain)
  }
  return out
}

function isStrings(value: readonly unknown[]): boolean {
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== 'string') return false
  return true
}

function plainTime(text: string): unknown {
  const instant = parseTime(text)
  if ('problem' in instant) return UNLIKE
  const written = formatTime(instant)
  return typeof written === 'string' ? written : UNLIKE
}

/** Whether `JSON.stringify` writes an untyped value as it is: names in order, no number that Go writes differently, nothing that is no JSON. */
function writesAlike(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return isPlainNumber(value)
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth > QUICK_DEPTH) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!writesAlike(value[i], depth + 1)) return false
    return true
  }
  if (!isObject(value)) return false
  let before: string | undefined
  for (const key in value) {
    if (before !== undefined && compareUtf8(before, key) > 0) return false
    before = key
    const member = value[key]
    if (member !== undefined && !writesAlike(member, depth + 1)) return false
  }
  return true
}

/** A copy with every object's names in order, unless there are names that a JavaScript object never lists in that order. */
function sorted(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return writesAlike(value, depth) ? value : UNLIKE
  if (depth > QUICK_DEPTH) return UNLIKE
  if (Array.isArray(value)) {
    const items = Array.from(value, (item: unknown) => sorted(item, depth + 1))
    return items.includes(UNLIKE) ? UNLIKE : items
  }
  if (!isObject(value)) return UNLIKE
  const out = Object.setPrototypeOf({}, null) as Record<string, unknown>
  const keys = keysOf(value)
  for (const key of keys) {
    const plain = sorted(value[key], depth + 1)
    if (plain === UNLIKE) return UNLIKE
    out[key] = plain
  }
  return keys.some(isIndex) && !Object.keys(out).every((key, i) => key === keys[i]) ? UNLIKE : out
}

function isPlainNumber(value: unknown): boolean {
  return typeof value === 'number' && (value === 0 ? !Object.is(value, -0) : Number.isFinite(value))
}

/** Names that JavaScript objects list first, in numeric order. */
function isIndex(name: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/.test(name)
}
