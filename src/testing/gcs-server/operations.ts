import { systemEnvironment } from '../../core/environment.ts'
import type { HttpAnswer } from '../http-fixture.ts'
import type { Caller } from './access.ts'
import { emptyAnswer, jsonAnswer, notImplemented, objectMissing } from './answers.ts'
import type { GcsBucket, GcsObjectMetadata, GcsObjectVersion } from './buckets.ts'
import { checkRead, checkWrite, readGeneration } from './conditions.ts'
import { listObjects } from './listings.ts'
import type { ChangeRate } from './rate.ts'
import type { GcsOperation, GcsRequest } from './request.ts'
import { bucketResource, etagOf, objectResource } from './resources.ts'
import { readJson, readUpload, type Upload, type UploadSessions } from './uploads.ts'

const RACE_MS = 5 // between the check of a condition and the write, in mode `racy`

/** What an operation works on. */
export interface OperationContext {
  readonly caller: Caller
  readonly rate: ChangeRate
  readonly sessions: UploadSessions
  readonly endpoint: string
  readonly conditions: 'enforced' | 'ignored' | 'racy'
}

type Operation = (bucket: GcsBucket, request: GcsRequest, context: OperationContext) => HttpAnswer | Promise<HttpAnswer>

export const OPERATIONS: Record<GcsOperation, Operation> = {
  GetBucket(bucket, _request, { caller }) {
    caller.must('storage.buckets.get')
    return jsonAnswer(bucketResource(bucket))
  },

  GetObject(bucket, request, { caller }) {
    const found = readable(bucket, request, caller)
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
      body: bytes,
    }
  },

  GetObjectMetadata(bucket, request, { caller }) {
    return jsonAnswer(objectResource(bucket, request.name, readable(bucket, request, caller)))
  },

  PutObject: (bucket, request, context) => store(bucket, readUpload(request), request.query, context),

  StartUpload(bucket, request, { caller, sessions, endpoint }) {
    caller.must('storage.objects.create', request.name)
    const id = sessions.start(request)
    const location = `${endpoint}/upload/storage/v1/b/${bucket.name}/o?uploadType=resumable&upload_id=${id}`
    return emptyAnswer(200, { location, 'x-guploader-uploadid': id })
  },

  ContinueUpload(bucket, request, context) {
    const { upload, query } = context.sessions.finish(request)
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

  ListObjects(bucket, request, { caller }) {
    caller.must('storage.objects.list')
    return listObjects(bucket, request)
  },
}

/** The one step in which an upload is judged and stored. To replace an object, a caller needs to be allowed to delete it. */
async function store(
  bucket: GcsBucket,
  { name, bytes, metadata }: Upload,
  query: GcsRequest['query'],
  { caller, rate, conditions }: OperationContext,
): Promise<HttpAnswer> {
  caller.must('storage.objects.create', name)
  rate.check(bucket.name, name)
  const live = bucket.live(name)
  if (conditions !== 'ignored') checkWrite(query, live)
  if (conditions === 'racy') await systemEnvironment.sleep(RACE_MS)
  if (live !== undefined) caller.must('storage.objects.delete', name)
  const written = bucket.put(name, bytes, metadata)
  rate.changed(bucket.name, name)
  return jsonAnswer(objectResource(bucket, name, written))
}

function readable(bucket: GcsBucket, { name, query }: GcsRequest, caller: Caller): GcsObjectVersion {
  caller.must('storage.objects.get', name)
  const generation = readGeneration(query, 'generation')
  const found = generation === undefined ? bucket.live(name) : bucket.version(name, generation)
  if (found === undefined) throw missing(bucket, name, caller)
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
