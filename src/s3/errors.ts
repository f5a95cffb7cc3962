import type { ServiceErrorRow, ServiceMeaning, ServiceStatusRow } from '../core/driver-error.ts'

const CODES = 'https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList'
const WRITES = 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html'
const DENIED = 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html'
const RATES = 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html'
const CREDENTIALS = 'https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html'
const REGION = 'https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html'
const KMS = 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html'
const SDK_TIMEOUTS = 'https://github.com/smithy-lang/smithy-typescript/tree/main/packages/node-http-handler'
const NODE = 'https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors'
const TLS = 'https://nodejs.org/docs/latest-v20.x/api/tls.html#x509-certificate-error-codes'
const MINIO = 'https://github.com/minio/minio/blob/master/cmd/api-errors.go'

const REGION_HINT = "Set region to the bucket's: ?region=… in the address, or AWS_REGION."
const DENIED_HINT =
  'Without s3:ListBucket an absent object reads as 403 too. Needed are s3:GetObject, s3:PutObject and s3:ListBucket, s3:DeleteObject for collecting.'
const CREDENTIALS_HINT =
  'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile (AWS_PROFILE) or the role that this process runs under.'

/**
 * The service's answers → our codes. The first row with the name (and call) counts.
 *
 * Nothing here says that somebody else won: 412, 404 and 409 may be the answer to a copy of one's own write.
 */
export const S3_ERRORS: readonly ServiceErrorRow[] = [
  { names: ['PreconditionFailed'], code: 'PreconditionFailed', says: 'the precondition did not hold', page: WRITES },
  {
    names: ['NoSuchKey'],
    on: 'put',
    code: 'NotFound',
    subject: 'object',
    says: 'the object that was to be replaced does not exist',
    page: WRITES,
  },
  {
    names: ['NoSuchBucket'],
    code: 'BucketMissing',
    subject: 'bucket',
    says: 'the bucket does not exist',
    hint: 'Create it, or correct the name or the region. It is not the same as an empty store.',
    page: CODES,
  },
  {
    names: ['ConditionalRequestConflict', 'OperationAborted', 'ConcurrentModification'],
    code: 'Unavailable',
    says: 'it met another operation on the same object, and its outcome is not known',
    page: WRITES,
  },

  {
    names: [
      'InvalidAccessKeyId',
      'SignatureDoesNotMatch',
      'AuthFailure',
      'InvalidSecurity',
      'NotSignedUp',
      'AccessKeyIdNotFound',
    ],
    code: 'Unauthenticated',
    says: 'the credentials are not valid',
    hint: CREDENTIALS_HINT,
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    names: [
      'ExpiredToken',
      'ExpiredTokenException',
      'TokenRefreshRequired',
      'InvalidToken',
      'InvalidTokenId',
      'RequestExpired',
    ],
    code: 'Unauthenticated',
    says: 'the session of the credentials has ended',
    hint: 'Sign in again, or let the provider renew its session.',
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    names: ['RequestTimeTooSkewed'],
    code: 'Unauthenticated',
    says: "this machine's clock is too far from the service's",
    hint: 'Set the clock; S3 takes requests that are at most 15 minutes off.',
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    names: ['CredentialsProviderError', 'TokenProviderError', 'ProviderError'],
    code: 'Unauthenticated',
    says: 'no credentials were found',
    hint: CREDENTIALS_HINT,
    notExecuted: true,
    page: CREDENTIALS,
  },
  {
    names: [
      'AccessDenied',
      'AllAccessDisabled',
      'AccountProblem',
      'UnauthorizedAccess',
      'Forbidden',
      'KMS.AccessDeniedException',
    ],
    code: 'AccessDenied',
    says: 'it is not allowed',
    hint: DENIED_HINT,
    notExecuted: true,
    page: DENIED,
  },

  {
    names: [
      'PermanentRedirect',
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
      'IncorrectEndpoint',
    ],
    code: 'InvalidOptions',
    says: 'the bucket lies in another region',
    hint: REGION_HINT,
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    names: ['REGION_MISSING'],
    code: 'InvalidOptions',
    says: 'no region is set',
    hint: REGION_HINT,
    notExecuted: true,
    page: REGION,
  },
  {
    names: ['InvalidBucketName', 'InvalidBucketOwnerAWSAccountID', 'KeyTooLongError', 'XMinioInvalidObjectName'],
    code: 'InvalidOptions',
    says: 'the service does not take the name of the bucket, its owner, or the prefix',
    notExecuted: true,
    page: CODES,
  },
  {
    names: [
      'KMS.NotFoundException',
      'KMS.DisabledException',
      'KMS.KMSInvalidStateException',
      'KMS.InvalidKeyUsageException',
    ],
    code: 'InvalidOptions',
    says: 'the KMS key of the bucket, or kmsKeyId, cannot be used',
    notExecuted: true,
    page: KMS,
  },
  {
    names: ['TLS'],
    code: 'InvalidOptions',
    says: 'the endpoint does not speak TLS, or its certificate is not trusted',
    hint: 'Check http: or https: in the endpoint; NODE_EXTRA_CA_CERTS names a file with further authorities.',
    notExecuted: true,
    page: TLS,
  },

  {
    names: ['EntityTooLarge', 'MaxMessageLengthExceeded'],
    code: 'TooLarge',
    says: 'the body is too large for the service',
    notExecuted: true,
    page: CODES,
  },
  {
    names: [
      'QuotaExceeded',
      'XMinioStorageFull',
      'XMinioAdminBucketQuotaExceeded',
      'InsufficientCapacity',
      'InsufficientStorage',
    ],
    code: 'NoSpace',
    says: 'the service has no room left',
    notExecuted: true,
    page: MINIO,
  },
  {
    names: ['NotImplemented', 'MethodNotAllowed', 'InvalidObjectState'],
    code: 'Unsupported',
    says: 'the service cannot do this, or not with this object',
    hint: 'keelstate needs conditional writes (If-Match, If-None-Match) and objects that can be read at once.',
    notExecuted: true,
    page: CODES,
  },
  {
    names: [
      'SlowDown',
      'SlowDownRead',
      'SlowDownWrite',
      'TooManyRequests',
      'TooManyRequestsException',
      'RequestLimitExceeded',
      'BandwidthLimitExceeded',
    ],
    code: 'Throttled',
    says: 'the service asks to slow down',
    notExecuted: true,
    page: RATES,
  },
  {
    names: [
      'Throttling',
      'ThrottlingException',
      'RequestThrottled',
      'RequestThrottledException',
      'KMS.ThrottlingException',
    ],
    code: 'Throttled',
    says: 'the service asks to slow down',
    notExecuted: true,
    page: RATES,
  },
  {
    names: ['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody'],
    code: 'Unavailable',
    says: 'the body was damaged on its way',
    notExecuted: true,
    page: CODES,
  },
  { names: ['RequestTimeout'], code: 'Timeout', says: 'the service waited too long for the request', page: CODES },
  {
    names: ['InternalError', 'ServiceUnavailable', 'Busy'],
    code: 'Unavailable',
    says: 'the service failed',
    page: CODES,
  },
  {
    names: ['TemporaryRedirect'],
    code: 'Unavailable',
    says: 'the bucket is being moved',
    notExecuted: true,
    page: CODES,
  },

  {
    names: ['CONNECT', 'ECONNREFUSED', 'ENOTFOUND'],
    code: 'Unavailable',
    says: 'the service cannot be reached',
    hint: 'Check the network, the endpoint and the region.',
    notExecuted: true,
    page: NODE,
  },
  {
    names: ['CONNECT_TIMEOUT'],
    code: 'Timeout',
    says: 'no connection was made in time',
    notExecuted: true,
    page: SDK_TIMEOUTS,
  },
  {
    names: ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'TRUNCATED'],
    code: 'Unavailable',
    says: 'the connection broke',
    page: NODE,
  },
  { names: ['CHECKSUM'], code: 'Unavailable', says: 'the answer was damaged on its way', page: CODES },
  {
    names: ['ETIMEDOUT', 'ESOCKETTIMEDOUT', 'TimeoutError'],
    code: 'Timeout',
    says: 'there was no answer in time',
    page: SDK_TIMEOUTS,
  },
]

/** Rows for answers whose code is none of the above, or missing, by status. */
export const S3_ERRORS_BY_STATUS: readonly ServiceStatusRow[] = [
  { statuses: [412, 412], code: 'PreconditionFailed', says: 'the precondition did not hold', page: WRITES },
  {
    statuses: [409, 409],
    code: 'Unavailable',
    says: 'it met another operation, and its outcome is not known',
    page: WRITES,
  },
  {
    statuses: [401, 401],
    code: 'Unauthenticated',
    says: 'the credentials are not valid',
    hint: CREDENTIALS_HINT,
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    statuses: [403, 403],
    code: 'AccessDenied',
    says: 'it is not allowed',
    hint: DENIED_HINT,
    notExecuted: true,
    page: DENIED,
  },
  { statuses: [408, 408], code: 'Timeout', says: 'the service waited too long for the request', page: CODES },
  {
    statuses: [413, 413],
    code: 'TooLarge',
    says: 'the body is too large for the service',
    notExecuted: true,
    page: CODES,
  },
  { statuses: [429, 429], code: 'Throttled', says: 'the service asks to slow down', notExecuted: true, page: RATES },
  { statuses: [501, 501], code: 'Unsupported', says: 'the service cannot do this', notExecuted: true, page: CODES },
  { statuses: [507, 507], code: 'NoSpace', says: 'the service has no room left', notExecuted: true, page: MINIO },
  { statuses: [500, 599], code: 'Unavailable', says: 'the service failed', page: CODES },
  {
    statuses: [301, 308],
    code: 'InvalidOptions',
    says: 'the service redirects to another place',
    hint: REGION_HINT,
    notExecuted: true,
    page: CODES,
  },
  {
    statuses: [404, 405],
    code: 'InvalidOptions',
    says: 'the endpoint does not answer like S3',
    hint: 'Check the endpoint.',
    notExecuted: true,
    page: CODES,
  },
  {
    statuses: [400, 499],
    code: 'InvalidInput',
    says: 'the service does not take the request',
    notExecuted: true,
    page: CODES,
  },
]

/** What nothing above knows: the outcome is open. */
export const UNKNOWN_FAILURE: ServiceMeaning = {
  code: 'Unavailable',
  says: 'it failed in a way that is not known',
  page: CODES,
}
