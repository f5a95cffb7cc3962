import { KeelstateError } from '../../../core/errors.ts'

/** A key of AWS KMS as configured. */
export interface AwsKmsKey {
  /** ARN, key id, alias (`alias/NAME`) or alias ARN. */
  readonly keyId: string
  readonly region?: string
  /** For emulators and private endpoints. */
  readonly endpoint?: string
}

const KEY_ID =
  /^(arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[A-Za-z0-9/_-]+|alias\/[A-Za-z0-9/_-]+|(mrk-)?[0-9a-f-]{32,36})$/

/**
 * Reads what follows `aws-kms:` in an address: a key, perhaps with `?region=…&endpoint=…`.
 *
 * @throws {KeelstateError} `InvalidOptions`.
 */
export function parseAwsKmsKey(text: string): AwsKmsKey {
  const [keyId = '', query = ''] = text.split('?', 2)
  if (!KEY_ID.test(keyId))
    throw invalid(
      'After aws-kms: comes an ARN, a key id or alias/NAME.',
      'For example aws-kms:alias/acme-state?region=eu-west-1.',
    )
  const options: { region?: string; endpoint?: string } = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== 'region' && name !== 'endpoint')
      throw invalid(
        `An aws-kms: address has no parameter ${JSON.stringify(name.slice(0, 40))}.`,
        'It takes region and endpoint.',
      )
    options[name] = value
  }
  const region = options.region ?? regionOf(keyId)
  return {
    keyId,
    ...(region === undefined ? {} : { region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  }
}

/** The region inside an ARN. */
function regionOf(keyId: string): string | undefined {
  return keyId.startsWith('arn:') ? keyId.split(':')[3] : undefined
}

function invalid(message: string, hint: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', { message, hint, details: { option: 'keys' } })
}
