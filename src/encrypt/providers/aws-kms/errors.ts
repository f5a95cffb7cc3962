import { type CommonDetails, KeelstateError, printable } from '../../../core/errors.ts'

type Meaning = {
  code: 'AccessDenied' | 'Unauthenticated' | 'InvalidOptions' | 'Throttled' | 'Timeout' | 'Unavailable' | 'Aborted'
  says: string
  hint?: string
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and CommonErrors.html beside it */
const BY_NAME: Readonly<Record<string, Meaning>> = {
  AccessDeniedException: {
    code: 'AccessDenied',
    says: 'permission is missing',
    hint: 'Needed are kms:GenerateDataKey, kms:Encrypt and kms:Decrypt on the key.',
  },
  DisabledException: {
    code: 'AccessDenied',
    says: 'the key is disabled',
    hint: 'Enable the key, or use another recipient of the document.',
  },
  KMSInvalidStateException: {
    code: 'AccessDenied',
    says: 'the key is not usable in its state',
    hint: 'It may be waiting for its deletion: cancel that.',
  },
  NotFoundException: { code: 'InvalidOptions', says: 'there is no such key', hint: 'Check the key and the region.' },
  InvalidKeyUsageException: {
    code: 'InvalidOptions',
    says: 'the key does not encrypt',
    hint: 'A symmetric key with the usage ENCRYPT_DECRYPT is needed.',
  },
  InvalidArnException: { code: 'InvalidOptions', says: 'the ARN is not valid' },
  ValidationException: {
    code: 'InvalidOptions',
    says: 'the key is not valid',
    hint: 'Write an ARN, a key id or alias/NAME.',
  },
  UnrecognizedClientException: { code: 'Unauthenticated', says: 'the credentials are not known' },
  InvalidSignatureException: { code: 'Unauthenticated', says: 'the credentials do not fit' },
  ExpiredTokenException: { code: 'Unauthenticated', says: 'the credentials have expired' },
  CredentialsProviderError: {
    code: 'Unauthenticated',
    says: 'no credentials were found',
    hint: 'Set a profile, a role or the environment.',
  },
  ThrottlingException: { code: 'Throttled', says: 'there were too many requests' },
  LimitExceededException: { code: 'Throttled', says: 'there were too many requests' },
  AbortError: { code: 'Aborted', says: 'it was aborted' },
  TimeoutError: { code: 'Timeout', says: 'no answer came in time' },
}

/** KMS did not take the wrapped key for this context: it was changed, or belongs to another document. */
export function isRefusedCiphertext(error: unknown): boolean {
  return nameOf(error) === 'InvalidCiphertextException'
}

/** KMS says that another key wrapped it. */
export function isOtherKey(error: unknown): boolean {
  return nameOf(error) === 'IncorrectKeyException'
}

/** The service's answer as one of our errors. The SDK's own is not attached: it can repeat what was signed. */
export function fromKms(error: unknown, operation: string, address: string): KeelstateError {
  if (KeelstateError.is(error)) return error
  const name = printable(nameOf(error), 60)
  const { code, $metadata } = Object(error) as {
    code?: unknown
    $metadata?: { httpStatusCode?: unknown; requestId?: unknown }
  }
  const meaning = BY_NAME[name] ?? {
    code: 'Unavailable' as const,
    says: name || (typeof code === 'string' ? code : 'it did not answer'),
  }
  const details: CommonDetails = {
    notExecuted: true, // nothing that KMS does changes a store
    ...(name === '' ? {} : { serviceCode: name }),
    ...(typeof $metadata?.httpStatusCode === 'number' ? { status: $metadata.httpStatusCode } : {}),
    ...(typeof $metadata?.requestId === 'string' ? { requestId: printable($metadata.requestId, 60) } : {}),
  }
  return new KeelstateError(meaning.code, {
    operation,
    key: address,
    message: `AWS KMS refused ${operation} with ${address}: ${meaning.says}.`,
    details,
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
  })
}

function nameOf(error: unknown): string {
  const { name } = Object(error) as { name?: unknown }
  return typeof name === 'string' ? name : ''
}
