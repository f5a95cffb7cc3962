import { isUtf8 } from 'node:buffer'
import { KeelstateError } from './errors.ts'

/** How a body is meant: a deployment snapshot, some other JSON document, or bytes that nobody looks into. */
export type BodyType = (typeof BODY_TYPES)[number]

export const BODY_TYPES = ['snapshot', 'json', 'bytes'] as const

/**
 * Finds out what a body is by reading it: text that parses as JSON is `json`, and a JSON object with `format-version` and either
 * `stack` or `entries` is a `snapshot` (contract 000). Builds no values, so a body of 100 MB costs no memory.
 */
export function detectBodyType(body: Uint8Array): BodyType {
  const members = isUtf8(body) ? topLevelMembers(body) : undefined
  if (members === undefined) return 'bytes'
  return members.has('format-version') && (members.has('stack') || members.has('entries')) ? 'snapshot' : 'json'
}

/**
 * The type to record with a body: the one that was chosen, else the document's last one if the body is of that type, else what the
 * body reads as. A state file that was cut off does not pass for JSON because its predecessor was.
 *
 * @throws {KeelstateError} `InvalidInput` when the body is not of the chosen type.
 */
export function chooseBodyType(body: Uint8Array, chosen: string | undefined, last: string | undefined): string {
  const found = detectBodyType(body)
  if (chosen !== undefined && !fits(found, chosen)) {
    throw new KeelstateError('InvalidInput', {
      message: `The body is no ${chosen}: it reads as ${found}.`,
      hint: 'Leave the type out to have it detected.',
    })
  }
  return chosen ?? (last !== undefined && fits(found, last) ? last : found)
}

/** A snapshot is JSON too, and everything is bytes. */
function fits(found: BodyType, type: string): boolean {
  if (type === 'snapshot') return found === 'snapshot'
  if (type === 'json') return found !== 'bytes'
  return true
}

const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const LITERALS = ['true', 'false', 'null'].map((word) => Buffer.from(word))
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'))

/** Names of the outermost object's members (none for another value), or `undefined` when this is not one JSON text (RFC 8259). */
function topLevelMembers(body: Uint8Array): Set<string> | undefined {
  const members = new Set<string>()
  const open: number[] = []
  let at = skipBlanks(body, 0)
  for (;;) {
    const byte = body[at]
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      open.push(byte)
      at = skipBlanks(body, at + 1)
      if (body[at] !== closing(byte)) {
        if (byte === OPEN_OBJECT) at = readMemberName(body, at, open.length === 1 ? members : undefined)
        if (at < 0) return undefined
        continue
      }
    } else {
      const end = skipScalar(body, at)
      if (end < 0) return undefined
      at = skipBlanks(body, end)
    }
    // `at` is behind a scalar or at the end of an empty container: what follows closes containers or begins the next value.
    while (open.length > 0 && body[at] === closing(open.at(-1)!)) {
      open.pop()
      at = skipBlanks(body, at + 1)
    }
    if (open.length === 0) return at === body.length ? members : undefined
    if (body[at] !== COMMA) return undefined
    at = skipBlanks(body, at + 1)
    if (open.at(-1) === OPEN_OBJECT) {
      at = readMemberName(body, at, open.length === 1 ? members : undefined)
      if (at < 0) return undefined
    }
  }
}

function closing(opening: number): number {
  return opening === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY
}

/** Where the member's value begins, or -1. */
function readMemberName(body: Uint8Array, at: number, members: Set<string> | undefined): number {
  const end = body[at] === QUOTE ? skipString(body, at) : -1
  if (end < 0) return -1
  members?.add(Buffer.from(body.subarray(at + 1, end - 1)).toString())
  const colon = skipBlanks(body, end)
  return body[colon] === COLON ? skipBlanks(body, colon + 1) : -1
}

/** The place behind a string, number or literal, or -1. */
function skipScalar(body: Uint8Array, at: number): number {
  const byte = body[at]
  if (byte === QUOTE) return skipString(body, at)
  if (byte === 0x2d || isDigit(byte)) return skipNumber(body, at)
  for (const word of LITERALS) if (word.every((letter, i) => body[at + i] === letter)) return at + word.length
  return -1
}

function skipString(body: Uint8Array, start: number): number {
  for (let at = start + 1; at < body.length; at++) {
    const byte = body[at]!
    if (byte === QUOTE) return at + 1
    if (byte < 0x20) return -1
    if (byte !== BACKSLASH) continue
    const escaped = body[++at]
    if (escaped === 0x75) {
      for (let digit = 0; digit < 4; digit++) if (!isHex(body[++at])) return -1
    } else if (escaped === undefined || !ESCAPES.has(escaped)) return -1
  }
  return -1
}

function skipNumber(body: Uint8Array, start: number): number {
  let at = body[start] === 0x2d ? start + 1 : start
  const digits = () => {
    const from = at
    while (isDigit(body[at])) at++
    return at > from
  }
  if (body[at] === 0x30) at++
  else if (!digits()) return -1
  if (body[at] === 0x2e) {
    at++
    if (!digits()) return -1
  }
  if (body[at] === 0x65 || body[at] === 0x45) {
    at++
    if (body[at] === 0x2b || body[at] === 0x2d) at++
    if (!digits()) return -1
  }
  return at
}

function skipBlanks(body: Uint8Array, start: number): number {
  let at = start
  while (body[at] === 0x20 || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at++
  return at
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function isHex(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
}
