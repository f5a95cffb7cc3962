import {
  type AddressForm,
  formatBucketAddress,
  isForeignEndpoint,
  isPrefix,
  PREFIX_RULE,
  parseBucketAddress,
  withoutOuterSlashes,
} from '../core/driver-address.ts'
import {
  BUCKET_RULES,
  type Completed,
  checkOptions,
  completeBucketOptions,
  credentialsWith,
  type Destination,
  endpointFromEnvironment,
  hasMethod,
  type OptionRules,
  optional,
  textThat,
  valueThat,
} from '../core/driver-options.ts'
import type { GcsClientSlice } from './client.ts'

/** A service account's key, or a function that gives an access token; it is asked before each request and should remember. */
export type GcsCredentials = GcsServiceAccount | (() => Promise<string>)

/** The members of a service account's key file that are needed; a whole key file may be given. */
export interface GcsServiceAccount {
  readonly client_email: string
  readonly private_key: string
}

/** Where a store on Google Cloud Storage lies and how it is reached. */
export interface GcsStoreOptions {
  bucket: string
  /** Path in the bucket under which everything lies; `/` joins its segments. Default: the bucket's root. */
  prefix?: string | undefined
  /**
   * Address of another endpoint of the JSON API, without `/storage/v1`, such as an emulator's `http://127.0.0.1:4443`. An `http:` endpoint gets no
   * credentials but those given here. Default: `STORAGE_EMULATOR_HOST` if it is set, else Google's.
   */
  endpoint?: string | undefined
  /** Project that pays for the requests; a bucket whose requester pays needs it. */
  userProject?: string | undefined
  /** Cloud KMS key with which the service encrypts what is written: `projects/…/locations/…/keyRings/…/cryptoKeys/…`. Default: the bucket's. */
  kmsKeyName?: string | undefined
  /** Default: Application Default Credentials (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's, the metadata server's). */
  credentials?: GcsCredentials | undefined
  /** A `Storage` of `@google-cloud/storage` to use instead of one of our own. Endpoint and credentials are then its own; its retries are not used. */
  client?: GcsClientSlice | undefined
  /**
   * `trusted`: the service at this endpoint is known to honour `ifGenerationMatch`, also when requests race. Without it, locks are kept in the store
   * only after `keelstate doctor` has proven it, which it cannot for a client with an endpoint of its own. Google's own needs no proof.
   */
  conditionalWrites?: 'trusted' | undefined
  /** How long the service may take to begin an answer, and to go on with it, in ms; for a body that is sent, 1 s per MB is added. Default 60,000. */
  attemptTimeoutMs?: number | undefined
  /** Largest body in bytes. Default 256 MiB, at most 5 GiB. */
  maxBytes?: number | undefined
}

/** Options, checked and completed. */
export interface GcsSettings extends Completed<GcsStoreOptions>, Destination {}

export const EMULATOR_HOST = 'STORAGE_EMULATOR_HOST'

const OPERATION = 'gcsStore'
const GOOGLE = 'https://storage.googleapis.com'
const PLACEHOLDER = '{{projectId}}' // the client replaces it wherever it stands

const RULES: OptionRules<GcsStoreOptions> = {
  bucket: (value) => {
    if (value === undefined) return 'is needed: the name of the bucket'
    const named = typeof value === 'string' && /^[a-z0-9](?=.{1,220}[a-z0-9]$)[a-z0-9._-]+$/.test(value)
    return named ? undefined : 'is no name of a bucket'
  },
  prefix: optional((value) => {
    const path = typeof value === 'string' ? withoutOuterSlashes(value) : undefined
    if (path === undefined || !isPrefix(path)) return PREFIX_RULE
    return path.includes(PLACEHOLDER) ? `must not hold ${PLACEHOLDER}` : undefined
  }),
  endpoint: BUCKET_RULES.endpoint,
  userProject: optional(textThat(/^[a-z0-9][a-z0-9.:-]{0,62}$/, 'is no id of a project')),
  kmsKeyName: optional(
    textThat(
      /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
      'has to be projects/…/locations/…/keyRings/…/cryptoKeys/…',
    ),
  ),
  credentials: optional(credentialsWith(['client_email', 'private_key'], 'an access token')),
  client: optional(valueThat(hasMethod('bucket'), 'needs a method bucket')),
  conditionalWrites: BUCKET_RULES.conditionalWrites,
  attemptTimeoutMs: BUCKET_RULES.attemptTimeoutMs,
  maxBytes: BUCKET_RULES.maxBytes,
}

const CLIENTS_OWN = ['endpoint', 'credentials'] as const

/** @throws {KeelstateError} `InvalidOptions` that names the option, and for an unknown one the nearest known. */
export function parseGcsStoreOptions(options: GcsStoreOptions): GcsSettings {
  checkOptions(OPERATION, options, RULES)
  return { ...completeBucketOptions(OPERATION, options, CLIENTS_OWN), ...destinationOf(options) }
}

/** The client library takes the address of an emulator with a scheme or without; a client that was passed in has read it already. */
function destinationOf({ endpoint, client }: GcsStoreOptions): Destination {
  if (client !== undefined) return { destination: undefined, ownEndpoint: client.customEndpoint === true }
  const withScheme = (host: string) => (/^https?:/i.test(host) ? host : `http://${host}`)
  const emulator = () => endpointFromEnvironment(OPERATION, [EMULATOR_HOST], withScheme)
  return { destination: endpoint ?? emulator(), ownEndpoint: false }
}

const FORM: AddressForm<GcsStoreOptions> = {
  scheme: 'gs',
  what: 'a store on Google Cloud Storage',
  example: 'gs://bucket/prefix',
  operation: OPERATION,
  credentialsHint:
    'Give credentials by GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, or the service account that this process runs under; addresses end up in files and logs.',
  parameters: {
    endpoint: (endpoint) => ({ endpoint }),
    userProject: (userProject) => ({ userProject }),
    kmsKeyName: (kmsKeyName) => ({ kmsKeyName }),
    conditionalWrites: (text) => ({ conditionalWrites: text as 'trusted' }), // checked with the other options
    maxBytes: (text, read) => ({ maxBytes: read.number(text) }),
    attemptTimeoutMs: (text, read) => ({ attemptTimeoutMs: read.number(text) }),
  },
}

/**
 * Reads `gs://bucket/prefix?endpoint=…`. Parameters have the names of the options.
 *
 * @throws {KeelstateError} `InvalidOptions` for anything else, naming the nearest known parameter; also when the address holds credentials,
 *   which are not repeated.
 */
export function parseGcsAddress(address: string): GcsStoreOptions {
  const options = parseBucketAddress(address, FORM)
  parseGcsStoreOptions(options)
  return options
}

/** The address that says where a store lies; `parseGcsAddress` reads it back. Holds no secret. */
export function formatGcsAddress(settings: GcsSettings): string {
  return formatBucketAddress('gs', { ...settings, endpoint: settings.destination })
}

/** Where requests go: `undefined` when a client that was passed in has an endpoint of its own. */
export function endpointOf({ destination, ownEndpoint }: Destination): string | undefined {
  return ownEndpoint ? undefined : (destination ?? GOOGLE)
}

/** Whether another service than Google's may answer: one that has to prove that it honours conditional writes. */
export function isForeignService({ destination, ownEndpoint }: Destination): boolean {
  return ownEndpoint || isForeignEndpoint(destination, /(^|\.)googleapis\.com$/)
}
