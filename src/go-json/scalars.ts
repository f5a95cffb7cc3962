import { quoteJson } from './escapes.ts'
import { type Context, type Path, unwritable } from './problem.ts'
import type { ScalarShape } from './shape.ts'
import { quote } from './text.ts'
import { formatTime, parseTime, ZERO_TIME } from './time.ts'

/** What each kind of value must be, for messages. */
export const EXPECTED: Record<ScalarShape['kind'], string> = {
  any: 'null, true, false, a finite number, a string, a list or a plain object',
  string: 'a string',
  bool: 'true or false',
  int: 'an integer of 64 bits (a bigint beyond 2^53)',
  float: 'a finite number',
  time: 'an RFC 3339 time of the years 0 to 9999',
  bytes: 'a Uint8Array',
  raw: 'a Uint8Array of JSON text',
}

/**
 * Writes one value that is no list and no object.
 *
 * @throws {KeelstateError} `InvalidInput` when it does not fit.
 */
export function writeScalar(kind: ScalarShape['kind'], value: unknown, context: Context, path: Path): string {
  switch (typeof value) {
    case 'string':
      if (kind === 'any' || kind === 'string') return quoteJson(value)
      if (kind === 'time') return writeTime(value, context, path)
      break
    case 'boolean':
      if (kind === 'any' || kind === 'bool') return String(value)
      break
    case 'number':
      if ((kind === 'any' || kind === 'float') && Number.isFinite(value))
        return Object.is(value, -0) ? '-0' : String(value)
      if (kind === 'int' && Number.isSafeInteger(value)) return String(value)
      break
    case 'bigint':
      if (kind === 'any' || (kind === 'int' && BigInt.asIntN(64, value) === value)) return String(value)
      break
    case 'object':
      if (kind === 'any' && value === null) return 'null'
      if (kind === 'bytes' && value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`
      break
    case 'undefined':
      if (kind === 'time') return `"${ZERO_TIME}"`
  }
  if ((kind === 'bytes' || kind === 'raw') && (value === undefined || value === null)) return 'null'
  throw unwritable(context, path, EXPECTED[kind], describe(value))
}

function writeTime(text: string, context: Context, path: Path): string {
  const instant = parseTime(text)
  const written = 'problem' in instant ? instant : formatTime(instant)
  if (typeof written === 'string') return `"${written}"`
  throw unwritable(context, path, EXPECTED.time, `${quote(text.slice(0, 40))}: ${written.problem}`)
}

/** Names a value for a message, without showing what may be secret. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? 'a number' : String(value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object') return `a ${typeof value}`
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== 'Object' ? `an instance of ${name}` : 'an object'
}
