import type { DriverCall } from '../core/driver-attempt.ts'
import { meaningOf, type ServiceTables, serviceError } from '../core/driver-error.ts'
import { KeelstateError } from '../core/errors.ts'
import { GCS_ERRORS, GCS_ERRORS_BY_STATUS, UNKNOWN_FAILURE } from './errors.ts'

const TABLES: ServiceTables = {
  rows: GCS_ERRORS,
  byStatus: GCS_ERRORS_BY_STATUS,
  unknown: UNKNOWN_FAILURE,
  credentials: 'CREDENTIALS',
}

/** What the library throws, as far as it is looked at. */
interface Failure {
  name?: unknown
  /** HTTP status of an answer; else Node's code. */
  code?: unknown
  message?: unknown
  /** Of node-fetch: `system`, `request-timeout`, … */
  type?: unknown
  errors?: readonly { reason?: unknown; message?: unknown }[]
  response?: { statusCode?: unknown; headers?: Record<string, unknown> }
}

/** An answer of the service, read from the library's error. */
interface Refusal {
  readonly status?: number
  readonly reason: string
  readonly says: string
  readonly requestId?: string
}

/** HTTP status of an answer that the library gave as an error. */
export function statusOf(error: unknown): number | undefined {
  const { code, response } = (error ?? {}) as Failure
  const status = typeof code === 'number' ? code : response?.statusCode
  return typeof status === 'number' ? status : undefined
}

/** The header `date` of an answer that the library gave as an error. */
export function dateOf(error: unknown): string | undefined {
  const date = ((error ?? {}) as Failure).response?.headers?.date
  return typeof date === 'string' ? date : undefined
}

/** What a 404 says is missing. Downloads and emulators do not always say it: then it is open. */
export function missingOf(error: unknown): 'bucket' | 'object' | 'unsaid' {
  const { says } = refusalOf((error ?? {}) as Failure)
  if (/\bbucket\b.*\b(not exist|not found)|no such bucket/i.test(says)) return 'bucket'
  return /no such object/i.test(says) ? 'object' : 'unsaid'
}

/**
 * Our error for what a request ended with. The library's own error is not attached: it holds the request with its access token.
 *
 * @param sent Whether the request was handed to the client; without that it certainly had no effect.
 */
export function translateError(error: unknown, call: DriverCall, bucket: string, sent: boolean): KeelstateError {
  if (KeelstateError.is(error)) return error
  const failure: Failure = typeof error === 'object' && error !== null ? error : { message: String(error) }
  const refusal = refusalOf(failure)
  const kind = kindOf(failure, refusal, call)
  return serviceError(meaningOf(TABLES, kind, { status: refusal.status, sent }, call), call, bucket, {
    sent,
    name:
      refusal.status === undefined ? text(failure.code) || text(failure.type) || text(failure.name) : refusal.reason,
    says: refusal.says,
    ...(refusal.status === undefined ? {} : { status: refusal.status }),
    ...(refusal.requestId === undefined ? {} : { requestId: refusal.requestId }),
  })
}

/** The name under which the table has a failure. */
function kindOf(failure: Failure, { status, reason, says }: Refusal, { operation }: DriverCall): string {
  if (status === 404 && (operation === 'put' || operation === 'list' || missingOf(failure) === 'bucket'))
    return 'BUCKET_MISSING'
  if (status === 400 && /\bhash\b.*doesn't match/i.test(says)) return 'DIGEST'
  if (status === 401 && reason === 'required') return 'authError'
  if (status === 400 && /requester pays/i.test(says)) return 'userProjectMissing' // a download says it without the reason
  if (status !== undefined) return reason
  const code = text(failure.code)
  if (/\bconnect ETIMEDOUT\b/.test(text(failure.message))) return 'CONNECT_TIMEOUT'
  if (/^(EPROTO$|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)) return 'TLS'
  return code || text(failure.type) || text(failure.name)
}

/** Reads the error document, which the library leaves as text when it came in answer to a download. */
function refusalOf(failure: Failure): Refusal {
  const status = statusOf(failure)
  if (status === undefined) return { reason: '', says: withoutUrl(text(failure.message)) }
  const requestId = text(failure.response?.headers?.['x-guploader-uploadid'])
  const [first] = failure.errors ?? []
  const document = first === undefined ? documentOf(text(failure.message)) : undefined
  return {
    status,
    reason: text(first?.reason ?? document?.errors?.[0]?.reason),
    says: text(first?.message ?? document?.message ?? failure.message),
    ...(requestId === '' ? {} : { requestId }),
  }
}

function documentOf(body: string): { message?: unknown; errors?: { reason?: unknown }[] } | undefined {
  try {
    return (JSON.parse(body) as { error?: object }).error
  } catch {
    return undefined
  }
}

/** node-fetch begins its messages with the whole address of the request. */
function withoutUrl(message: string): string {
  return message.replace(/^request to \S+ failed, reason: /, '').replace(/\bhttps?:\/\/\S+/g, 'the service')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
