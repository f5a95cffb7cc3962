import { decodeBase64 } from './base64.ts'
import { decodeExactly, isPresent } from './decode-exact.ts'
import type { Context } from './problem.ts'
import { readsAlike } from './scan.ts'
import type { MapShape, Shape, StructShape } from './shape.ts'
import { asBuffer, decodeUtf8 } from './text.ts'
import { keptTime, parseTime, ZERO_TIME } from './time.ts'

/**
 * Reads a document that a Go program wrote, or would read, as that program reads it.
 *
 * Nearly every document is one that `JSON.parse` reads as Go does; `readsAlike` makes sure of it, and costs less than the parsing. The others, and
 * those that do not fit `shape`, go to `decodeExactly`.
 *
 * @returns A value as described at `Shape`; `undefined` for a nil one.
 * @throws {KeelstateError} `InvalidInput`, naming the place in the document (also in `details`: `path`, `line`, `column`, `offset`), what was
 *   expected there and what was found.
 */
export function decode(bytes: Uint8Array, shape: Shape, context: Context): unknown {
  const buffer = asBuffer(bytes)
  const parsed = parseQuickly(buffer)
  if (parsed === undefined || !readsAlike(buffer, shape)) return decodeExactly(buffer, shape, context)
  const value = shaped(shape, parsed.value)
  return value === MISFIT ? decodeExactly(buffer, shape, context) : value
}

function parseQuickly(bytes: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(decodeUtf8(bytes)) }
  } catch {
    return undefined
  }
}

/** The value does not fit after all; the exact reader finds out why. */
const MISFIT = Symbol('misfit')

/** Turns what `JSON.parse` made, of which `readsAlike` knows the types, into what `Shape` describes. Changes it in place where it can. */
function shaped(shape: Shape, value: unknown): unknown {
  switch (shape.kind) {
    case 'any':
      if (typeof value === 'object' && value !== null) withoutPrototypes(value)
      return value
    case 'string':
      return value ?? ''
    case 'int':
      return ((value ?? 0) as number) + 0 // Go's int has no negative zero
    case 'float':
      return value ?? 0
    case 'bool':
      return value ?? false
    case 'time':
      return shapedTime((value as string | undefined) ?? ZERO_TIME)
    case 'bytes':
      return value === undefined || value === null ? undefined : shapedBytes(value as string)
    case 'pointer':
      return value === undefined || value === null ? undefined : shaped(shape.to, value)
    case 'list':
      return value === undefined || value === null ? undefined : shapedList(shape.of, value as unknown[])
    case 'map':
      return value === undefined || value === null ? undefined : shapedMap(shape, value as Record<string, unknown>)
    case 'struct':
      return shapedStruct(shape, (value as Record<string, unknown> | undefined | null) ?? {})
    case 'raw':
      return value === undefined ? undefined : MISFIT
  }
}

function shapedStruct(shape: StructShape, value: Record<string, unknown>): unknown {
  Object.setPrototypeOf(value, null) // so that a field named `constructor` finds nothing
  const out: Record<string, unknown> = {}
  for (const field of shape.fields) {
    const member = shaped(field.shape, value[field.name])
    if (member === MISFIT) return MISFIT
    if (isPresent(field, member)) out[field.member] = member
  }
  return Object.setPrototypeOf(out, null)
}

function shapedList(of: Shape, value: unknown[]): unknown {
  for (let i = 0; i < value.length; i++) {
    const member = shaped(of, value[i])
    if (member === MISFIT) return MISFIT
    value[i] = member ?? null
  }
  return value
}

function shapedMap(shape: MapShape, value: Record<string, unknown>): unknown {
  Object.setPrototypeOf(value, null)
  for (const key in value) {
    const member = shaped(shape.of, value[key])
    if (member === MISFIT) return MISFIT
    value[key] = member ?? null
  }
  return value
}

function shapedTime(text: string): unknown {
  const instant = parseTime(text)
  return 'problem' in instant ? MISFIT : keptTime(text, instant)
}

function shapedBytes(text: string): unknown {
  const decoded = decodeBase64(text)
  return 'corruptAt' in decoded ? MISFIT : new Uint8Array(decoded)
}

/** Takes the prototype from every object, at most `QUICK_DEPTH` levels deep. */
function withoutPrototypes(value: object): void {
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) if (typeof item === 'object' && item !== null) withoutPrototypes(item)
    return
  }
  Object.setPrototypeOf(value, null)
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key]
    if (typeof member === 'object' && member !== null) withoutPrototypes(member)
  }
}
