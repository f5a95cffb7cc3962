import { z } from 'zod'
import { KeelstateError } from '../../../core/errors.ts'
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
const MAX_TIMEOUT_MS = 2 ** 31 - 1 // of a timer

const schema = z.strictObject({
  key: z.string(),
  credentials: z.custom<GcpCredentials>(isCredentials).optional(),
  client: z.custom<GcpKmsClient>(isClient).optional(),
  timeoutMs: z.int().positive().max(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
})

/** @throws {KeelstateError} `InvalidOptions` that names the option. */
export function parseGcpKmsOptions(options: GcpKmsOptions): GcpKmsSettings {
  const parsed = schema.safeParse(options)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const unknown = issue.code === 'unrecognized_keys'
    throw invalid(String((unknown ? issue.keys[0] : issue.path[0]) ?? 'key'), unknown ? 'is not known' : 'is not valid')
  }
  const { key, credentials, client } = parsed.data
  if (client !== undefined && credentials !== undefined)
    throw invalid('credentials', 'was given beside a client, which has its own')
  return { ...parsed.data, key: parseGcpKmsKey(key), address: `gcp-kms:${key}` }
}

function invalid(option: string, why: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    message: `The option ${option} of GcpKmsProvider ${why}.`,
    hint: 'It takes key (a text), credentials (client_email and private_key, or a function that gives an access token) or client (with a method request), and timeoutMs.',
    details: { option },
  })
}

function isCredentials(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const { client_email, private_key } = value as Record<string, unknown>
  return [client_email, private_key].every((part) => typeof part === 'string' && part !== '')
}

function isClient(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'request' in value && typeof value.request === 'function'
}
