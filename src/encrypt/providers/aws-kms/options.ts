import {
  checkOptions,
  credentialsWith,
  hasMethod,
  type OptionRules,
  optional,
  textThat,
  timerRule,
  valueThat,
} from '../../../core/driver-options.ts'
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

const RULES: OptionRules<AwsKmsOptions> = {
  key: textThat(() => true, 'is no key'), // parseAwsKmsKey judges it
  credentials: optional(credentialsWith(['accessKeyId', 'secretAccessKey'], 'them')),
  client: optional(valueThat(hasMethod('send'), 'needs a method send')),
  timeoutMs: optional(timerRule),
}

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseAwsKmsOptions(options: AwsKmsOptions): AwsKmsSettings {
  checkOptions('AwsKmsProvider', options, RULES)
  return {
    ...options,
    key: parseAwsKmsKey(options.key),
    address: `aws-kms:${options.key}`,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  }
}
