import type { ServiceErrorRow, ServiceMeaning, ServiceStatusRow } from '../core/driver-error.ts'

const CODES = 'https://cloud.google.com/storage/docs/json_api/v1/status-codes'
const CONDITIONS = 'https://cloud.google.com/storage/docs/request-preconditions'
const PERMISSIONS = 'https://cloud.google.com/storage/docs/access-control/iam-json'
const RATES = 'https://cloud.google.com/storage/docs/gcs429'
const RETRIES = 'https://cloud.google.com/storage/docs/retry-strategy'
const CREDENTIALS = 'https://cloud.google.com/docs/authentication/application-default-credentials'
const CMEK = 'https://cloud.google.com/storage/docs/encryption/customer-managed-keys'
const PAYERS = 'https://cloud.google.com/storage/docs/requester-pays'
const FETCH = 'https://github.com/node-fetch/node-fetch/blob/2.x/ERROR-HANDLING.md'
const NODE = 'https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors'
const TLS = 'https://nodejs.org/docs/latest-v20.x/api/tls.html#x509-certificate-error-codes'

/** The service takes one change a second of each object. https://cloud.google.com/storage/quotas#objects */
export const WRITE_INTERVAL_MS = 1_000

const DENIED_HINT =
  'Without storage.objects.list an absent object reads as 403 too. Needed are storage.objects.get, .create and .list, and .delete for replacing heads and for collecting: the role Storage Object User has them.'
const CREDENTIALS_HINT =
  'Run gcloud auth application-default login, set GOOGLE_APPLICATION_CREDENTIALS, or use the service account that this process runs under.'

/**
 * The service's answers → our codes. The first row with the name (and call) counts.
 *
 * Nothing here says that somebody else won: 412 may be the answer to a copy of one's own write.
 */
export const GCS_ERRORS: readonly ServiceErrorRow[] = [
  { names: ['conditionNotMet'], code: 'PreconditionFailed', says: 'the precondition did not hold', page: CONDITIONS },
  {
    names: ['BUCKET_MISSING'],
    code: 'BucketMissing',
    subject: 'bucket',
    says: 'the bucket does not exist',
    hint: 'Create it, or correct the name. It is not the same as an empty store.',
    page: CODES,
  },
  {
    names: ['conflict'],
    code: 'Unavailable',
    says: 'it met another operation on the same object, and its outcome is not known',
    page: CODES,
  },

  {
    names: ['authError', 'lockedDomainExpired', 'pushWebhookUrlUnauthorized'],
    code: 'Unauthenticated',
    says: 'the credentials are not valid, or no longer',
    hint: CREDENTIALS_HINT,
    notExecuted: true,
    quiet: true,
    page: CODES,
  },
  {
    names: ['CREDENTIALS'],
    code: 'Unauthenticated',
    says: 'no credentials were found, or no access token was given for them',
    hint: CREDENTIALS_HINT,
    notExecuted: true,
    page: CREDENTIALS,
  },
  {
    names: [
      'accessDenied',
      'accountDisabled',
      'countryBlocked',
      'forbidden',
      'insufficientPermissions',
      'orgPolicyConstraintFailed',
      'usageLimits.accessNotConfigured',
    ],
    code: 'AccessDenied',
    says: 'it is not allowed',
    hint: DENIED_HINT,
    notExecuted: true,
    page: PERMISSIONS,
  },
  {
    names: ['objectUnderActiveHold', 'retentionPolicyNotMet'],
    code: 'AccessDenied',
    says: 'a hold or a retention policy of the bucket keeps the object as it is',
    hint: 'Heads and locks are replaced all the time: keep holds and retention policies off the bucket.',
    notExecuted: true,
    page: CODES,
  },
  {
    names: [
      'AuthenticationRequiredRequesterPays',
      'UserProjectAccessDenied',
      'UserProjectAccountProblem',
      'UserProjectInconsistent',
      'UserProjectInvalid',
      'UserProjectMissing',
      'userProjectAccessDenied',
      'userProjectAccountProblem',
      'userProjectInconsistent',
      'userProjectInvalid',
      'userProjectMissing',
    ],
    code: 'InvalidOptions',
    says: 'the bucket wants its requester to pay, and the project for that is missing or cannot be used',
    hint: 'Set userProject: ?userProject=… in the address.',
    notExecuted: true,
    page: PAYERS,
  },
  {
    names: [
      'cloudKmsBadKey',
      'cloudKmsCannotChangeKeyName',
      'cloudKmsDecryptionKeyNotFound',
      'cloudKmsDisabledKey',
      'cloudKmsEncryptionKeyNotFound',
      'cloudKmsKeyLocationNotAllowed',
    ],
    code: 'InvalidOptions',
    says: 'the Cloud KMS key of the bucket, or kmsKeyName, cannot be used',
    notExecuted: true,
    page: CMEK,
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
    names: ['sslRequired'],
    code: 'InvalidOptions',
    says: 'the service wants TLS',
    hint: 'Write https: in the endpoint.',
    notExecuted: true,
    page: CODES,
  },

  {
    names: ['uploadTooLarge'],
    code: 'TooLarge',
    says: 'the body is too large for the service',
    notExecuted: true,
    page: CODES,
  },
  {
    names: ['quotaExceeded'],
    code: 'NoSpace',
    says: 'a quota of the project is used up',
    notExecuted: true,
    page: CODES,
  },
  {
    names: ['methodNotAllowed', 'notImplemented', 'resourceIsEncryptedWithCustomerEncryptionKey'],
    code: 'Unsupported',
    says: 'the service cannot do this, or not with this object',
    hint: 'keelstate needs uploads that honour ifGenerationMatch, and objects that can be read at once.',
    notExecuted: true,
    page: CODES,
  },
  {
    names: ['rateLimitExceeded', 'userRateLimitExceeded', 'usageLimits', 'usageLimitsRateLimitExceeded'],
    code: 'Throttled',
    says: 'the service asks to slow down',
    notExecuted: true,
    retryAfterMs: WRITE_INTERVAL_MS,
    page: RATES,
  },
  { names: ['DIGEST'], code: 'Unavailable', says: 'the body was damaged on its way', notExecuted: true, page: CODES },
  {
    names: ['uploadBrokenConnection'],
    code: 'Timeout',
    says: 'the service waited too long for the request',
    page: CODES,
  },
  { names: ['backendError', 'internalError'], code: 'Unavailable', says: 'the service failed', page: RETRIES },
  { names: ['gatewayTimeout'], code: 'Timeout', says: 'the service had no answer in time', page: RETRIES },

  {
    names: ['CONNECT', 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
    code: 'Unavailable',
    says: 'the service cannot be reached',
    hint: 'Check the network and the endpoint.',
    notExecuted: true,
    page: NODE,
  },
  {
    names: ['CONNECT_TIMEOUT'],
    code: 'Timeout',
    says: 'no connection was made in time',
    notExecuted: true,
    page: NODE,
  },
  {
    names: ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'TRUNCATED'],
    code: 'Unavailable',
    says: 'the connection broke',
    page: NODE,
  },
  { names: ['invalid-json'], code: 'Unavailable', says: 'the answer was damaged on its way', page: FETCH },
  {
    names: ['ETIMEDOUT', 'request-timeout', 'body-timeout'],
    code: 'Timeout',
    says: 'there was no answer in time',
    page: FETCH,
  },
]

/** Rows for answers whose reason is none of the above, or missing, by status. */
export const GCS_ERRORS_BY_STATUS: readonly ServiceStatusRow[] = [
  { statuses: [412, 412], code: 'PreconditionFailed', says: 'the precondition did not hold', page: CONDITIONS },
  {
    statuses: [409, 409],
    code: 'Unavailable',
    says: 'it met another operation, and its outcome is not known',
    page: CODES,
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
    page: PERMISSIONS,
  },
  { statuses: [408, 408], code: 'Timeout', says: 'the service waited too long for the request', page: RETRIES },
  {
    statuses: [413, 413],
    code: 'TooLarge',
    says: 'the body is too large for the service',
    notExecuted: true,
    page: CODES,
  },
  {
    statuses: [429, 429],
    code: 'Throttled',
    says: 'the service asks to slow down',
    notExecuted: true,
    retryAfterMs: WRITE_INTERVAL_MS,
    page: RATES,
  },
  { statuses: [501, 501], code: 'Unsupported', says: 'the service cannot do this', notExecuted: true, page: CODES },
  { statuses: [504, 504], code: 'Timeout', says: 'the service had no answer in time', page: RETRIES },
  { statuses: [500, 599], code: 'Unavailable', says: 'the service failed', page: RETRIES },
  {
    statuses: [300, 399],
    code: 'InvalidOptions',
    says: 'the service redirects to another place',
    hint: 'Check the endpoint.',
    notExecuted: true,
    page: CODES,
  },
  {
    statuses: [404, 405],
    code: 'InvalidOptions',
    says: 'the endpoint does not answer like Google Cloud Storage',
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
