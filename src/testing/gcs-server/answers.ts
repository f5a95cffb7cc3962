import type { HttpAnswer } from '../http-fixture.ts'

/** The reasons that the server gives by itself. */
export type GcsReason =
  | 'accessDenied'
  | 'authError'
  | 'badRequest'
  | 'conditionNotMet'
  | 'conflict'
  | 'internalError'
  | 'invalid'
  | 'invalidParameter'
  | 'lengthRequired'
  | 'notFound'
  | 'notImplemented'
  | 'notModified'
  | 'rateLimitExceeded'
  | 'required'
  | 'uploadTooLarge'
  | 'userProjectMissing'

/**
 * Statuses of the reasons that the server gives by itself.
 * https://cloud.google.com/storage/docs/json_api/v1/status-codes
 */
const REASONS: Record<GcsReason, readonly [status: number, message: string]> = {
  accessDenied: [403, 'The caller does not have the permission.'],
  authError: [401, 'Invalid Credentials'],
  badRequest: [400, 'Bad Request'],
  conditionNotMet: [412, 'At least one of the pre-conditions you specified did not hold.'],
  conflict: [409, 'You already own this bucket. Please select another name.'],
  internalError: [500, 'We encountered an internal error. Please try again.'],
  invalid: [400, 'Invalid Value'],
  invalidParameter: [400, 'Invalid Parameter'],
  lengthRequired: [411, 'You must provide the Content-Length HTTP header.'],
  notFound: [404, 'Not Found'],
  notImplemented: [501, 'This server does not do that.'],
  notModified: [304, 'Not Modified'],
  rateLimitExceeded: [
    429,
    'The object exceeded the rate limit for object mutation operations (create, update, and delete). Please reduce your request rate. See https://cloud.google.com/storage/docs/gcs429.',
  ],
  required: [400, 'Required'],
  uploadTooLarge: [413, 'The upload is larger than any object may be.'],
  userProjectMissing: [400, 'Bucket is a requester pays bucket but no user project provided.'],
}

const USAGE_LIMITS = ['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded']

/** A request that is answered with an error. */
export class GcsRefusal extends Error {
  override readonly name: string = 'GcsRefusal'
  readonly reason: GcsReason
  readonly status: number

  constructor(reason: GcsReason, message: string = REASONS[reason][1], status: number = REASONS[reason][0]) {
    super(message)
    this.reason = reason
    this.status = status
  }
}

/** The 501 of something that this server does not do, with what it was. */
export function notImplemented(what: string): GcsRefusal {
  return new GcsRefusal('notImplemented', what)
}

export function bucketMissing(): GcsRefusal {
  return new GcsRefusal('notFound', 'The specified bucket does not exist.')
}

export function objectMissing(bucket: string, name: string): GcsRefusal {
  return new GcsRefusal('notFound', `No such object: ${bucket}/${name}`)
}

export function emptyAnswer(status: number, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers, body: new Uint8Array() }
}

export function jsonAnswer(value: unknown, headers: Record<string, string> = {}): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  }
}

/** The error document of a refusal. Downloads get the bare message, as from the service. */
export function refusalAnswer(refusal: GcsRefusal, media: boolean): HttpAnswer {
  const { status, reason, message } = refusal
  if (status === 304) return { ...emptyAnswer(304), code: reason }
  if (!media) return statusAnswer(status, reason, message)
  return { status, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: Buffer.from(message), code: reason }
}

/** An error document with any reason: what a fault rule asks for. */
export function statusAnswer(status: number, reason: string, message?: string): HttpAnswer {
  const known = Object.hasOwn(REASONS, reason) ? REASONS[reason as GcsReason][1] : 'An injected fault.'
  const says = message ?? known
  const domain = USAGE_LIMITS.includes(reason) ? 'usageLimits' : 'global'
  const error = { code: status, message: says, errors: [{ message: says, domain, reason }] }
  return { ...jsonAnswer({ error }), status, code: reason }
}
