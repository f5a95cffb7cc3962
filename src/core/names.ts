import { KeelstateError } from './errors.ts'
import type { ObjectKey } from './store.ts'

/**
 * Names of documents, and the keys that they become. docs/format.md "Keys".
 *
 * `~` never occurs in an encoded segment, so no document's objects lie below another's, and heads, objects, locks and records have
 * prefixes of their own: one lifecycle or IAM rule serves each.
 */
export interface DocumentName {
  readonly kind: string
  /** Non-empty, any Unicode text without lone surrogates. */
  readonly segments: readonly string[]
}

const MAX_SEGMENT_BYTES = 200 // encoded; leaves room for suffixes within the 255 of common file systems
const MAX_KEY_BYTES = 900 // S3 and GCS take 1,024; the store's own prefix needs some of it
const OBJECT_ID_LENGTH = 32 // hex digits of the 16 bytes that end an object's key
const KIND = /^[a-z][a-z0-9-]{0,31}$/

/** Key of the store's marker. */
export const STORE_KEY: ObjectKey = 'store'

/** Parses `seg/seg…` or `kind:seg/seg…` as typed: `%XX` stands for a byte, so `%2F` is a slash inside a segment. */
export function parseName(text: string, kind = 'state'): DocumentName {
  const colon = text.indexOf(':')
  const prefix = text.slice(0, Math.max(0, colon))
  return KIND.test(prefix) ? parsePath(text.slice(colon + 1), prefix) : parsePath(text, kind)
}

function parsePath(text: string, kind: string): DocumentName {
  const segments = text.split('/').map((part) => {
    try {
      return decodeURIComponent(part)
    } catch (cause) {
      throw invalidName(
        text,
        `segment "${part}" holds a '%' that does not begin an escape`,
        `Write a plain '%' as %25.`,
        cause,
      )
    }
  })
  return documentName(segments, kind)
}

/** Checks the parts of a name. */
export function documentName(segments: readonly string[], kind = 'state'): DocumentName {
  if (!KIND.test(kind))
    throw invalidName(kind, 'a kind is a lower-case word of letters, digits and "-", at most 32 long')
  const shown = segments.join('/')
  if (segments.length === 0) throw invalidName(shown, 'a name needs at least one segment')
  for (const segment of segments) encodeSegment(segment, shown)
  const name = { kind, segments: [...segments] }
  const longest = `${objectsPrefix(name)}${'0'.repeat(OBJECT_ID_LENGTH)}`.length
  if (longest > MAX_KEY_BYTES) {
    throw invalidName(
      shown,
      `its longest key would be ${longest} bytes, the limit is ${MAX_KEY_BYTES}`,
      'Use a shorter name.',
    )
  }
  return name
}

/** The name as people type it; `parseName` reads it back. The kind is shown unless it is `state`. */
export function formatName(name: DocumentName): string {
  const path = name.segments.map(displaySegment).join('/')
  return name.kind === 'state' && !KIND.test(path.slice(0, Math.max(0, path.indexOf(':'))))
    ? path
    : `${name.kind}:${path}`
}

/** `kind/seg/seg…`, encoded: the identity that is sealed into every message, and the sort key of a lock record. */
export function identityOf(name: DocumentName): string {
  return `${name.kind}/${encodedPath(name)}`
}

export function headKey(name: DocumentName): ObjectKey {
  return `heads/${identityOf(name)}/~`
}

/** Prefix of a document's immutable objects, with the trailing slash. */
export function objectsPrefix(name: DocumentName): string {
  return `objects/${identityOf(name)}/~/`
}

export function objectKey(name: DocumentName, objectId: string): ObjectKey {
  return objectsPrefix(name) + objectId
}

export function lockKey(name: DocumentName): ObjectKey {
  return `locks/${identityOf(name)}/~`
}

/** The name behind a head's key, or `undefined` when the key is none of ours. */
export function nameOfHeadKey(key: ObjectKey): DocumentName | undefined {
  return nameBehind(key, 'heads', headKey)
}

/** The name behind a lock's key, or `undefined` when the key is none of ours. */
export function nameOfLockKey(key: ObjectKey): DocumentName | undefined {
  return nameBehind(key, 'locks', lockKey)
}

function nameBehind(
  key: ObjectKey,
  prefix: string,
  keyOf: (name: DocumentName) => ObjectKey,
): DocumentName | undefined {
  const parts = key.split('/')
  if (parts.length < 4 || parts[0] !== prefix || parts.at(-1) !== '~') return undefined
  const [, kind, ...encoded] = parts.slice(0, -1)
  try {
    const name = documentName(encoded.map(decodeURIComponent), kind)
    return keyOf(name) === key ? name : undefined
  } catch {
    return undefined
  }
}

/** Percent-encodes outside `A–Z a–z 0–9 . _ -`; `.` and `..` are encoded whole. One text has one encoding. */
export function encodeSegment(segment: string, shown: string = segment): string {
  if (segment === '') throw invalidName(shown, 'a segment is empty')
  if (!segment.isWellFormed()) throw invalidName(shown, 'it holds a lone surrogate, which has no UTF-8 form')
  const encoded = segment === '.' ? '%2E' : segment === '..' ? '%2E%2E' : percentEncode(segment)
  if (encoded.length > MAX_SEGMENT_BYTES) {
    throw invalidName(
      shown,
      `segment of ${segment.length} characters takes ${encoded.length} bytes encoded, the limit is ${MAX_SEGMENT_BYTES}`,
      'Split it with "/", or shorten it.',
    )
  }
  return encoded
}

function percentEncode(text: string): string {
  if (/^[\w.-]*$/.test(text)) return text // as most names
  return encodeURIComponent(text).replace(/[!~*'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function encodedPath(name: DocumentName): string {
  return name.segments.map((segment) => encodeSegment(segment)).join('/')
}

function displaySegment(segment: string): string {
  return segment.replaceAll('%', '%25').replaceAll('/', '%2F')
}

function invalidName(shown: string, why: string, hint?: string, cause?: unknown): KeelstateError<'InvalidName'> {
  const cut = shown.length > 80 ? `${shown.slice(0, 80)}…` : shown
  return new KeelstateError('InvalidName', {
    message: `${JSON.stringify(cut)} cannot be a document's name: ${why}.`,
    ...(hint === undefined ? {} : { hint }),
    cause,
  })
}
