import { KeelstateError } from '../../../core/errors.ts'
import {
  type KeyServiceCall,
  type KeyServiceErrorRow,
  type KeyServiceMeaning,
  keyServiceError,
} from '../key-service-error.ts'

const COMMON = 'https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html'
const GENERATE =
  'https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html#API_GenerateDataKey_Errors'
const STATES = 'https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html'
const QUOTAS = 'https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html'
const CREDENTIALS = 'https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html'
const REGION = 'https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html'
const HANDLER = 'https://github.com/smithy-lang/smithy-typescript/tree/main/packages/node-http-handler'
const NODE = 'https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors'

const CREDENTIALS_HINT =
  'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile (AWS_PROFILE) or the role that this process runs under.'

/** KMS's answers → our codes. What it says of the wrapped bytes themselves is told by `isRefusedCiphertext` and `isOtherKey`. */
export const KMS_ERRORS: readonly KeyServiceErrorRow[] = [
  {
    names: ['AccessDeniedException', 'NotAuthorized', 'OptInRequired'],
    code: 'AccessDenied',
    says: 'it is not allowed',
    hint: 'Readers need kms:Decrypt on the key; who makes documents needs kms:GenerateDataKey, and kms:Encrypt where it is not the first key.',
    page: COMMON,
  },
  {
    names: ['DisabledException'],
    code: 'AccessDenied',
    says: 'the key is disabled',
    hint: 'Enable the key, or open the document with another of its keys.',
    page: STATES,
  },
  {
    names: ['KMSInvalidStateException'],
    code: 'AccessDenied',
    says: 'the state of the key does not allow it',
    hint: 'It may be waiting for its deletion: cancel that, or open the document with another of its keys.',
    page: STATES,
  },
  {
    names: ['NotFoundException'],
    code: 'InvalidOptions',
    says: 'there is no such key',
    hint: 'Check the key, the region and the account.',
    page: GENERATE,
  },
  {
    names: ['InvalidKeyUsageException'],
    code: 'InvalidOptions',
    says: 'the key is not one that encrypts',
    hint: 'It has to be a symmetric key for ENCRYPT_DECRYPT.',
    page: GENERATE,
  },
  {
    names: ['ValidationException', 'InvalidArnException', 'UnsupportedOperationException', 'SerializationException'],
    code: 'InvalidOptions',
    says: 'the service does not take the request',
    page: COMMON,
  },
  {
    names: [
      'UnrecognizedClientException',
      'InvalidSignatureException',
      'SignatureDoesNotMatch',
      'IncompleteSignatureException',
      'IncompleteSignature',
      'InvalidClientTokenId',
      'MissingAuthenticationTokenException',
      'MissingAuthenticationToken',
    ],
    code: 'Unauthenticated',
    says: 'the credentials are not valid',
    hint: CREDENTIALS_HINT,
    quiet: true,
    page: COMMON,
  },
  {
    names: ['ExpiredTokenException', 'ExpiredToken', 'RequestExpired'],
    code: 'Unauthenticated',
    says: 'the session of the credentials has ended',
    hint: 'Sign in again, or let the provider renew its session.',
    quiet: true,
    page: COMMON,
  },
  {
    names: ['CredentialsProviderError', 'TokenProviderError', 'ProviderError'],
    code: 'Unauthenticated',
    says: 'no credentials were found',
    hint: CREDENTIALS_HINT,
    quiet: true,
    page: CREDENTIALS,
  },
  {
    names: ['REGION_MISSING'],
    code: 'InvalidOptions',
    says: 'no region is set',
    hint: 'Add ?region=eu-west-1 to the key, write its ARN, or set AWS_REGION.',
    quiet: true,
    page: REGION,
  },
  {
    names: ['ThrottlingException', 'Throttling', 'RequestLimitExceeded', 'TooManyRequestsException'],
    code: 'Throttled',
    says: 'the service asks to slow down',
    page: QUOTAS,
  },
  {
    names: [
      'KMSInternalException',
      'DependencyTimeoutException',
      'KeyUnavailableException',
      'InternalFailure',
      'ServiceUnavailable',
      'ServiceUnavailableException',
    ],
    code: 'Unavailable',
    says: 'the service failed',
    page: GENERATE,
  },
  { names: ['TimeoutError', 'ETIMEDOUT'], code: 'Timeout', says: 'there was no answer in time', page: HANDLER },
  {
    names: ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
    code: 'Unavailable',
    says: 'the service cannot be reached',
    hint: 'Check the network, the region and the endpoint.',
    page: NODE,
  },
  { names: ['ECONNRESET', 'EPIPE'], code: 'Unavailable', says: 'the connection broke', page: NODE },
]

const UNKNOWN: KeyServiceMeaning = {
  code: 'Unavailable',
  says: 'it failed in a way that is not known',
  page: COMMON,
}

/** KMS did not take the wrapped key with this context: it was changed, or belongs to another document. */
export function isRefusedCiphertext(error: unknown): boolean {
  return textOf(error, 'name') === 'InvalidCiphertextException'
}

/** KMS says that another key wrapped it. */
export function isOtherKey(error: unknown): boolean {
  return textOf(error, 'name') === 'IncorrectKeyException'
}

/**
 * Our error for what a call ended with. The SDK's own is not attached: it can repeat a session token and what was signed.
 *
 * @param sent Whether the request was handed to the client: what goes wrong before concerns region or credentials.
 */
export function fromKms(error: unknown, call: KeyServiceCall, sent: boolean): KeelstateError {
  if (KeelstateError.is(error)) return error
  const { status, requestId } = metadataOf(error)
  const said = sent ? textOf(error, 'message') : ''
  return keyServiceError(rowOf(error, status, sent), call, {
    name: status === undefined ? textOf(error, 'code') || textOf(error, 'name') : textOf(error, 'name'),
    said: said === 'UnknownError' ? '' : said,
    status,
    requestId,
  })
}

/** The row for a failure: by Node's code where there is one, since the SDK calls resets time-outs too. */
function rowOf(error: unknown, status: number | undefined, sent: boolean): KeyServiceMeaning {
  const kinds = [...(status === undefined ? [textOf(error, 'code')] : []), textOf(error, 'name')]
  if (textOf(error, 'message') === 'Region is missing') kinds.unshift('REGION_MISSING')
  const rows = kinds.map((kind) => KMS_ERRORS.find(({ names }) => names.includes(kind)))
  const row = rows.find((found) => found !== undefined)
  if (row !== undefined || sent) return row ?? UNKNOWN
  return KMS_ERRORS.find(({ names }) => names.includes('CredentialsProviderError')) ?? UNKNOWN
}

function metadataOf(error: unknown): { status?: number; requestId?: string } {
  const { httpStatusCode, requestId } = Object(Object(error).$metadata) as Record<string, unknown>
  return {
    ...(typeof httpStatusCode === 'number' ? { status: httpStatusCode } : {}),
    ...(typeof requestId === 'string' ? { requestId } : {}),
  }
}

function textOf(error: unknown, member: 'code' | 'message' | 'name'): string {
  const value: unknown = Object(error)[member]
  return typeof value === 'string' ? value : ''
}
