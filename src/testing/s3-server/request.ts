import type { RawRequest } from '../http-fixture.ts'
import { notImplemented, S3Refusal } from './answers.ts'
import { decodeAwsChunked } from './checksums.ts'

export type S3Operation =
  | 'CreateBucket'
  | 'DeleteBucket'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'GetBucketEncryption'
  | 'GetBucketLifecycleConfiguration'
  | 'GetBucketPolicy'
  | 'GetBucketPolicyStatus'
  | 'GetBucketVersioning'
  | 'GetObject'
  | 'GetPublicAccessBlock'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListObjectVersions'
  | 'ListObjectsV2'
  | 'PutBucketVersioning'
  | 'PutObject'

/** One request, read whole and taken apart. */
export interface S3Request {
  readonly operation: S3Operation
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case; trailers included. */
  readonly headers: Readonly<Record<string, string>>
  /** Decoded when it came in chunks. */
  readonly body: Uint8Array
}

/** Where a request goes, as far as that can be read off without understanding the rest. */
export interface S3Target {
  readonly bucket: string
  readonly key: string
  readonly query: Readonly<Record<string, string>>
  /** The operation, when it is one that the server knows. */
  readonly operation: S3Operation | undefined
}

const MAX_KEY_BYTES = 1024

interface Route {
  readonly operation: S3Operation
  readonly method: string
  readonly on: 'bucket' | 'object'
  /** The query parameter that tells it from its neighbours, with the value it must have. */
  readonly marker?: readonly [name: string, value: string]
  readonly parameters?: readonly string[]
}

const ROUTES: readonly Route[] = [
  { operation: 'GetObject', method: 'GET', on: 'object', parameters: ['versionId'] },
  { operation: 'HeadObject', method: 'HEAD', on: 'object', parameters: ['versionId'] },
  { operation: 'PutObject', method: 'PUT', on: 'object' },
  { operation: 'DeleteObject', method: 'DELETE', on: 'object', parameters: ['versionId'] },
  { operation: 'DeleteObjects', method: 'POST', on: 'bucket', marker: ['delete', ''] },
  {
    operation: 'ListObjectsV2',
    method: 'GET',
    on: 'bucket',
    marker: ['list-type', '2'],
    parameters: ['prefix', 'delimiter', 'max-keys', 'continuation-token', 'start-after', 'encoding-type'],
  },
  {
    operation: 'ListObjectVersions',
    method: 'GET',
    on: 'bucket',
    marker: ['versions', ''],
    parameters: ['prefix', 'max-keys', 'key-marker', 'version-id-marker', 'encoding-type'],
  },
  { operation: 'GetBucketEncryption', method: 'GET', on: 'bucket', marker: ['encryption', ''] },
  { operation: 'GetBucketLifecycleConfiguration', method: 'GET', on: 'bucket', marker: ['lifecycle', ''] },
  { operation: 'GetBucketPolicy', method: 'GET', on: 'bucket', marker: ['policy', ''] },
  { operation: 'GetBucketPolicyStatus', method: 'GET', on: 'bucket', marker: ['policyStatus', ''] },
  { operation: 'GetPublicAccessBlock', method: 'GET', on: 'bucket', marker: ['publicAccessBlock', ''] },
  { operation: 'GetBucketVersioning', method: 'GET', on: 'bucket', marker: ['versioning', ''] },
  { operation: 'PutBucketVersioning', method: 'PUT', on: 'bucket', marker: ['versioning', ''] },
  { operation: 'CreateBucket', method: 'PUT', on: 'bucket' },
  { operation: 'DeleteBucket', method: 'DELETE', on: 'bucket' },
  { operation: 'HeadBucket', method: 'HEAD', on: 'bucket' },
]

/** Headers of the `x-amz-` family that the server honours or may ignore; any other is 501. */
const KNOWN_HEADERS =
  /^x-amz-(date|content-sha256|security-token|user-agent|expected-bucket-owner|checksum-.+|sdk-checksum-algorithm|trailer|decoded-content-length|meta-.+|server-side-encryption(-aws-kms-key-id)?)$/
const UNSUPPORTED_HEADERS = ['range', 'if-modified-since', 'if-unmodified-since', 'content-encoding']

/** Reads bucket, key and operation off the request line. Never throws: the log shows what was asked for even when it is refused. */
export function targetOf(method: string, url: string): S3Target {
  const { pathname, query } = splitUrl(url)
  const slash = pathname.indexOf('/', 1)
  const bucket = decoded(slash < 0 ? pathname.slice(1) : pathname.slice(1, slash)) ?? ''
  const key = slash < 0 ? '' : (decoded(pathname.slice(slash + 1)) ?? pathname.slice(slash + 1))
  return { bucket, key, query, operation: routeOf(method, bucket, key, query)?.operation }
}

/** Understands a request, or refuses what this server does not do: nothing is ignored silently. */
export function parseRequest(raw: RawRequest): S3Request {
  const { pathname } = splitUrl(raw.url)
  if (decoded(pathname) === undefined) throw new S3Refusal('InvalidURI', { URI: pathname })
  const { bucket, key, query } = targetOf(raw.method, raw.url)
  const route = routeOf(raw.method, bucket, key, query)
  if (route === undefined) throw notImplemented(`no such operation here: ${raw.method} ${describeQuery(query)}`.trim())
  const known = new Set(['x-id', route.marker?.[0], ...(route.parameters ?? [])])
  for (const name of Object.keys(query)) {
    if (!known.has(name)) throw notImplemented(`${route.operation} does not take the parameter ${name}`)
  }
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new S3Refusal('KeyTooLongError')
  const headers: Record<string, string> = { ...raw.headers }
  const body = decodeBody(raw.body, headers)
  for (const name of Object.keys(headers)) {
    const foreign = name.startsWith('x-amz-') && !KNOWN_HEADERS.test(name)
    if (foreign || UNSUPPORTED_HEADERS.includes(name))
      throw notImplemented(`${route.operation} does not honour this header`, name)
  }
  return { operation: route.operation, method: raw.method, bucket, key, query, headers, body }
}

function routeOf(
  method: string,
  bucket: string,
  key: string,
  query: Readonly<Record<string, string>>,
): Route | undefined {
  if (bucket === '') return undefined
  const on = key === '' ? 'bucket' : 'object'
  const candidates = ROUTES.filter((route) => route.method === method && route.on === on)
  const marked = candidates.find(({ marker }) => marker !== undefined && query[marker[0]] === marker[1])
  return marked ?? candidates.find(({ marker }) => marker === undefined)
}

function decodeBody(body: Uint8Array, headers: Record<string, string>): Uint8Array {
  const encodings = (headers['content-encoding'] ?? '').split(',').map((encoding) => encoding.trim())
  const streaming = headers['x-amz-content-sha256']?.startsWith('STREAMING-') ?? false
  if (!encodings.includes('aws-chunked') && !streaming) return body
  if (headers['x-amz-content-sha256'] !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') {
    throw notImplemented('chunks that are signed one by one', 'x-amz-content-sha256')
  }
  const rest = encodings.filter((encoding) => encoding !== 'aws-chunked' && encoding !== '')
  if (rest.length === 0) delete headers['content-encoding']
  return decodeAwsChunked(body, headers)
}

function splitUrl(url: string): { pathname: string; query: Record<string, string> } {
  const mark = url.indexOf('?')
  const query: Record<string, string> = {}
  if (mark >= 0) {
    for (const part of url.slice(mark + 1).split('&')) {
      if (part === '') continue
      const equals = part.indexOf('=')
      const name = equals < 0 ? part : part.slice(0, equals)
      query[decoded(name) ?? name] = equals < 0 ? '' : (decoded(part.slice(equals + 1)) ?? part.slice(equals + 1))
    }
  }
  return { pathname: mark < 0 ? url : url.slice(0, mark), query }
}

function describeQuery(query: Readonly<Record<string, string>>): string {
  return Object.keys(query).join(' ')
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
