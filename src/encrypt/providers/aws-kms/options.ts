import { z } from 'zod'
import { KeelstateError } from '../../../core/errors.ts'
import { type AwsKmsKey, parseAwsKmsKey } from './address.ts'
import type { AwsKmsClient } from './client.ts'

/** A key pair, or a function that gives one. Handed to the SDK as it is. */
export type AwsCredentials = AwsKeyPair | (() => Promise<AwsKeyPair>)

export interface AwsKeyPair {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

export interface AwsKmsOptions {
  /** ARN of a key or an alias, key id, or `alias/NAME`; perhaps with `?region=…&endpoint=…`. */
  key: string
  /** Default: what the SDK finds (environment, profile, role). */
  credentials?: AwsCredentials | undefined
  /** A client to use instead of one of our own. Region, endpoint, credentials and repetitions are then its own. */
  client?: AwsKmsClient | undefined
  /** How long a call may take with its repetitions, in ms. Default 15,000. */
  timeoutMs?: number | undefined
}

/** Options, checked and completed. */
export interface AwsKmsSettings extends Omit<AwsKmsOptions, 'key'> {
  readonly key: AwsKmsKey
  /** As configured. */
  readonly address: string
  readonly timeoutMs: number
}

const DEFAULT_TIMEOUT_MS = 15_000 // an answer takes some 10 to 30 ms
const MAX_TIMEOUT_MS = 2 ** 31 - 1 // of a timer

const schema = z.strictObject({
  key: z.string(),
  credentials: z.custom<AwsCredentials>(isCredentials).optional(),
  client: z.custom<AwsKmsClient>(isClient).optional(),
  timeoutMs: z.int().positive().max(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
})

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseAwsKmsOptions(options: AwsKmsOptions): AwsKmsSettings {
  const parsed = schema.safeParse(options)
  if (parsed.success) return { ...parsed.data, key: parseAwsKmsKey(parsed.data.key), address: `aws-kms:${options.key}` }
  const issue = parsed.error.issues[0]!
  const option = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path[0]
  throw new KeelstateError('InvalidOptions', {
    message: `The option ${String(option ?? 'key')} of AwsKmsProvider ${issue.code === 'unrecognized_keys' ? 'is not known' : 'is not valid'}.`,
    hint: 'It takes key (a text), credentials (accessKeyId and secretAccessKey, or a function), client (with a method send) and timeoutMs.',
    details: { option: String(option ?? 'key') },
  })
}

function isCredentials(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const { accessKeyId, secretAccessKey } = value as Record<string, unknown>
  return [accessKeyId, secretAccessKey].every((part) => typeof part === 'string' && part !== '')
}

function isClient(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'send' in value && typeof value.send === 'function'
}
