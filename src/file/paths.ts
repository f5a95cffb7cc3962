import { KeelstateError } from '../core/errors.ts'
import type { ObjectKey } from '../core/store.ts'

/**
 * Keys as paths below the root folder, one way and back.
 *
 * Every segment of a key becomes a file name that any common file system keeps apart from every other:
 *
 * - `a–z 0–9 . _ - % ~` stand for themselves; a capital is `+` and its small letter (`Shop` → `+shop`), so that nothing rests on case;
 *   every other byte of the UTF-8 form is `=` and two hex digits (a blank → `=20`).
 * - The last dot of a segment is `=2e` (which also covers `.` and `..`), and the first letter of a device name of Windows (`con`, `nul.txt`)
 *   is written as `=` and hex digits, so that a folder can be copied there and back.
 * - A segment that then exceeds 240 bytes is cut into nested folders, all but the last with a `,` at their end.
 * - The last segment of a key ends in `@`: an object `a` and the folder of `a/b` have different names.
 *
 * `,` and `@` occur nowhere else, so a name that begins with `@` is free for the driver's own use. One key has one path; a name that is
 * not exactly what its decoded form encodes to is none of ours.
 */
export interface KeyPath {
  /** Names of the folders, from the root down. */
  readonly folders: readonly string[]
  /** Name of the object's own file or folder. */
  readonly leaf: string
}

/** One name in a folder, read back. */
export interface DecodedName {
  /** The escaped text; of a piece that goes on in the folder below, only its part. */
  readonly text: string
  readonly mark: 'continued' | 'leaf' | 'folder'
}

const MAX_PIECE_BYTES = 236 // with the two bytes of an escaped device name and a mark, under the 240 that leave room for suffixes
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/
const UNIT = /\+[a-z]|=[0-9a-f]{2}|[a-z0-9._%~-]/g

/**
 * Where the object of `key` lies.
 *
 * @throws {KeelstateError} `InvalidInput` when the key is no path of non-empty segments.
 */
export function pathOfKey(key: ObjectKey): KeyPath {
  const segments = key.split('/').map((segment) => encodeSegment(segment, key))
  const pieces = segments.pop()!
  return {
    folders: [...segments.flatMap(marked), ...pieces.slice(0, -1).map((piece) => `${piece},`)],
    leaf: `${pieces.at(-1)}@`,
  }
}

/** The folders of a list's prefix, which is empty or ends in `/`. */
export function foldersOfPrefix(prefix: string): string[] {
  if (prefix === '') return []
  if (!prefix.endsWith('/')) throw invalidKey(prefix, 'a prefix ends in "/" or is empty')
  return prefix
    .slice(0, -1)
    .split('/')
    .flatMap((segment) => marked(encodeSegment(segment, prefix)))
}

/** Splits a file name into its escaped text and its mark; `undefined` when it cannot be one of ours. */
export function decodeName(name: string): DecodedName | undefined {
  const last = name.at(-1)
  const mark = last === '@' ? 'leaf' : last === ',' ? 'continued' : 'folder'
  const text = mark === 'folder' ? name : name.slice(0, -1)
  if (text.replace(UNIT, '') !== '') return undefined
  return { text, mark }
}

/** The segment behind the escaped texts of its pieces; `undefined` when it would have been written otherwise. */
export function decodeSegment(pieces: readonly string[]): string | undefined {
  const bytes: number[] = []
  for (const [unit] of pieces.join('').matchAll(UNIT)) {
    if (unit.startsWith('+')) bytes.push(unit.charCodeAt(1) - 0x20)
    else if (unit.startsWith('=')) bytes.push(Number.parseInt(unit.slice(1), 16))
    else bytes.push(unit.charCodeAt(0))
  }
  const segment = Buffer.from(bytes).toString()
  if (segment === '' || segment.includes('/')) return undefined
  const again = encodeSegment(segment, segment)
  return again.length === pieces.length && again.every((piece, at) => piece === pieces[at]) ? segment : undefined
}

function marked(pieces: readonly string[]): string[] {
  return pieces.map((piece, at) => (at < pieces.length - 1 ? `${piece},` : piece))
}

/** The pieces of one segment, escaped and without their marks. */
function encodeSegment(segment: string, key: string): string[] {
  if (segment === '') throw invalidKey(key, 'it has an empty segment')
  if (!segment.isWellFormed()) throw invalidKey(key, 'it holds a lone surrogate, which has no UTF-8 form')
  const units = Array.from(Buffer.from(segment), escapeByte)
  if (units.at(-1) === '.') units[units.length - 1] = '=2e'
  const pieces: string[] = []
  let piece = ''
  for (const unit of units) {
    if (piece.length + unit.length > MAX_PIECE_BYTES) {
      pieces.push(piece)
      piece = ''
    }
    piece += unit
  }
  pieces.push(piece)
  return pieces.map((text) => (DEVICE.test(text) ? hexEscape(text.charCodeAt(0)) + text.slice(1) : text))
}

function escapeByte(byte: number): string {
  const char = String.fromCharCode(byte)
  if (/[a-z0-9._%~-]/.test(char)) return char
  return /[A-Z]/.test(char) ? `+${char.toLowerCase()}` : hexEscape(byte)
}

function hexEscape(byte: number): string {
  return `=${byte.toString(16).padStart(2, '0')}`
}

function invalidKey(key: string, why: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: `${JSON.stringify(key.slice(0, 80))} cannot be a key: ${why}.`,
    hint: 'Keys are made by keelstate from document names: segments joined by "/".',
    details: { notExecuted: true },
  })
}
