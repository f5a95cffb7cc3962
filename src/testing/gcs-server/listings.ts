import type { HttpAnswer } from '../http-fixture.ts'
import { GcsRefusal, jsonAnswer } from './answers.ts'
import { byUtf8, type GcsBucket } from './buckets.ts'
import type { GcsRequest } from './request.ts'
import { objectResource, selectFields } from './resources.ts'

const MAX_RESULTS = 1000

/**
 * One page of objects and prefixes. https://cloud.google.com/storage/docs/json_api/v1/objects/list
 *
 * @param createdBefore Objects that are younger are left out.
 */
export function listObjects(
  bucket: GcsBucket,
  { query }: GcsRequest,
  createdBefore: number = Number.POSITIVE_INFINITY,
): HttpAnswer {
  const { prefix = '', delimiter = '', startOffset = '', pageToken, fields } = query
  const maxResults = readMaxResults(query.maxResults)
  const versions = query.versions === 'true'
  const after = pageToken === undefined ? undefined : readToken(pageToken)

  const items: Record<string, unknown>[] = []
  const prefixes: string[] = []
  let last: string | undefined
  let more = false
  for (const name of versions ? bucket.allNames() : bucket.keys()) {
    if (!name.startsWith(prefix) || byUtf8(name, startOffset) < 0) continue
    if ((bucket.live(name)?.timeCreated ?? 0) > createdBefore) continue
    const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    const entry = at < 0 ? name : name.slice(0, at + delimiter.length)
    if ((after !== undefined && byUtf8(entry, after) <= 0) || entry === last) continue
    if (items.length + prefixes.length >= maxResults) {
      more = true
      break
    }
    last = entry
    if (entry !== name) prefixes.push(entry)
    else if (versions) items.push(...bucket.versions(name).map((version) => objectResource(bucket, name, version)))
    else items.push(objectResource(bucket, name, bucket.live(name)!))
  }
  const page = {
    kind: 'storage#objects',
    ...(more && last !== undefined ? { nextPageToken: Buffer.from(`1${last}`).toString('base64') } : {}),
    ...(prefixes.length === 0 ? {} : { prefixes }),
    ...(items.length === 0 ? {} : { items }),
  }
  return jsonAnswer(fields === undefined ? page : selectFields(page, fields))
}

function readMaxResults(text: string | undefined): number {
  if (text === undefined) return MAX_RESULTS
  if (!/^\d{1,9}$/.test(text)) throw new GcsRefusal('invalidParameter', `Invalid value for maxResults: ${text}`)
  return Math.min(Math.max(1, Number(text)), MAX_RESULTS)
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString()
  if (!text.startsWith('1')) throw new GcsRefusal('invalid', 'Invalid page token.')
  return text.slice(1)
}
