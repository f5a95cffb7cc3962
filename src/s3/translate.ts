import type { DriverCall } from '../core/driver-attempt.ts'
import { meaningOf, type ServiceTables, serviceError } from '../core/driver-error.ts'
import { KeelstateError } from '../core/errors.ts'
import { S3_ERRORS, S3_ERRORS_BY_STATUS, UNKNOWN_FAILURE } from './errors.ts'

const TABLES: ServiceTables = {
  rows: S3_ERRORS,
  byStatus: S3_ERRORS_BY_STATUS,
  unknown: UNKNOWN_FAILURE,
  credentials: 'CredentialsProviderError',
}

/** What the SDK throws, as far as it is looked at. */
interface Failure {
  /** The service's code in its answers; else the kind of error. */
  name?: unknown
  /** Node's code. */
  code?: unknown
  message?: unknown
  syscall?: unknown
  /** One for each address of a host that was tried. */
  errors?: unknown
  /** Element of a refusal that concerns the region. */
  Region?: unknown
  $metadata?: { httpStatusCode?: unknown; requestId?: unknown }
  $response?: { headers?: Record<string, unknown> }
}

/** HTTP status of an answer that the SDK gave as an error. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as Failure | undefined)?.$metadata?.httpStatusCode
  return typeof status === 'number' ? status : undefined
}

/** True for the answer 404 `NoSuchKey`, and nothing else that is called "not found". */
export function isNoSuchKey(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Failure).name === 'NoSuchKey'
}

/**
 * Our error for what a request ended with. The SDK's own error is not attached: it can repeat a session token and what was signed.
 *
 * @param sent Whether the request was handed to the client; without that it certainly had no effect.
 */
export function translateError(error: unknown, call: DriverCall, bucket: string, sent: boolean): KeelstateError {
  if (KeelstateError.is(error)) return error
  const failure: Failure = typeof error === 'object' && error !== null ? error : { message: String(error) }
  const { $metadata, $response } = failure
  const status = statusOf(failure)
  const region = [failure.Region, $response?.headers?.['x-amz-bucket-region']].find(isRegion)
  return serviceError(meaningOf(TABLES, kindOf(failure, status), { status, sent }, call), call, bucket, {
    sent,
    name: text(status === undefined ? (failure.code ?? failure.name) : failure.name),
    says: telling(text(failure.message)),
    ...(status === undefined ? {} : { status }),
    ...(typeof $metadata?.requestId === 'string' ? { requestId: $metadata.requestId } : {}),
    ...(region === undefined ? {} : { hint: `Set region to ${region}: ?region=${region} in the address.` }),
  })
}

/** Our error for one entry of a batch that the service refused. */
export function translateEntry(
  entry: { Code?: string; Message?: string },
  call: DriverCall,
  bucket: string,
): KeelstateError {
  const { Code = '', Message = '' } = entry
  const answer = { sent: true, name: Code, says: telling(Message) }
  return serviceError(meaningOf(TABLES, Code, answer, call), call, bucket, answer)
}

/** Node's codes for a connection that ended in the middle of an answer. What is refused, and why, its body would have said: the status alone is no verdict. */
const BROKEN: readonly string[] = ['ECONNRESET', 'ECONNABORTED', 'EPIPE']

/** The name under which the table has a failure. */
function kindOf(failure: Failure, status: number | undefined): string {
  const name = text(failure.name)
  const code = text(failure.code)
  if (status !== undefined && status >= 300) return BROKEN.includes(code) ? 'TRUNCATED' : name
  const message = text(failure.message)
  const tried = Array.isArray(failure.errors) ? (failure.errors as Failure[]) : [failure]
  if (tried.length > 0 && tried.every(({ syscall }) => syscall === 'connect' || syscall === 'getaddrinfo')) {
    return code === 'ETIMEDOUT' ? 'CONNECT_TIMEOUT' : 'CONNECT'
  }
  if (name === 'TimeoutError' && message.includes('did not establish a connection')) return 'CONNECT_TIMEOUT'
  if (/^(EPROTO$|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)) return 'TLS'
  if (message === 'Region is missing') return 'REGION_MISSING'
  if (message.startsWith('Checksum mismatch')) return 'CHECKSUM'
  return code === '' ? name : code
}

/** The text, if it says something and nothing that has to stay secret. */
function telling(says: string): string {
  if (says === 'UnknownError') return ''
  return says.includes('Command failed') ? '' : says // of a credential_process, whose arguments may hold anything
}

function isRegion(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
