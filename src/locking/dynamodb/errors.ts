import { type ErrorCode, KeelstateError } from '../../core/errors.ts'

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html */
const BY_NAME: Record<string, { code: ErrorCode; hint?: string }> = {
  ConditionalCheckFailedException: { code: 'PreconditionFailed' },
  ResourceNotFoundException: { code: 'BucketMissing', hint: 'Check the name of the lock table and the region.' },
  AccessDeniedException: {
    code: 'AccessDenied',
    hint: 'Locks need dynamodb:GetItem, PutItem, UpdateItem and Query on the table.',
  },
  UnrecognizedClientException: { code: 'Unauthenticated' },
  InvalidSignatureException: { code: 'Unauthenticated' },
  MissingAuthenticationTokenException: { code: 'Unauthenticated' },
  IncompleteSignatureException: { code: 'Unauthenticated' },
  ExpiredTokenException: { code: 'Unauthenticated', hint: 'The credentials have expired.' },
  CredentialsProviderError: {
    code: 'Unauthenticated',
    hint: 'No AWS credentials were found: set a profile, a role or the environment.',
  },
  ProvisionedThroughputExceededException: { code: 'Throttled' },
  ThrottlingException: { code: 'Throttled' },
  RequestLimitExceeded: { code: 'Throttled' },
  ValidationException: {
    code: 'InvalidOptions',
    hint: 'The table needs the partition key "store" and the sort key "document", both strings.',
  },
  TimeoutError: { code: 'Timeout' },
}

const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']

/** The service's answer as one of our errors. Anything unknown may have been executed. */
export function fromDynamoDb(error: unknown, operation: string, identity: string, table: string): KeelstateError {
  if (KeelstateError.is(error)) return error
  const {
    name = '',
    message = '',
    code: errno = '',
    $metadata,
  } = Object(error) as {
    name?: string
    message?: string
    code?: string
    $metadata?: { httpStatusCode?: number; requestId?: string }
  }
  const details = {
    ...($metadata?.httpStatusCode === undefined ? {} : { status: $metadata.httpStatusCode }),
    ...(name === '' ? {} : { serviceCode: name }),
    ...($metadata?.requestId === undefined ? {} : { requestId: $metadata.requestId }),
  }
  const base = { operation, key: identity, cause: error }
  if (name === 'AbortError')
    return new KeelstateError('Aborted', { ...base, message: `${operation} was aborted.`, details })
  const known = BY_NAME[name]
  if (known?.code === 'BucketMissing') {
    return new KeelstateError('BucketMissing', {
      ...base,
      message: `There is no lock table ${table}.`,
      details: { ...details, subject: 'bucket' },
      hint: known.hint!,
    })
  }
  if (known !== undefined) {
    const notExecuted = known.code !== 'Timeout'
    return new KeelstateError(known.code, {
      ...base,
      message: `DynamoDB refused ${operation} on ${table}: ${name}.`,
      details: { ...details, ...(notExecuted ? { notExecuted } : {}) } as never,
      ...(known.hint === undefined ? {} : { hint: known.hint }),
    })
  }
  const notExecuted = NEVER_SENT.includes(errno)
  return new KeelstateError('Unavailable', {
    ...base,
    message: `DynamoDB did not answer ${operation} on ${table} as it should (${name || errno || 'no name'}${message === '' ? '' : `: ${message.slice(0, 120)}`}).`,
    details: { ...details, ...(notExecuted ? { notExecuted } : {}) },
  })
}
