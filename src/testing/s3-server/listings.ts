import { type S3Answer, S3Refusal, xmlAnswer } from './answers.ts'
import { byUtf8, type ObjectVersion, type S3Bucket } from './buckets.ts'
import type { S3Request } from './request.ts'
import { element, type XmlChild, type XmlElement } from './xml.ts'

const MAX_KEYS = 1000

/** One page of current objects. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
/** @param writtenBefore Objects that were written later are left out. */
export function listObjects(
  bucket: S3Bucket,
  request: S3Request,
  writtenBefore: number = Number.POSITIVE_INFINITY,
): S3Answer {
  const { query } = request
  const prefix = query.prefix ?? ''
  const delimiter = query.delimiter || undefined
  const startAfter = query['start-after'] ?? ''
  const token = query['continuation-token']
  const resumeAt = token === undefined ? undefined : readToken(token)
  const maxKeys = pageSize(query['max-keys'])
  const encode = keyEncoder(query['encoding-type'])

  const contents: XmlElement[] = []
  const prefixes: string[] = []
  let last: string | undefined
  let truncated = false
  for (const key of bucket.keys()) {
    if (!key.startsWith(prefix) || bucket.current(key)!.lastModified > writtenBefore) continue
    const entry = commonPrefix(key, prefix, delimiter) ?? key
    if (resumeAt === undefined ? byUtf8(key, startAfter) <= 0 : byUtf8(entry, resumeAt) <= 0) continue
    if (entry === last) continue
    if (contents.length + prefixes.length === maxKeys) {
      truncated = maxKeys > 0
      break
    }
    if (entry === key) contents.push(contentsElement(encode(key), bucket.current(key)!))
    else prefixes.push(entry)
    last = entry
  }
  const children: XmlChild[] = [
    ['Name', bucket.name],
    ['Prefix', encode(prefix)],
    ['Delimiter', delimiter === undefined ? undefined : encode(delimiter)],
    ['MaxKeys', maxKeys],
    ['KeyCount', contents.length + prefixes.length],
    ['IsTruncated', truncated],
    ['EncodingType', query['encoding-type']],
    ['StartAfter', startAfter === '' ? undefined : encode(startAfter)],
    ['ContinuationToken', token],
    ['NextContinuationToken', truncated && last !== undefined ? writeToken(last) : undefined],
    ...contents,
    ...prefixes.map((common) => element('CommonPrefixes', [['Prefix', encode(common)]])),
  ]
  return xmlAnswer('ListBucketResult', children)
}

/** Versions and delete markers, newest first within a key. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
export function listVersions(bucket: S3Bucket, request: S3Request): S3Answer {
  const { query } = request
  const prefix = query.prefix ?? ''
  const maxKeys = pageSize(query['max-keys'])
  const encode = keyEncoder(query['encoding-type'])
  const keyMarker = query['key-marker'] ?? ''
  const versionMarker = query['version-id-marker'] ?? ''

  const entries: { key: string; version: ObjectVersion; latest: boolean }[] = []
  for (const key of bucket.allKeys()) {
    const order = byUtf8(key, keyMarker)
    if (!key.startsWith(prefix) || order < 0) continue
    const newestFirst = bucket.versions(key).toReversed()
    const skip =
      order > 0
        ? 0
        : versionMarker === ''
          ? newestFirst.length
          : newestFirst.findIndex((v) => v.versionId === versionMarker) + 1
    newestFirst.forEach((version, index) => {
      if (index >= skip) entries.push({ key, version, latest: index === 0 })
    })
  }
  const page = entries.slice(0, maxKeys)
  const last = page.at(-1)
  const truncated = entries.length > page.length && last !== undefined
  return xmlAnswer('ListVersionsResult', [
    ['Name', bucket.name],
    ['Prefix', encode(prefix)],
    ['KeyMarker', encode(keyMarker)],
    ['VersionIdMarker', versionMarker],
    ['MaxKeys', maxKeys],
    ['IsTruncated', truncated],
    ['NextKeyMarker', truncated ? encode(last.key) : undefined],
    ['NextVersionIdMarker', truncated ? last.version.versionId : undefined],
    ...page.map(({ key, version, latest }) => {
      const fields: XmlChild[] = [
        ['Key', encode(key)],
        ['VersionId', version.versionId],
        ['IsLatest', latest],
        ['LastModified', new Date(version.lastModified).toISOString()],
      ]
      if (version.deleteMarker) return element('DeleteMarker', fields)
      return element('Version', [
        ...fields,
        ['ETag', version.etag],
        ['Size', version.bytes.length],
        ['StorageClass', 'STANDARD'],
      ])
    }),
  ])
}

function contentsElement(key: string, version: ObjectVersion): XmlElement {
  return element('Contents', [
    ['Key', key],
    ['LastModified', new Date(version.lastModified).toISOString()],
    ['ETag', version.etag],
    ['Size', version.bytes.length],
    ['StorageClass', 'STANDARD'],
  ])
}

function commonPrefix(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  if (delimiter === undefined) return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

function pageSize(text: string | undefined): number {
  if (text === undefined) return MAX_KEYS
  if (!/^\d{1,10}$/.test(text)) {
    throw new S3Refusal('InvalidArgument', {
      Message: 'Provided max-keys not an integer or within integer range',
      ArgumentName: 'max-keys',
    })
  }
  return Math.min(Number(text), MAX_KEYS)
}

function keyEncoder(encodingType: string | undefined): (key: string) => string {
  if (encodingType === undefined) return (key) => key
  if (encodingType !== 'url') {
    throw new S3Refusal('InvalidArgument', {
      Message: 'Invalid Encoding Method specified in Request',
      ArgumentName: 'encoding-type',
    })
  }
  return (key) =>
    encodeURIComponent(key)
      .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/')
      .replaceAll('%20', '+')
}

function writeToken(last: string): string {
  return Buffer.from(`1${last}`).toString('base64url')
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString()
  if (!text.startsWith('1')) {
    throw new S3Refusal('InvalidArgument', {
      Message: 'The continuation token provided is incorrect',
      ArgumentName: 'continuation-token',
    })
  }
  return text.slice(1)
}
