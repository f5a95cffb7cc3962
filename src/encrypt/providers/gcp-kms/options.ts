import { invalidOption } from '../../../core/driver-address.ts'
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
import { type GcpKmsKey, parseGcpKmsKey } from './address.ts'
import type { GcpKmsClient } from './client.ts'

/** A service account's key, or a function that gives an access token; it is asked before each request and should remember. */
export type GcpCredentials = GcpServiceAccount | (() => Promise<string>)

/** The members of a service account's key file that are needed; a whole key file may be given. */
export interface GcpServiceAccount {
  readonly client_email: string
  readonly private_key: string
}

export interface GcpKmsOptions {
  /**
   * `projects/…/locations/…/keyRings/…/cryptoKeys/…`, perhaps with `?endpoint=…`. An `http:` endpoint gets no credentials but those given here.
   */
  key: string
  /** Default: Application Default Credentials (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's, the metadata server's). */
  credentials?: GcpCredentials | undefined
  /** An auth client of `google-auth-library` (or its `GoogleAuth`) to use instead of one of our own. Credentials are then its own. */
  client?: GcpKmsClient | undefined
  /** How long a call may take with its repetitions, in ms. Default 15,000. */
  timeoutMs?: number | undefined
}

/** Options, checked and completed. */
export interface GcpKmsSettings extends Omit<GcpKmsOptions, 'key'> {
  readonly key: GcpKmsKey
  /** As configured. */
  readonly address: string
  readonly timeoutMs: number
}

const DEFAULT_TIMEOUT_MS = 15_000 // an answer takes some 20 to 100 ms

const OPERATION = 'GcpKmsProvider'

const RULES: OptionRules<GcpKmsOptions> = {
  key: textThat(() => true, 'is no key'), // parseGcpKmsKey judges it
  credentials: optional(credentialsWith(['client_email', 'private_key'], 'an access token')),
  client: optional(valueThat(hasMethod('request'), 'needs a method request')),
  timeoutMs: optional(timerRule),
}

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseGcpKmsOptions(options: GcpKmsOptions): GcpKmsSettings {
  checkOptions(OPERATION, options, RULES)
  if (options.client !== undefined && options.credentials !== undefined) {
    const message = 'credentials were given beside a client, which has its own.'
    throw invalidOption(OPERATION, 'credentials', message, 'Leave them out, or the client.')
  }
  return {
    ...options,
    key: parseGcpKmsKey(options.key),
    address: `gcp-kms:${options.key}`,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  }
}
