import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '../checksums.ts'
import { notImplemented, S3Refusal } from './answers.ts'
import type { S3Request } from './request.ts'

const PREFIX = 'x-amz-checksum-'
const NOT_VALUES = new Set([`${PREFIX}mode`, `${PREFIX}algorithm`, `${PREFIX}type`]) // share the prefix and carry no checksum

const ALGORITHMS: Record<string, { bytes: number; of: (body: Uint8Array) => Buffer }> = {
  crc32: { bytes: 4, of: (body) => bigEndian(crc32(body)) },
  crc32c: { bytes: 4, of: crc32c },
  sha1: { bytes: 20, of: (body) => createHash('sha1').update(body).digest() },
  sha256: { bytes: 32, of: (body) => createHash('sha256').update(body).digest() },
}

/**
 * Compares the body with every checksum that came with it, in headers or trailers, and returns the `x-amz-checksum-*` ones for storing.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 */
export function verifyChecksums(request: S3Request): Record<string, string> {
  const { headers, body } = request
  const contentMd5 = headers['content-md5']
  if (contentMd5 !== undefined) {
    if (Buffer.from(contentMd5, 'base64').length !== 16)
      throw new S3Refusal('InvalidDigest', { 'Content-MD5': contentMd5 })
    if (createHash('md5').update(body).digest('base64') !== contentMd5) throw new S3Refusal('BadDigest')
  }
  const sent = Object.entries(headers).filter(([name]) => name.startsWith(PREFIX) && !NOT_VALUES.has(name))
  if (sent.length > 1) {
    throw new S3Refusal('InvalidRequest', {
      Message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    })
  }
  for (const [name, value] of sent) {
    const algorithm = ALGORITHMS[name.slice(PREFIX.length)]
    if (algorithm === undefined) throw notImplemented(`no checksum of this kind: ${name}`, name)
    if (Buffer.from(value, 'base64').length !== algorithm.bytes) {
      throw new S3Refusal('InvalidRequest', { Message: `Value for ${name} header is invalid.` })
    }
    if (algorithm.of(body).toString('base64') !== value) {
      throw new S3Refusal('BadDigest', {
        Message: `The ${name.slice(PREFIX.length).toUpperCase()} you specified did not match the calculated checksum.`,
      })
    }
  }
  return Object.fromEntries(sent)
}

/** True when the request carries something that proves its body: DeleteObjects must. */
export function hasBodyProof(request: S3Request): boolean {
  return Object.keys(request.headers).some(
    (name) => name === 'content-md5' || (name.startsWith(PREFIX) && !NOT_VALUES.has(name)),
  )
}

/**
 * Takes the chunks of an `aws-chunked` body apart. Trailers are added to `headers`, so that their checksums are verified like the others.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export function decodeAwsChunked(body: Uint8Array, headers: Record<string, string>): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) throw new S3Refusal('IncompleteBody')
    const header = bytes.toString('latin1', at, end)
    const [size = ''] = header.split(';', 1)
    if (!/^[0-9a-fA-F]+$/.test(size))
      throw new S3Refusal('InvalidRequest', { Message: 'A chunk does not begin with its size.' })
    const length = Number.parseInt(size, 16)
    at = end + 2
    if (length === 0) break
    if (at + length + 2 > bytes.length) throw new S3Refusal('IncompleteBody')
    chunks.push(bytes.subarray(at, at + length))
    at += length + 2
  }
  for (const line of bytes.toString('latin1', at).split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  const decoded = Buffer.concat(chunks)
  const declared = headers['x-amz-decoded-content-length']
  if (declared !== undefined && Number(declared) !== decoded.length) throw new S3Refusal('IncompleteBody')
  const trailer = headers['x-amz-trailer']
  if (trailer !== undefined && headers[trailer.toLowerCase()] === undefined) {
    throw new S3Refusal('InvalidRequest', { Message: `The trailer ${trailer} was announced but not sent.` })
  }
  return decoded
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
