import {
  type AddressForm,
  formatBucketAddress,
  invalidOption,
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
  timerRule,
  valueThat,
} from '../core/driver-options.ts'
import type { S3ClientSlice } from './client.ts'

/** A key pair, or a function that gives one. Handed to the SDK as it is. */
export type S3Credentials = S3KeyPair | (() => Promise<S3KeyPair>)

export interface S3KeyPair {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/** Where an S3 store lies and how it is reached. */
export interface S3StoreOptions {
  bucket: string
  /** Path in the bucket under which everything lies; `/` joins its segments. Default: the bucket's root. */
  prefix?: string | undefined
  /** Default: what the SDK finds (`AWS_REGION`, the profile); with an endpoint `us-east-1`. */
  region?: string | undefined
  /**
   * Address of an S3-compatible service, such as `http://127.0.0.1:9000`. Default: `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` if one is set, else AWS.
   * One that the AWS profile names has to be given here.
   */
  endpoint?: string | undefined
  /** The bucket stands in the path instead of the host name. Default: `true` with an endpoint, else `false`. */
  forcePathStyle?: boolean | undefined
  /** Account id of the bucket's owner; requests to a bucket of anybody else are refused by the service. */
  expectedBucketOwner?: string | undefined
  /** Encryption that the service adds at rest. Default: the bucket's. */
  serverSideEncryption?: 'AES256' | 'aws:kms' | undefined
  /** Key for `aws:kms`. Default: the account's key for S3. */
  kmsKeyId?: string | undefined
  /** Default: what the SDK finds (environment, profile, role). */
  credentials?: S3Credentials | undefined
  /**
   * A client to use instead of one of our own; it is not closed with the store. Give it `maxAttempts: 1`, `expectContinueHeader: false` and a
   * request handler with `throwOnRequestTimeout: true`. Region, endpoint, path style and credentials are then its own.
   */
  client?: S3ClientSlice | undefined
  /**
   * `trusted`: the service at this endpoint is known to honour `If-Match` and `If-None-Match`, also when requests race. Without it, locks are kept in
   * the store only after `keelstate doctor` has proven it, which it cannot for a client with an endpoint of its own. AWS needs no proof.
   */
  conditionalWrites?: 'trusted' | undefined
  /** How long the service may take to begin an answer, and to go on with it, in ms; for a body that is sent, 1 s per MB is added. Default 60,000. */
  attemptTimeoutMs?: number | undefined
  /** How long a connection may take to be made, in ms. Default 5,000. */
  connectTimeoutMs?: number | undefined
  /** Largest body in bytes. Default 256 MiB; S3 takes 5 GiB. */
  maxBytes?: number | undefined
}

/** Options, checked and completed. */
export interface S3Settings extends Completed<S3StoreOptions>, Destination {
  readonly connectTimeoutMs: number
}

const OPERATION = 's3Store'

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000
const IGNORED = 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS'

const RULES: OptionRules<S3StoreOptions> = {
  bucket: (value) => {
    if (value === undefined) return 'is needed: the name of the bucket'
    if (typeof value !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(value))
      return 'is no name of a bucket'
    return value.endsWith('--x-s3') ? 'is a directory bucket, whose listings have no order' : undefined
  },
  prefix: optional(textThat((text) => isPrefix(withoutOuterSlashes(text)), PREFIX_RULE)),
  region: optional(textThat(/^[a-z0-9-]+$/, 'is no name of a region')),
  endpoint: BUCKET_RULES.endpoint,
  forcePathStyle: optional(valueThat((value) => typeof value === 'boolean', 'has to be true or false')),
  expectedBucketOwner: optional(textThat(/^\d{12}$/, 'has to be an account id of 12 digits')),
  serverSideEncryption: optional(textThat(/^(AES256|aws:kms)$/, 'has to be AES256 or aws:kms')),
  kmsKeyId: optional(textThat(/./, 'must not be empty')),
  credentials: optional(credentialsWith(['accessKeyId', 'secretAccessKey'], 'them')),
  client: optional(valueThat(hasMethod('send'), 'needs a method send')),
  conditionalWrites: BUCKET_RULES.conditionalWrites,
  attemptTimeoutMs: BUCKET_RULES.attemptTimeoutMs,
  connectTimeoutMs: optional(timerRule),
  maxBytes: BUCKET_RULES.maxBytes,
}

const CLIENTS_OWN = ['region', 'endpoint', 'forcePathStyle', 'credentials', 'connectTimeoutMs'] as const

/** @throws {KeelstateError} `InvalidOptions` that names the option, and for an unknown one the nearest known. */
export function parseS3StoreOptions(options: S3StoreOptions): S3Settings {
  checkOptions(OPERATION, options, RULES)
  if (options.kmsKeyId !== undefined && options.serverSideEncryption !== 'aws:kms') {
    throw invalidOption(OPERATION, 'kmsKeyId', 'kmsKeyId needs serverSideEncryption to be "aws:kms".')
  }
  return {
    ...completeBucketOptions(OPERATION, options, CLIENTS_OWN),
    connectTimeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    ...destinationOf(options),
  }
}

/** As the SDK goes about it; what a profile says is only known to it, and looked at before the first request. */
function destinationOf({ endpoint, client }: S3StoreOptions): Destination {
  const { isCustomEndpoint, ignoreConfiguredEndpointUrls } = client?.config ?? {}
  const ownEndpoint = isCustomEndpoint === true
  const ignored = ownEndpoint || ignoreConfiguredEndpointUrls === true || process.env[IGNORED] === 'true'
  const found = () => endpointFromEnvironment(OPERATION, ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'])
  return { ownEndpoint, destination: endpoint ?? (ignored ? undefined : found()) }
}

const FORM: AddressForm<S3StoreOptions> = {
  scheme: 's3',
  what: 'an S3 store',
  example: 's3://bucket/prefix?region=eu-west-1',
  operation: OPERATION,
  credentialsHint:
    'Give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role; addresses end up in files and logs.',
  parameters: {
    region: (region) => ({ region }),
    endpoint: (endpoint) => ({ endpoint }),
    forcePathStyle: (text, read) => ({ forcePathStyle: read.boolean(text) }),
    expectedBucketOwner: (expectedBucketOwner) => ({ expectedBucketOwner }),
    serverSideEncryption: (text) => ({ serverSideEncryption: text as 'AES256' }), // checked with the other options
    kmsKeyId: (kmsKeyId) => ({ kmsKeyId }),
    conditionalWrites: (text) => ({ conditionalWrites: text as 'trusted' }), // checked with the other options
    maxBytes: (text, read) => ({ maxBytes: read.number(text) }),
    attemptTimeoutMs: (text, read) => ({ attemptTimeoutMs: read.number(text) }),
    connectTimeoutMs: (text, read) => ({ connectTimeoutMs: read.number(text) }),
  },
}

/**
 * Reads `s3://bucket/prefix?region=…&endpoint=…`. Parameters have the names of the options.
 *
 * @throws {KeelstateError} `InvalidOptions` for anything else, naming the nearest known parameter; also when the address holds credentials,
 *   which are not repeated.
 */
export function parseS3Address(address: string): S3StoreOptions {
  const options = parseBucketAddress(address, FORM)
  parseS3StoreOptions(options)
  return options
}

/** The address that says where a store lies; `parseS3Address` reads it back. Holds no secret. */
export function formatS3Address(settings: S3Settings): string {
  return formatBucketAddress('s3', { ...settings, endpoint: settings.destination })
}

/**
 * The hosts of S3 itself: regional, dual-stack, FIPS, access points, VPC endpoints. Machines, load balancers and gateways of anybody's end in
 * `amazonaws.com` as well. https://docs.aws.amazon.com/general/latest/gr/s3.html
 */
const OF_S3 = /(^|\.)s3(-[a-z0-9-]+)?(\.dualstack)?(\.[a-z]+(-[a-z]+)+-\d+)?(\.vpce)?\.amazonaws\.com(\.cn)?$/

/** Whether another service than AWS may answer: one that has to prove that it honours conditional writes. */
export function isForeignService({ destination, ownEndpoint }: Destination): boolean {
  return ownEndpoint || isForeignEndpoint(destination, OF_S3)
}
