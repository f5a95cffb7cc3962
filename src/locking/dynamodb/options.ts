import {
  checkOptions,
  endpointRule,
  hasMethod,
  type OptionRules,
  optional,
  textThat,
  valueThat,
} from '../../core/driver-options.ts'
import { KeelstateError } from '../../core/errors.ts'
import type { DynamoDbClient } from './client.ts'

export interface DynamoDbLockOptions {
  /** Table with the partition key `store` (S) and the sort key `document` (S). */
  table: string
  region?: string | undefined
  /** For emulators and private endpoints. */
  endpoint?: string | undefined
  /** A client of one's own; it should make one attempt per call (`maxAttempts: 1`). */
  client?: DynamoDbClient | undefined
  /** Credentials or a provider of them, handed to the SDK as they are. */
  credentials?: unknown
}

const RULES: OptionRules<DynamoDbLockOptions> = {
  table: textThat(/^[A-Za-z0-9_.-]{3,255}$|^arn:/, 'has to be the name or the ARN of a table'),
  region: optional(textThat(/./, 'must not be empty')),
  endpoint: optional(endpointRule),
  client: optional(valueThat(hasMethod('send'), 'needs a method send')),
  credentials: () => undefined, // the SDK's to judge
}

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseDynamoDbLockOptions(options: DynamoDbLockOptions): DynamoDbLockOptions {
  checkOptions('dynamoDbLockStore', options, RULES)
  return { ...options }
}

/**
 * Reads `dynamodb://table?region=…&endpoint=…`.
 *
 * @throws {KeelstateError} `InvalidOptions`: an unknown parameter, or a secret inside the address.
 */
export function parseDynamoDbAddress(address: string): DynamoDbLockOptions {
  const match = /^dynamodb:\/\/([^/?#@]+)(?:\?([^#]*))?$/.exec(address)
  if (match === null) {
    throw new KeelstateError('InvalidOptions', {
      message: address.includes('@') ? 'A lock address holds no credentials.' : 'This is no address of a lock table.',
      details: { option: 'lock' },
      hint: 'Write dynamodb://table?region=eu-west-1. Credentials come from the environment, a profile or a role.',
    })
  }
  const options: DynamoDbLockOptions = { table: decodeURIComponent(match[1]!) }
  for (const [name, value] of new URLSearchParams(match[2] ?? '')) {
    if (name !== 'region' && name !== 'endpoint') {
      throw new KeelstateError('InvalidOptions', {
        message: `A dynamodb: address has no parameter ${JSON.stringify(name)}.`,
        details: { option: 'lock' },
        hint: 'It takes region and endpoint.',
      })
    }
    options[name] = value
  }
  return parseDynamoDbLockOptions(options)
}
