import type { Caller } from './access.ts'
import { emptyAnswer, notImplemented, type S3Answer, S3Refusal, xmlAnswer } from './answers.ts'
import type { ObjectVersion, S3Bucket, S3Buckets, ServerSideEncryption } from './buckets.ts'
import { hasBodyProof, verifyChecksums } from './checksums.ts'
import { checkDelete, checkRead, checkWrite } from './conditions.ts'
import { flawOf, type S3Flaws, STALE_LIST_MS, STALE_MS } from './flaws.ts'
import { listObjects, listVersions } from './listings.ts'
import type { S3Operation, S3Request } from './request.ts'
import { settingAnswer } from './settings.ts'
import { childElements, childText, element, parseXml, type XmlElement } from './xml.ts'

/** How the server treats preconditions of writes: as S3 does, or as the stores do that pretend to. */
export type ConditionsMode = 'enforced' | 'ignored' | 'racy'

/** What an operation works on. */
export interface OperationContext {
  readonly buckets: S3Buckets
  readonly caller: Caller
  readonly conditions: ConditionsMode
  readonly flaws: S3Flaws
  /** Wall-clock time in ms. */
  readonly now: number
  /** In mode `racy`: passes the time between the check of a condition and the write. */
  readonly gap: () => Promise<void>
}

type ObjectOperation = (bucket: S3Bucket, request: S3Request, context: OperationContext) => S3Answer | Promise<S3Answer>

/** Operations on what lies in a bucket, and on the bucket's settings. */
export const OPERATIONS: Record<Exclude<S3Operation, 'CreateBucket'>, ObjectOperation> = {
  DeleteBucket(bucket, _request, { buckets }) {
    if (!bucket.empty) throw new S3Refusal('BucketNotEmpty', { BucketName: bucket.name })
    buckets.remove(bucket.name)
    return emptyAnswer(204)
  },

  HeadBucket: (bucket) => emptyAnswer(200, { 'x-amz-bucket-region': bucket.region }),

  GetBucketEncryption: ({ settings }) => settingAnswer(settings, 'encryption'),
  GetBucketLifecycleConfiguration: ({ settings }) => settingAnswer(settings, 'lifecycle'),
  GetBucketPolicy: ({ settings }) => settingAnswer(settings, 'policy'),
  GetBucketPolicyStatus: ({ settings }) => settingAnswer(settings, 'policyStatus'),
  GetPublicAccessBlock: ({ settings }) => settingAnswer(settings, 'publicAccessBlock'),

  GetBucketVersioning(bucket) {
    const status = { off: undefined, enabled: 'Enabled', suspended: 'Suspended' }[bucket.versioning]
    return xmlAnswer('VersioningConfiguration', [['Status', status]])
  },

  PutBucketVersioning(bucket, request) {
    verifyChecksums(request)
    const root = parsedBody(request, 'VersioningConfiguration')
    const status = childText(root, 'Status')
    if (status !== 'Enabled' && status !== 'Suspended') throw new S3Refusal('MalformedXML')
    bucket.setVersioning(status === 'Enabled' ? 'enabled' : 'suspended')
    return emptyAnswer(200)
  },

  GetObject: readObject,
  HeadObject: readObject,

  async PutObject(bucket, request, { caller, conditions, flaws, gap }) {
    const { headers, key } = request
    caller.must('PutObject', key)
    if (headers['if-match'] !== undefined) caller.must('GetObject', key)
    const checksums = flaws.checksums === 'ignored' ? {} : verifyChecksums(request)
    const encryption = encryptionOf(headers)
    const flaw = flawOf(headers, conditions, flaws)
    if (flaw === 'refused') throw new S3Refusal('PreconditionFailed')
    if (flaw !== 'ignored') checkWrite(headers, bucket.current(key))
    if (flaw === 'racy') await gap()
    const written = bucket.put(key, { bytes: request.body, headers: storedHeaders(headers), encryption, checksums })
    if (flaw === 'denied-after-write') throw new S3Refusal('PreconditionFailed')
    return emptyAnswer(200, {
      etag: written.etag,
      ...versionHeader(bucket, written),
      ...encryptionHeaders(written),
      ...checksums,
    })
  },

  DeleteObject(bucket, request, { caller, conditions }) {
    const { headers, key, query } = request
    caller.must('DeleteObject', key)
    const ifMatch = headers['if-match']
    if (ifMatch !== undefined && ifMatch !== '*') caller.must('GetObject', key)
    const versionId = query.versionId
    if (versionId !== undefined) {
      if (ifMatch !== undefined) throw notImplemented('a condition on the deletion of one version', 'If-Match')
      const gone = bucket.removeVersion(key, versionId)
      return emptyAnswer(204, {
        'x-amz-version-id': versionId,
        ...(gone?.deleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
      })
    }
    if (conditions !== 'ignored') checkDelete(ifMatch, bucket.current(key))
    const marker = bucket.remove(key)
    return emptyAnswer(
      204,
      marker === undefined ? {} : { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId },
    )
  },

  DeleteObjects(bucket, request, context) {
    if (!hasBodyProof(request)) {
      throw new S3Refusal('InvalidRequest', {
        Message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
      })
    }
    verifyChecksums(request)
    const root = parsedBody(request, 'Delete')
    const entries = childElements(root, 'Object')
    if (entries.length === 0 || entries.length > 1000) throw new S3Refusal('MalformedXML')
    const quiet = childText(root, 'Quiet') === 'true'
    const results = entries.map((entry) => deleteEntry(bucket, entry, context))
    return xmlAnswer(
      'DeleteResult',
      results.filter((result) => !quiet || result.name === 'Error'),
    )
  },

  ListObjectsV2(bucket, request, { caller, flaws, now }) {
    caller.must('ListBucket')
    return listObjects(bucket, request, flaws.lists === 'stale' ? now - STALE_LIST_MS : undefined)
  },

  ListObjectVersions(bucket, request, { caller }) {
    caller.must('ListBucket')
    return listVersions(bucket, request)
  },
}

export function createBucket(request: S3Request, { buckets }: OperationContext): S3Answer {
  verifyChecksums(request)
  const constraint =
    request.body.length === 0
      ? undefined
      : childText(parsedBody(request, 'CreateBucketConfiguration'), 'LocationConstraint')
  buckets.create(request.bucket, constraint === undefined ? {} : { region: constraint })
  return emptyAnswer(200, { location: `/${request.bucket}` })
}

function readObject(bucket: S3Bucket, request: S3Request, { caller, flaws, now }: OperationContext): S3Answer {
  const { headers, key, query } = request
  caller.must('GetObject', key)
  const versionId = query.versionId
  const settled = ({ lastModified }: ObjectVersion) => flaws.reads !== 'stale' || lastModified <= now - STALE_MS
  const found = versionId === undefined ? bucket.versions(key).findLast(settled) : bucket.version(key, versionId)
  if (found === undefined)
    throw caller.missing(new S3Refusal(versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion', { Key: key }))
  if (found.deleteMarker) {
    const markers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': found.versionId }
    if (versionId !== undefined) throw new S3Refusal('MethodNotAllowed', {}, { ...markers, allow: 'DELETE' })
    throw caller.missing(new S3Refusal('NoSuchKey', { Key: key }, markers))
  }
  const described = {
    etag: found.etag,
    'last-modified': new Date(found.lastModified).toUTCString(),
    ...versionHeader(bucket, found),
  }
  const told = flaws.notModified === 'always' && headers['if-none-match'] !== undefined
  if (told || checkRead(headers, found) === 'not-modified') return emptyAnswer(304, described)
  return {
    status: 200,
    headers: {
      'content-type': 'binary/octet-stream',
      ...found.headers,
      ...described,
      'accept-ranges': 'bytes',
      ...encryptionHeaders(found),
      ...(headers['x-amz-checksum-mode'] === 'ENABLED' ? found.checksums : {}),
    },
    body: flaws.bodies === 'framed' ? Buffer.concat([found.bytes, Buffer.from('\r\n0\r\n')]) : found.bytes,
  }
}

/** One entry of a batch. A refusal concerns that entry only and is part of an answer 200. */
function deleteEntry(bucket: S3Bucket, entry: XmlElement, { caller, conditions }: OperationContext): XmlElement {
  const key = childText(entry, 'Key') ?? ''
  const versionId = childText(entry, 'VersionId')
  try {
    if (key === '') throw new S3Refusal('MalformedXML')
    caller.must('DeleteObject', key)
    if (versionId !== undefined) {
      bucket.removeVersion(key, versionId)
      return element('Deleted', [
        ['Key', key],
        ['VersionId', versionId],
      ])
    }
    if (conditions !== 'ignored') checkDelete(childText(entry, 'ETag'), bucket.current(key))
    const marker = bucket.remove(key)
    return element('Deleted', [
      ['Key', key],
      ['DeleteMarker', marker === undefined ? undefined : true],
      ['DeleteMarkerVersionId', marker?.versionId],
    ])
  } catch (error) {
    if (!(error instanceof S3Refusal)) throw error
    return element('Error', [
      ['Key', key],
      ['Code', error.code],
      ['Message', error.message],
    ])
  }
}

function parsedBody(request: S3Request, root: string): XmlElement {
  const parsed = parseXml(request.body)
  if (parsed?.name !== root) throw new S3Refusal('MalformedXML')
  return parsed
}

function encryptionOf(headers: Readonly<Record<string, string>>): ServerSideEncryption {
  const algorithm = headers['x-amz-server-side-encryption'] ?? 'AES256'
  const keyId = headers['x-amz-server-side-encryption-aws-kms-key-id']
  if (algorithm === 'AES256' && keyId === undefined) return { algorithm }
  if (algorithm === 'aws:kms') return { algorithm, keyId: keyId ?? 'arn:aws:kms:us-east-1:000000000000:alias/aws/s3' }
  throw new S3Refusal('InvalidArgument', { ArgumentName: 'x-amz-server-side-encryption' })
}

function encryptionHeaders({ encryption }: ObjectVersion): Record<string, string> {
  return {
    'x-amz-server-side-encryption': encryption.algorithm,
    ...(encryption.keyId === undefined ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId }),
  }
}

function versionHeader(bucket: S3Bucket, version: ObjectVersion): Record<string, string> {
  return bucket.versioning === 'off' ? {} : { 'x-amz-version-id': version.versionId }
}

function storedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => name === 'content-type' || name === 'cache-control' || name.startsWith('x-amz-meta-'),
    ),
  )
}
