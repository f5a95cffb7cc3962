import { createHash, randomBytes } from 'node:crypto'
import { crc32c } from '../checksums.ts'
import { GcsRefusal, notImplemented } from './answers.ts'
import type { GcsObjectMetadata } from './buckets.ts'
import type { GcsFlaws } from './flaws.ts'
import { checkName, type GcsRequest } from './request.ts'

/** An upload, understood and verified. */
export interface Upload {
  readonly name: string
  readonly bytes: Uint8Array
  readonly metadata: GcsObjectMetadata
}

const METADATA = ['name', 'contentType', 'cacheControl', 'contentEncoding', 'metadata', 'md5Hash', 'crc32c']

/** Reads a simple or multipart upload. https://cloud.google.com/storage/docs/uploads-downloads#uploads */
export function readUpload(request: GcsRequest, flaws: GcsFlaws): Upload {
  if (request.query.uploadType === 'multipart') {
    const { resource, type, bytes } = readMultipart(request)
    return verified(request, resource, type, bytes, flaws)
  }
  return verified(request, {}, request.headers['content-type'], request.body, flaws)
}

/** Resumable uploads: sessions whose body comes in one piece. */
export class UploadSessions {
  readonly #sessions = new Map<string, { request: GcsRequest; resource: Record<string, unknown> }>()

  /** Opens a session; resolves to its id. */
  start(request: GcsRequest): string {
    const resource = request.body.length === 0 ? {} : readJson(request.body)
    const id = randomBytes(16).toString('hex')
    this.#sessions.set(id, { request, resource })
    return id
  }

  /** Takes the body. The query of the request that opened the session decides. */
  finish(request: GcsRequest, flaws: GcsFlaws): { upload: Upload; query: GcsRequest['query'] } {
    const session = this.#sessions.get(request.query.upload_id ?? '')
    if (session === undefined) throw new GcsRefusal('notFound', 'No such upload session.')
    const range = request.headers['content-range']
    const { length } = request.body
    if (range !== undefined && range !== `bytes 0-${length - 1}/${length}` && range !== 'bytes 0-*/*')
      throw notImplemented('Uploads in several pieces.')
    this.#sessions.delete(request.query.upload_id ?? '')
    const type = request.headers['content-type']
    return {
      upload: verified(session.request, session.resource, type, request.body, flaws),
      query: session.request.query,
    }
  }
}

function verified(
  request: GcsRequest,
  resource: Record<string, unknown>,
  type: string | undefined,
  bytes: Uint8Array,
  flaws: GcsFlaws,
): Upload {
  const unknown = Object.keys(resource).find((field) => !METADATA.includes(field))
  if (unknown !== undefined) throw notImplemented(`An upload does not take the field ${unknown}`)
  const name = request.name === '' ? String(resource.name ?? '') : request.name
  if (name === '') throw new GcsRefusal('required', 'Required parameter: name')
  checkName(name)
  const sent = flaws.checksums === 'ignored' ? {} : { ...sentHashes(request.headers), ...resource }
  const md5 = createHash('md5').update(bytes).digest('base64')
  if (sent.md5Hash !== undefined && sent.md5Hash !== md5) throw mismatch('MD5', String(sent.md5Hash), md5)
  const crc = crc32c(bytes).toString('base64')
  if (sent.crc32c !== undefined && sent.crc32c !== crc) throw mismatch('CRC32C', String(sent.crc32c), crc)
  const { contentType = type, cacheControl, contentEncoding, metadata } = resource
  const stored = { contentType, cacheControl, contentEncoding, metadata, kmsKeyName: request.query.kmsKeyName }
  return {
    name,
    bytes,
    metadata: Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== undefined)),
  }
}

function mismatch(what: string, provided: string, calculated: string): GcsRefusal {
  return new GcsRefusal(
    'invalid',
    `Provided ${what} hash "${provided}" doesn't match calculated ${what} hash "${calculated}".`,
  )
}

/** `x-goog-hash: crc32c=…,md5=…`, and `content-md5`. */
function sentHashes(headers: Readonly<Record<string, string>>): { md5Hash?: string; crc32c?: string } {
  const [, md5 = headers['content-md5']] = /(?:^|,)\s*md5=([^,]+)/.exec(headers['x-goog-hash'] ?? '') ?? []
  const [, crc] = /(?:^|,)\s*crc32c=([^,]+)/.exec(headers['x-goog-hash'] ?? '') ?? []
  return { ...(md5 === undefined ? {} : { md5Hash: md5 }), ...(crc === undefined ? {} : { crc32c: crc }) }
}

/** Two parts: the object's resource as JSON, and its bytes. */
function readMultipart({ headers, body }: GcsRequest) {
  const [, quoted, plain] =
    /^multipart\/related;.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(headers['content-type'] ?? '') ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw new GcsRefusal('badRequest', 'Missing boundary in the content type.')
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const first = readPart(bytes, 0, boundary)
  const second = readPart(bytes, first.end, boundary)
  if (bytes.toString('latin1', second.end).replace(`--${boundary}--`, '').trim() !== '') throw malformed()
  return { resource: readJson(first.bytes), type: second.type, bytes: Uint8Array.from(second.bytes) }
}

function readPart(bytes: Buffer, from: number, boundary: string): { type?: string; bytes: Buffer; end: number } {
  const opening = `--${boundary}\r\n`
  const separator = bytes.indexOf('\r\n\r\n', from)
  if (bytes.indexOf(opening, from) !== from || separator < 0) throw malformed()
  const head = bytes.toString('latin1', from + opening.length, separator)
  const start = separator + 4
  const stop = bytes.indexOf(`\r\n--${boundary}`, start)
  if (stop < 0) throw malformed()
  const [, type] = /^content-type:\s*(.+)$/im.exec(head) ?? []
  return { ...(type === undefined ? {} : { type: type.trim() }), bytes: bytes.subarray(start, stop), end: stop + 2 }
}

function malformed(): GcsRefusal {
  return new GcsRefusal('badRequest', 'Malformed multipart body.')
}

export function readJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // refused below
  }
  throw new GcsRefusal('badRequest', 'Parse Error')
}
