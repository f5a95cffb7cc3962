import { notImplemented, S3Refusal } from './answers.ts'
import type { ObjectVersion } from './buckets.ts'

type Headers = Readonly<Record<string, string>>

/**
 * The precondition of a PutObject, as S3 judges it: on the current version, a delete marker counting as absent.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 *
 * @throws {S3Refusal} `PreconditionFailed`, `NoSuchKey` for `If-Match` on an absent key, `NotImplemented` for forms that S3 does not take.
 */
export function checkWrite(headers: Headers, current: ObjectVersion | undefined): void {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch !== undefined && ifNoneMatch !== undefined)
    throw notImplemented('both conditions in one request', 'If-Match')
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') throw notImplemented('only * is taken', 'If-None-Match')
    if (current !== undefined) throw preconditionFailed('If-None-Match')
  }
  if (ifMatch !== undefined) {
    if (ifMatch.trim() === '*') throw notImplemented('only an ETag is taken', 'If-Match')
    if (current === undefined) throw new S3Refusal('NoSuchKey')
    if (!matches(ifMatch, current)) throw preconditionFailed('If-Match')
  }
}

/**
 * The precondition of a DeleteObject, or of one entry of a DeleteObjects.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
 */
export function checkDelete(ifMatch: string | undefined, current: ObjectVersion | undefined): void {
  if (ifMatch === undefined) return
  if (ifMatch.trim() === '*') {
    if (current === undefined) throw preconditionFailed('If-Match')
    return
  }
  if (current === undefined) throw new S3Refusal('NoSuchKey')
  if (!matches(ifMatch, current)) throw preconditionFailed('If-Match')
}

/** The precondition of a read. `not-modified` means an answer 304. */
export function checkRead(headers: Headers, current: ObjectVersion): 'send' | 'not-modified' {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch !== undefined && !matches(ifMatch, current)) throw preconditionFailed('If-Match')
  return ifNoneMatch !== undefined && matches(ifNoneMatch, current) ? 'not-modified' : 'send'
}

function preconditionFailed(condition: string): S3Refusal {
  return new S3Refusal('PreconditionFailed', { Condition: condition })
}

/** A list of ETags, with or without quotes, or `*`. */
function matches(condition: string, version: ObjectVersion): boolean {
  return condition.split(',').some((etag) => etag.trim() === '*' || unquoted(etag.trim()) === unquoted(version.etag))
}

function unquoted(etag: string): string {
  return etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag
}
