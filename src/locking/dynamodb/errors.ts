import { type CommonDetails, KeelstateError, printable } from '../../core/errors.ts'

type Known =
  | 'AccessDenied'
  | 'BucketMissing'
  | 'InvalidOptions'
  | 'PreconditionFailed'
  | 'Throttled'
  | 'Timeout'
  | 'Unauthenticated'

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html */
const BY_NAME: Readonly<Record<string, { code: Known; hint?: string }>> = {
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

/** Codes of Node for requests that never left: https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors */
const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']

const RESET = ['ECONNRESET', 'EPIPE']

/** The item that stands in the way of a conditional write, as far as the service sent it along. */
export function blockingItem(error: unknown): unknown {
  const { name, Item } = Object(error) as { name?: unknown; Item?: unknown }
  return name === 'ConditionalCheckFailedException' ? Item : undefined
}

/** The service's answer as one of our errors. The SDK's own is not attached: it can repeat what was signed. Anything unknown may have been executed. */
export function fromDynamoDb(error: unknown, operation: string, identity: string, table: string): KeelstateError {
  if (KeelstateError.is(error)) return error
  const { name, message, code, $metadata } = Object(error) as {
    name?: unknown
    message?: unknown
    code?: unknown
    $metadata?: { httpStatusCode?: unknown; requestId?: unknown }
  }
  const errno = typeof code === 'string' ? code : ''
  // The SDK calls a connection that was reset a timeout, too.
  const named = name === 'TimeoutError' && RESET.includes(errno) ? errno : name
  const kind = printable(typeof named === 'string' ? named : '', 60)
  const known = BY_NAME[kind]
  const notExecuted = (known !== undefined && known.code !== 'Timeout') || NEVER_SENT.includes(errno)
  const details: CommonDetails = {
    ...(errno === '' ? {} : { status: printable(errno, 60) }),
    ...(typeof $metadata?.httpStatusCode === 'number' ? { status: $metadata.httpStatusCode } : {}),
    ...(kind === '' || kind === errno ? {} : { serviceCode: kind }),
    ...(typeof $metadata?.requestId === 'string' ? { requestId: printable($metadata.requestId, 60) } : {}),
    ...(notExecuted ? { notExecuted } : {}),
  }
  const about = { operation, key: identity, ...(known?.hint === undefined ? {} : { hint: known.hint }) }
  if (kind === 'AbortError')
    return new KeelstateError('Aborted', { ...about, message: `${operation} was aborted.`, details })
  if (known?.code === 'BucketMissing') {
    return new KeelstateError('BucketMissing', {
      ...about,
      message: `There is no lock table ${table}.`,
      details: { ...details, subject: 'bucket' },
    })
  }
  const says = known === undefined && typeof message === 'string' ? `: ${printable(message, 120)}` : ''
  return new KeelstateError(known?.code ?? 'Unavailable', {
    ...about,
    message: `DynamoDB ${notExecuted ? 'refused' : 'did not answer'} ${operation} on ${table} (${kind || errno || 'unknown'}${says}).`,
    details,
  })
}
