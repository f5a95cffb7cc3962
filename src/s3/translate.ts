import { type CommonDetails, type ErrorCode, KeelstateError, printable } from '../core/errors.ts'
import type { S3Call } from './attempt.ts'
import { S3_ERRORS, S3_ERRORS_BY_STATUS, type S3Meaning, UNKNOWN_FAILURE } from './errors.ts'

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
export function translateError(error: unknown, call: S3Call, bucket: string, sent: boolean): KeelstateError {
  if (KeelstateError.is(error)) return error
  const failure: Failure = typeof error === 'object' && error !== null ? error : { message: String(error) }
  const { $metadata, $response } = failure
  const status = statusOf(failure)
  const region = [failure.Region, $response?.headers?.['x-amz-bucket-region']].find(isRegion)
  return build(meaningOf(kindOf(failure, status), status, call, sent), call, bucket, {
    sent,
    name: text(status === undefined ? (failure.code ?? failure.name) : failure.name),
    says: text(failure.message),
    ...(status === undefined ? {} : { status }),
    ...(typeof $metadata?.requestId === 'string' ? { requestId: $metadata.requestId } : {}),
    ...(region === undefined ? {} : { region }),
  })
}

/** Our error for one entry of a batch that the service refused. */
export function translateEntry(
  entry: { Code?: string; Message?: string },
  call: S3Call,
  bucket: string,
): KeelstateError {
  const { Code = '', Message = '' } = entry
  return build(meaningOf(Code, undefined, call, true), call, bucket, { sent: true, name: Code, says: Message })
}

/** The name under which the table has a failure. */
function kindOf(failure: Failure, status: number | undefined): string {
  const name = text(failure.name)
  if (status !== undefined && status >= 300) return name
  const code = text(failure.code)
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

/** What a failure before the request may mean; anything else then concerns the provider of the credentials. */
const BEFORE_SENDING: readonly ErrorCode[] = [
  'InvalidOptions',
  'Throttled',
  'Timeout',
  'Unauthenticated',
  'Unavailable',
]

function meaningOf(kind: string, status: number | undefined, { operation }: S3Call, sent: boolean): S3Meaning {
  const row = S3_ERRORS.find(({ names, on }) => names.includes(kind) && (on === undefined || on === operation))
  if (!sent) {
    if (row !== undefined && BEFORE_SENDING.includes(row.code)) return row
    return S3_ERRORS.find(({ names }) => names.includes('CredentialsProviderError')) ?? UNKNOWN_FAILURE
  }
  const within = ([from, to]: readonly [number, number]) => status !== undefined && status >= from && status <= to
  return row ?? S3_ERRORS_BY_STATUS.find(({ statuses }) => within(statuses)) ?? UNKNOWN_FAILURE
}

interface Answer {
  sent: boolean
  name: string
  says: string
  status?: number
  requestId?: string
  region?: string
}

function build(meaning: S3Meaning, call: S3Call, bucket: string, answer: Answer): KeelstateError {
  const { status, requestId, region } = answer
  const name = printable(answer.name, 60)
  const says = isTelling(meaning, answer) ? printable(answer.says, 300) : ''
  const shown = [status, name].filter((part) => part !== undefined && part !== '').join(' ')
  const details: CommonDetails = {
    ...(status === undefined ? {} : { status }),
    ...(name === '' ? {} : { serviceCode: name }),
    ...(requestId === undefined ? {} : { requestId: printable(requestId, 60) }),
    ...(meaning.notExecuted || !answer.sent ? { notExecuted: true } : {}),
  }
  const hint = region === undefined ? meaning.hint : `Set region to ${region}: ?region=${region} in the address.`
  const cause = new Error(says === '' ? meaning.says : says)
  cause.name = name === '' ? 'Error' : name
  return new KeelstateError(meaning.code, {
    ...call,
    message: `S3 ${call.operation} of ${call.key === '' ? bucket : call.key}: ${meaning.says}${shown === '' ? '' : ` (${shown})`}.${says === '' ? '' : ` ${says}`}`,
    ...(hint === undefined ? {} : { hint }),
    details: meaning.subject === undefined ? details : { ...details, subject: meaning.subject },
    cause,
  })
}

/** Whether the text says something, and nothing that has to stay secret. */
function isTelling({ quiet }: S3Meaning, { says }: Answer): boolean {
  if (quiet || says === '' || says === 'UnknownError') return false
  return !says.includes('Command failed') // of a credential_process, whose arguments may hold anything
}

function isRegion(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
