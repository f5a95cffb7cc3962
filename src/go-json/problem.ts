import { type CommonDetails, KeelstateError } from '../core/errors.ts'
import { decodeUtf8, quote, sequenceLength } from './text.ts'

/** Names and list positions from the top of a document down to one value. */
export type Path = readonly (string | number)[]

/** For whom a document is read or written; part of every error. */
export interface Context {
  /** What the document is, such as `snapshot`: begins the message. */
  readonly what: string
  /** The call, such as `decodeSnapshot`. */
  readonly operation?: string
  /** What may help when a document cannot be read. */
  readonly hint?: string
}

/** Where in a document something is wrong, for `details` of the error. */
export interface Place extends CommonDetails {
  /** Such as `entries[3].schema-version`; empty for the whole document. */
  readonly path: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1, in characters. */
  readonly column: number
  /** Counted from 0, in bytes. */
  readonly offset: number
}

const MAX_PATH_LENGTH = 200 // characters of a path in a message

/** Shows a path as `entries[3].outputs["a b"]`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${quote(step)}]`
    if (text.length > MAX_PATH_LENGTH) return `${text.slice(0, MAX_PATH_LENGTH)}…`
  }
  return text
}

/** Finds line and column of a byte. */
export function placeOf(bytes: Uint8Array, offset: number, path: Path): Place {
  let line = 1
  let lineStart = 0
  for (let at = bytes.indexOf(0x0a); at >= 0 && at < offset; at = bytes.indexOf(0x0a, at + 1)) {
    line += 1
    lineStart = at + 1
  }
  return { path: formatPath(path), line, column: [...decodeUtf8(bytes.subarray(lineStart, offset))].length + 1, offset }
}

/** The document is JSON, but `path` holds something else than its reader expects. */
export function mismatch(
  context: Context,
  bytes: Uint8Array,
  offset: number,
  path: Path,
  expected: string,
  found: string,
): KeelstateError<'InvalidInput'> {
  const place = placeOf(bytes, offset, path)
  const where = place.path === '' ? 'the document' : place.path
  return invalid(context, `${where} must be ${expected}, found ${found} ${shown(place)}`, place)
}

/** The document is not JSON. */
export function notJson(
  context: Context,
  bytes: Uint8Array,
  offset: number,
  path: Path,
  expected: string,
): KeelstateError<'InvalidInput'> {
  const place = placeOf(bytes, offset, path)
  const inside = place.path === '' ? '' : ` in ${place.path}`
  return invalid(
    context,
    `not JSON: expected ${expected}${inside}, found ${foundAt(bytes, offset)} ${shown(place)}`,
    place,
  )
}

/** The document is JSON of more levels than are read or written. */
export function tooDeep(
  context: Context,
  bytes: Uint8Array,
  offset: number,
  path: Path,
): KeelstateError<'InvalidInput'> {
  const place = placeOf(bytes, offset, path)
  return invalid(context, `nested deeper than ${MAX_DEPTH} levels ${shown(place)}`, place)
}

/** A value that a program handed over for writing does not fit. */
export function unwritable(
  context: Context,
  path: Path,
  expected: string,
  found: string,
): KeelstateError<'InvalidInput'> {
  const where = path.length === 0 ? 'the document' : formatPath(path)
  return invalid(context, `${where} must be ${expected}, found ${found}`, undefined)
}

/** Levels of nesting that Go's decoder reads. */
export const MAX_DEPTH = 10_000

function invalid(context: Context, message: string, place: Place | undefined): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: `${context.what}: ${message}`,
    ...(context.operation === undefined ? {} : { operation: context.operation }),
    ...(place === undefined ? {} : { details: place }),
    ...(place === undefined || context.hint === undefined ? {} : { hint: context.hint }),
  })
}

function shown(place: Place): string {
  return `(line ${place.line}, column ${place.column}, byte ${place.offset})`
}

function foundAt(bytes: Uint8Array, offset: number): string {
  if (offset >= bytes.length) return 'the end of the text'
  const length = sequenceLength(bytes, offset)
  return length === 0
    ? `the byte 0x${bytes[offset]!.toString(16)}, which is not UTF-8`
    : quote(decodeUtf8(bytes.subarray(offset, offset + length)))
}
