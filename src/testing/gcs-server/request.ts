import type { DescribedRequest, RawRequest } from '../http-fixture.ts'
import { GcsRefusal, notImplemented } from './answers.ts'
import { CONDITIONS } from './conditions.ts'

/** What the server does. Where S3 has the same, it has S3's name, so that one plan of faults serves both. */
export type GcsOperation =
  | 'ContinueUpload'
  | 'DeleteObject'
  | 'GetBucket'
  | 'GetBucketPolicy'
  | 'GetObject'
  | 'GetObjectMetadata'
  | 'ListObjects'
  | 'PatchObject'
  | 'PutObject'
  | 'StartUpload'

/** One request, taken apart. */
export interface GcsRequest extends RawRequest {
  readonly operation: GcsOperation
  readonly bucket: string
  /** Name of the object, as far as the request line has it. */
  readonly name: string
  readonly query: Readonly<Record<string, string>>
}

interface Route {
  readonly operation: GcsOperation
  readonly method: string
  readonly on: 'bucket' | 'object' | 'objects' | 'policy' | 'upload'
  /** What parameters must have these values to mean this operation. */
  readonly when?: Readonly<Record<string, string>>
  readonly parameters: readonly string[]
}

const COMMON = ['alt', 'prettyPrint', 'userProject']
const UPLOAD = ['uploadType', 'name', 'kmsKeyName', ...CONDITIONS]

const ROUTES: readonly Route[] = [
  { operation: 'GetBucket', method: 'GET', on: 'bucket', parameters: ['projection'] },
  { operation: 'GetBucketPolicy', method: 'GET', on: 'policy', parameters: ['optionsRequestedPolicyVersion'] },
  {
    operation: 'GetObject',
    method: 'GET',
    on: 'object',
    when: { alt: 'media' },
    parameters: ['generation', ...CONDITIONS],
  },
  { operation: 'GetObjectMetadata', method: 'GET', on: 'object', parameters: ['generation', ...CONDITIONS] },
  { operation: 'DeleteObject', method: 'DELETE', on: 'object', parameters: ['generation', ...CONDITIONS] },
  { operation: 'PatchObject', method: 'PATCH', on: 'object', parameters: CONDITIONS },
  {
    operation: 'ListObjects',
    method: 'GET',
    on: 'objects',
    parameters: ['prefix', 'delimiter', 'pageToken', 'maxResults', 'versions', 'startOffset', 'fields'],
  },
  { operation: 'PutObject', method: 'POST', on: 'upload', when: { uploadType: 'media' }, parameters: UPLOAD },
  { operation: 'PutObject', method: 'POST', on: 'upload', when: { uploadType: 'multipart' }, parameters: UPLOAD },
  { operation: 'StartUpload', method: 'POST', on: 'upload', when: { uploadType: 'resumable' }, parameters: UPLOAD },
  {
    operation: 'ContinueUpload',
    method: 'PUT',
    on: 'upload',
    when: { uploadType: 'resumable' },
    parameters: [...UPLOAD, 'upload_id'],
  },
]

/** What follows the bucket in a path. */
const PARTS: Readonly<Record<string, Route['on']>> = { '': 'bucket', iam: 'policy', o: 'objects' }

const MAX_NAME_BYTES = 1024

/** Headers of the `x-goog-` family that the server honours or may ignore; any other is 501. */
const KNOWN_HEADERS = /^x-goog-(api-client|user-project|gcs-idempotency-token|hash|request-params)$/
const UNSUPPORTED_HEADERS = ['range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']

/** Reads bucket, name and operation off the request line. Never throws. */
export function describeRequest(method: string, url: string): DescribedRequest {
  const { bucket, name, query, route } = targetOf(method, url)
  const operation = route?.operation ?? 'Unknown'
  return { method, operation, bucket, key: name === '' ? (query.prefix ?? '') : name, query }
}

/** Understands a request, or refuses what this server does not do: nothing is ignored silently. */
export function parseRequest(raw: RawRequest): GcsRequest {
  const { bucket, name, query, route } = targetOf(raw.method, raw.url)
  if (route === undefined) throw notImplemented(`No such operation here: ${raw.method} ${raw.url.split('?')[0]}`)
  const { operation, parameters } = route
  for (const parameter of Object.keys(query)) {
    if (!parameters.includes(parameter) && !COMMON.includes(parameter))
      throw notImplemented(`${operation} does not take the parameter ${parameter}`)
  }
  for (const header of Object.keys(raw.headers)) {
    if ((header.startsWith('x-goog-') && !KNOWN_HEADERS.test(header)) || UNSUPPORTED_HEADERS.includes(header))
      throw notImplemented(`${operation} does not honour the header ${header}`)
  }
  if (raw.headers['content-encoding'] !== undefined) throw notImplemented('Bodies that are encoded.')
  checkName(name)
  return { ...raw, operation, bucket, name, query }
}

/** https://cloud.google.com/storage/docs/objects#naming */
export function checkName(name: string): void {
  const bad = Buffer.byteLength(name) > MAX_NAME_BYTES || /[\r\n]/.test(name) || name === '.' || name === '..'
  if (bad) throw new GcsRefusal('invalid', 'The object name is not valid.')
}

function targetOf(method: string, url: string) {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = Object.fromEntries(new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))) as Record<string, string>
  const match = /^(\/(?:upload|download))?\/storage\/v1\/b\/([^/]+)(?:\/(iam$|o)(?:\/([^/]+))?)?$/.exec(path)
  if (match === null) return { bucket: '', name: '', query, route: undefined }
  const [, way, bucket = '', part, object] = match
  const name = object === undefined ? (way === '/upload' ? (query.name ?? '') : '') : decoded(object)
  const on = way === '/upload' ? 'upload' : object !== undefined ? 'object' : PARTS[part ?? '']
  const media = way === '/download' ? { ...query, alt: 'media' } : query
  const route = ROUTES.find(
    (one) =>
      one.method === method &&
      one.on === on &&
      Object.entries(one.when ?? {}).every(([parameter, value]) => media[parameter] === value),
  )
  return { bucket: decoded(bucket), name, query, route: way === '/upload' && object !== undefined ? undefined : route }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
