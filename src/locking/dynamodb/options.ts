import { z } from 'zod'
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

const schema = z.strictObject({
  table: z.string().regex(/^[A-Za-z0-9_.-]{3,255}$|^arn:/, 'must be the name or the ARN of a table'),
  region: z.string().min(1).optional(),
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  client: z
    .custom<DynamoDbClient>((value) => typeof (value as DynamoDbClient | undefined)?.send === 'function')
    .optional(),
  credentials: z.unknown().optional(),
})

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseDynamoDbLockOptions(options: DynamoDbLockOptions): DynamoDbLockOptions {
  const parsed = schema.safeParse(options)
  if (parsed.success) return parsed.data
  throw new KeelstateError('InvalidOptions', {
    operation: 'dynamoDbLockStore',
    message: `The options of dynamoDbLockStore are not valid: ${z.prettifyError(parsed.error)}`,
    hint: 'It takes table, region, endpoint, credentials and client.',
  })
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
