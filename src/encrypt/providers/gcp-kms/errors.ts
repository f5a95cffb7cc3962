import { KeelstateError } from '../../../core/errors.ts'
import {
  type KeyServiceCall,
  type KeyServiceErrorRow,
  type KeyServiceMeaning,
  keyServiceError,
} from '../key-service-error.ts'
import type { GcpKmsAnswer } from './client.ts'
import { BrokenAnswer } from './integrity.ts'

const CODES = 'https://cloud.google.com/apis/design/errors#handling_errors'
const DECRYPT = 'https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt'
const PERMISSIONS = 'https://cloud.google.com/kms/docs/reference/permissions-and-roles'
const STATES = 'https://cloud.google.com/kms/docs/key-states'
const QUOTAS = 'https://cloud.google.com/kms/quotas'
const INTEGRITY = 'https://cloud.google.com/kms/docs/data-integrity-guidelines'
const CREDENTIALS = 'https://cloud.google.com/docs/authentication/application-default-credentials'
const ENABLING = 'https://cloud.google.com/service-usage/docs/enable-disable'
const PAYING = 'https://cloud.google.com/docs/quotas/quota-project'
const FETCH = 'https://github.com/node-fetch/node-fetch/blob/2.x/ERROR-HANDLING.md'
const NODE = 'https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors'
const TLS = 'https://nodejs.org/docs/latest-v20.x/api/tls.html#x509-certificate-error-codes'

const CREDENTIALS_HINT =
  'Run gcloud auth application-default login, set GOOGLE_APPLICATION_CREDENTIALS, or use the service account that this process runs under.'

/** Name of the row for answers whose checksums or form are wrong. */
export const BROKEN = 'BROKEN_ANSWER'

/** Cloud KMS's answers → our codes. What it says of the wrapped bytes themselves is told by `isRefusedCiphertext`. */
export const GCP_KMS_ERRORS: readonly KeyServiceErrorRow[] = [
  {
    names: ['PERMISSION_DENIED', 'IAM_PERMISSION_DENIED'],
    code: 'AccessDenied',
    says: 'it is not allowed, or there is no such key',
    hint: 'Readers need cloudkms.cryptoKeyVersions.useToDecrypt on the key (role Cloud KMS CryptoKey Decrypter); who makes documents needs cloudkms.cryptoKeyVersions.useToEncrypt too (Cloud KMS CryptoKey Encrypter/Decrypter).',
    page: PERMISSIONS,
  },
  {
    names: ['SERVICE_DISABLED'],
    code: 'AccessDenied',
    says: 'the Cloud KMS API is not enabled in the project',
    hint: 'Enable it: gcloud services enable cloudkms.googleapis.com',
    page: ENABLING,
  },
  {
    names: ['BILLING_DISABLED', 'USER_PROJECT_DENIED', 'CONSUMER_INVALID'],
    code: 'AccessDenied',
    says: 'the project that the credentials charge requests to cannot be used',
    hint: 'Choose another: gcloud auth application-default set-quota-project PROJECT.',
    page: PAYING,
  },
  {
    names: ['FAILED_PRECONDITION'],
    code: 'AccessDenied',
    says: 'the version of the key that is needed is not enabled',
    hint: 'Enable or restore that version, or open the document with another of its keys. A version that was destroyed does not come back.',
    page: STATES,
  },
  {
    names: ['NOT_FOUND'],
    code: 'InvalidOptions',
    says: 'there is no such key',
    hint: 'Check project, location, key ring and key.',
    page: DECRYPT,
  },
  {
    names: ['INVALID_ARGUMENT', 'OUT_OF_RANGE'],
    code: 'InvalidOptions',
    says: 'the service does not take the request',
    page: DECRYPT,
  },
  { names: ['UNIMPLEMENTED'], code: 'InvalidOptions', says: 'the service cannot do this', page: CODES },
  {
    names: ['NO_KMS'],
    code: 'InvalidOptions',
    says: 'the endpoint does not answer like Cloud KMS',
    hint: 'Check the endpoint.',
    page: DECRYPT,
  },
  {
    names: ['UNAUTHENTICATED', 'ACCESS_TOKEN_EXPIRED', 'ACCESS_TOKEN_TYPE_UNSUPPORTED', 'CREDENTIALS_MISSING'],
    code: 'Unauthenticated',
    says: 'the credentials are not valid, or no longer',
    hint: CREDENTIALS_HINT,
    quiet: true,
    page: CODES,
  },
  {
    names: ['CREDENTIALS'],
    code: 'Unauthenticated',
    says: 'no credentials were found, or no access token was given for them',
    hint: CREDENTIALS_HINT,
    quiet: true,
    page: CREDENTIALS,
  },
  {
    names: ['RESOURCE_EXHAUSTED', 'RATE_LIMIT_EXCEEDED'],
    code: 'Throttled',
    says: 'the service asks to slow down',
    page: QUOTAS,
  },
  { names: ['DEADLINE_EXCEEDED'], code: 'Timeout', says: 'the service had no answer in time', page: CODES },
  {
    names: ['ABORTED', 'CANCELLED', 'DATA_LOSS', 'INTERNAL', 'UNAVAILABLE', 'UNKNOWN'],
    code: 'Unavailable',
    says: 'the service failed',
    page: CODES,
  },
  { names: [BROKEN], code: 'Unavailable', says: 'request or answer were changed on the way', page: INTEGRITY },
  {
    names: ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
    code: 'Unavailable',
    says: 'the service cannot be reached',
    hint: 'Check the network and the endpoint.',
    page: NODE,
  },
  { names: ['ETIMEDOUT'], code: 'Timeout', says: 'there was no answer in time', page: NODE },
  {
    names: ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'TRUNCATED'],
    code: 'Unavailable',
    says: 'the connection broke',
    page: FETCH,
  },
  {
    names: ['TLS'],
    code: 'InvalidOptions',
    says: 'the endpoint does not speak TLS, or its certificate is not trusted',
    hint: 'Check http: or https: in the endpoint; NODE_EXTRA_CA_CERTS names a file with further authorities.',
    page: TLS,
  },
]

const UNKNOWN: KeyServiceMeaning = {
  code: 'Unavailable',
  says: 'it failed in a way that is not known',
  page: CODES,
}

/** An answer of the service that is no success. https://cloud.google.com/apis/design/errors#error_model */
export class GcpKmsRefusal extends Error {
  override readonly name: string = 'GcpKmsRefusal'
  readonly httpStatus: number
  /** Canonical code, such as `PERMISSION_DENIED`; empty when the answer has none. */
  readonly status: string
  /** Why, as `google.rpc.ErrorInfo` has it: `SERVICE_DISABLED`. */
  readonly reason: string

  constructor(httpStatus: number, status: string, reason: string, message: string) {
    super(message)
    this.httpStatus = httpStatus
    this.status = status
    this.reason = reason
  }
}

/** Reads an error document. Of what is none, nothing but the HTTP status is kept. */
export function refusalOf({ status: httpStatus, text }: GcpKmsAnswer): GcpKmsRefusal {
  const { status, message, details } = Object(documentOf(text)?.error) as Record<string, unknown>
  const reasons = (Array.isArray(details) ? details : []).map((detail) => textOf(Object(detail).reason))
  const reason = reasons.find((one) => one !== '') ?? ''
  return new GcpKmsRefusal(httpStatus, textOf(status), reason, textOf(message))
}

/**
 * Cloud KMS did not open the wrapped key with this additional authenticated data: it was changed, belongs to another document, or another key
 * wrapped it. Which of them, the service does not tell.
 */
export function isRefusedCiphertext({ httpStatus, status, message }: GcpKmsRefusal): boolean {
  return httpStatus === 400 && status === 'INVALID_ARGUMENT' && message.startsWith('Decryption failed')
}

/**
 * Our error for what a call ended with. The library's own is not attached: it holds the request with access token and data key.
 *
 * @param sent Whether the request was handed to the client: what goes wrong before concerns credentials.
 */
export function fromGcpKms(error: unknown, call: KeyServiceCall, sent: boolean): KeelstateError {
  if (KeelstateError.is(error)) return error
  if (error instanceof BrokenAnswer)
    return keyServiceError(rowNamed(BROKEN), call, { name: BROKEN, said: `Cloud KMS: ${error.message}.` })
  if (error instanceof GcpKmsRefusal) {
    const { httpStatus: status, message: said } = error
    const [kind, name] = kindOf(error)
    return keyServiceError(rowNamed(kind), call, { status, name, said })
  }
  const name = codeOf(error)
  const row = find(isTls(name) ? 'TLS' : name)
  if (!sent) return keyServiceError(row ?? rowNamed('CREDENTIALS'), call, { name, said: '' })
  return keyServiceError(row ?? UNKNOWN, call, { name: name || textOf(Object(error).name), said: '' })
}

/** The row's name for a refusal, and the name that is shown. */
function kindOf({ httpStatus, status, reason, message }: GcpKmsRefusal): [kind: string, name: string] {
  // https://cloud.google.com/kms/docs/data-integrity-guidelines: what the service received does not fit the checksum that came with it
  if (status === 'INVALID_ARGUMENT' && /crc32c|checksum/i.test(message)) return [BROKEN, BROKEN]
  if (find(reason) !== undefined) return [reason, reason]
  if (status !== '') return [status, status]
  if (httpStatus === 429) return ['RESOURCE_EXHAUSTED', '']
  if (httpStatus === 401) return ['UNAUTHENTICATED', '']
  if (httpStatus === 504) return ['DEADLINE_EXCEEDED', '']
  return [httpStatus >= 500 ? 'UNAVAILABLE' : 'NO_KMS', '']
}

function find(name: string): KeyServiceErrorRow | undefined {
  return GCP_KMS_ERRORS.find(({ names }) => names.includes(name))
}

function rowNamed(name: string): KeyServiceMeaning {
  return find(name) ?? UNKNOWN
}

/** Node's code, wherever the library keeps it. */
function codeOf(error: unknown): string {
  const { code, cause } = Object(error) as Record<string, unknown>
  return textOf(code) || textOf(Object(cause).code)
}

function isTls(code: string): boolean {
  return /^(EPROTO$|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)
}

function documentOf(text: string): Record<string, unknown> | undefined {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
