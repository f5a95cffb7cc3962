import { systemEnvironment } from '../../core/environment.ts'
import type { HttpAnswer } from '../http-fixture.ts'
import type { Caller } from './access.ts'
import { emptyAnswer, GcsRefusal, jsonAnswer, notImplemented, objectMissing } from './answers.ts'
import type { GcsBucket, GcsObjectMetadata, GcsObjectVersion } from './buckets.ts'
import { checkRead, checkWrite, readGeneration } from './conditions.ts'
import { flawOf, type GcsConditions, type GcsFlaws, STALE_LIST_MS, STALE_MS } from './flaws.ts'
import { listObjects } from './listings.ts'
import type { ChangeRate } from './rate.ts'
import type { GcsOperation, GcsRequest } from './request.ts'
import { bucketResource, etagOf, objectResource, policyResource } from './resources.ts'
import { readJson, readUpload, type Upload, type UploadSessions } from './uploads.ts'

const RACE_MS = 5 // between the check of a condition and the write, in mode `racy`

/** What an operation works on. */
export interface OperationContext {
  readonly caller: Caller
  readonly rate: ChangeRate
  readonly sessions: UploadSessions
  readonly endpoint: string
  readonly conditions: GcsConditions
  readonly flaws: GcsFlaws
  readonly now: number
}

type Operation = (bucket: GcsBucket, request: GcsRequest, context: OperationContext) => HttpAnswer | Promise<HttpAnswer>

export const OPERATIONS: Record<GcsOperation, Operation> = {
  GetBucket(bucket, _request, { caller }) {
    caller.must('storage.buckets.get')
    return jsonAnswer(bucketResource(bucket))
  },

  GetBucketPolicy(bucket, { query }, { caller }) {
    caller.must('storage.buckets.getIamPolicy')
    return jsonAnswer(policyResource(bucket, Number(query.optionsRequestedPolicyVersion ?? 1)))
  },

  GetObject(bucket, request, context) {
    const found = readable(bucket, request, context)
    const { generation, metageneration, bytes } = found
    return {
      status: 200,
      headers: {
        'content-type': found.contentType ?? 'application/octet-stream',
        'cache-control': found.cacheControl ?? 'private, max-age=0',
        etag: etagOf(found),
        'last-modified': new Date(found.updated).toUTCString(),
        'x-goog-generation': String(generation),
        'x-goog-metageneration': String(metageneration),
        'x-goog-hash': `crc32c=${found.crc32c},md5=${found.md5Hash}`,
        'x-goog-storage-class': 'STANDARD',
        'x-goog-stored-content-encoding': found.contentEncoding ?? 'identity',
        'x-goog-stored-content-length': String(bytes.length),
      },
      body: context.flaws.bodies === 'framed' ? Buffer.concat([bytes, Buffer.from('\r\n0\r\n')]) : bytes,
    }
  },

  GetObjectMetadata(bucket, request, context) {
    return jsonAnswer(objectResource(bucket, request.name, readable(bucket, request, context)))
  },

  PutObject: (bucket, request, context) => store(bucket, readUpload(request, context.flaws), request.query, context),

  StartUpload(bucket, request, { caller, sessions, endpoint }) {
    caller.must('storage.objects.create', request.name)
    const id = sessions.start(request)
    const location = `${endpoint}/upload/storage/v1/b/${bucket.name}/o?uploadType=resumable&upload_id=${id}`
    return emptyAnswer(200, { location, 'x-guploader-uploadid': id })
  },

  ContinueUpload(bucket, request, context) {
    const { upload, query } = context.sessions.finish(request, context.flaws)
    return store(bucket, upload, query, context)
  },

  PatchObject(bucket, request, { caller, rate }) {
    const { name } = request
    caller.must('storage.objects.update', name)
    rate.check(bucket.name, name)
    if (bucket.live(name) === undefined) throw missing(bucket, name, caller)
    checkWrite(request.query, bucket.live(name))
    const patched = bucket.patch(name, patchOf(readJson(request.body)))!
    rate.changed(bucket.name, name)
    return jsonAnswer(objectResource(bucket, name, patched))
  },

  DeleteObject(bucket, request, { caller, rate }) {
    const { name, query } = request
    caller.must('storage.objects.delete', name)
    const generation = readGeneration(query, 'generation')
    rate.check(bucket.name, name)
    const found = generation === undefined ? bucket.live(name) : bucket.version(name, generation)
    if (found === undefined) throw missing(bucket, name, caller)
    checkWrite(query, found)
    if (generation === undefined) bucket.remove(name)
    else bucket.removeVersion(name, generation)
    rate.changed(bucket.name, name)
    return emptyAnswer(204)
  },

  ListObjects(bucket, request, { caller, flaws, now }) {
    caller.must('storage.objects.list')
    return listObjects(bucket, request, flaws.lists === 'stale' ? now - STALE_LIST_MS : undefined)
  },
}

/** The one step in which an upload is judged and stored. To replace an object, a caller needs to be allowed to delete it. */
async function store(
  bucket: GcsBucket,
  { name, bytes, metadata }: Upload,
  query: GcsRequest['query'],
  { caller, rate, conditions, flaws }: OperationContext,
): Promise<HttpAnswer> {
  caller.must('storage.objects.create', name)
  rate.check(bucket.name, name)
  const live = bucket.live(name)
  const flaw = flawOf(query, conditions, flaws)
  if (flaw === 'refused') throw new GcsRefusal('conditionNotMet')
  if (flaw !== 'ignored') checkWrite(query, live)
  if (flaw === 'racy') await systemEnvironment.sleep(RACE_MS)
  if (live !== undefined) caller.must('storage.objects.delete', name)
  const written = bucket.put(name, bytes, metadata)
  rate.changed(bucket.name, name)
  if (flaw === 'denied-after-write') throw new GcsRefusal('conditionNotMet')
  return jsonAnswer(objectResource(bucket, name, written))
}

function readable(
  bucket: GcsBucket,
  { name, query }: GcsRequest,
  { caller, flaws, now }: OperationContext,
): GcsObjectVersion {
  caller.must('storage.objects.get', name)
  const generation = readGeneration(query, 'generation')
  const live = bucket.live(name)
  const settled = ({ timeCreated }: GcsObjectVersion) => flaws.reads !== 'stale' || timeCreated <= now - STALE_MS
  const readableNow = live === undefined ? undefined : bucket.versions(name).findLast(settled)
  const found = generation === undefined ? readableNow : bucket.version(name, generation)
  if (found === undefined) throw missing(bucket, name, caller)
  if (flaws.notModified === 'always' && query.ifGenerationNotMatch !== undefined) throw new GcsRefusal('notModified')
  checkRead(query, found)
  return found
}

function missing(bucket: GcsBucket, name: string, caller: Caller): Error {
  caller.mustKnowOf(name)
  return objectMissing(bucket.name, name)
}

function patchOf(resource: Record<string, unknown>): GcsObjectMetadata {
  const { contentType, cacheControl, metadata, ...others } = resource
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw notImplemented(`A patch does not take the field ${unknown}`)
  return Object.fromEntries(
    Object.entries({ contentType, cacheControl, metadata }).filter(([, value]) => value !== undefined),
  )
}
