import { z } from 'zod'
import { KeelstateError, printable } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
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
  /** Address of an S3-compatible service, such as `http://127.0.0.1:9000`. Default: AWS. */
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
  /** How long the service may take to begin an answer, and to go on with it, in ms; for a body that is sent, 1 s per MB is added. Default 60,000. */
  attemptTimeoutMs?: number | undefined
  /** How long a connection may take to be made, in ms. Default 5,000. */
  connectTimeoutMs?: number | undefined
  /** Largest body in bytes. Default 256 MiB; S3 takes 5 GiB. */
  maxBytes?: number | undefined
}

/** Options, checked and completed. */
export interface S3Settings extends Omit<S3StoreOptions, 'prefix'> {
  /** Empty, or ends in `/`. */
  readonly prefix: string
  readonly attemptTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxBytes: number
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024
const MAX_PUT_BYTES = 5 * 1024 ** 3 // of one PutObject, https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
const MAX_PREFIX_BYTES = 120 // a key takes up to 900 of S3's 1,024
const MAX_TIMEOUT_MS = 2 ** 31 - 1 // of a timer

const DEFAULT_ATTEMPT_TIMEOUT_MS = 60_000 // a backstop: callers give up earlier by their signal
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000

const timeout = z.int().positive().max(MAX_TIMEOUT_MS)
const schema = z.strictObject({
  bucket: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/, 'is no name of a bucket')
    .refine((name) => !name.endsWith('--x-s3'), 'is a directory bucket, whose listings have no order'),
  prefix: z
    .string()
    .default('')
    .transform(withoutOuterSlashes)
    .refine(isPath, {
      message: `needs segments that are joined by "/", none of them empty, "." or "..", without control characters, at most ${MAX_PREFIX_BYTES} bytes`,
    }),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'is no name of a region')
    .optional(),
  endpoint: z
    .string()
    .refine(isEndpoint, 'has to be an http: or https: address without user, query or fragment')
    .optional(),
  forcePathStyle: z.boolean().optional(),
  expectedBucketOwner: z
    .string()
    .regex(/^\d{12}$/, 'has to be an account id of 12 digits')
    .optional(),
  serverSideEncryption: z.enum(['AES256', 'aws:kms']).optional(),
  kmsKeyId: z.string().min(1).optional(),
  credentials: z
    .custom<S3Credentials>(isCredentials, 'need accessKeyId and secretAccessKey, or a function that gives them')
    .optional(),
  client: z.custom<S3ClientSlice>(isClient, 'needs a method send').optional(),
  attemptTimeoutMs: timeout.default(DEFAULT_ATTEMPT_TIMEOUT_MS),
  connectTimeoutMs: timeout.default(DEFAULT_CONNECT_TIMEOUT_MS),
  maxBytes: z.int().positive().max(MAX_PUT_BYTES).default(DEFAULT_MAX_BYTES),
})

const OPTIONS = Object.keys(schema.shape)
const CLIENTS_OWN = ['region', 'endpoint', 'forcePathStyle', 'credentials', 'connectTimeoutMs'] as const

/** @throws {KeelstateError} `InvalidOptions` that names the option, and for an unknown one the nearest known. */
export function parseS3StoreOptions(options: S3StoreOptions): S3Settings {
  const parsed = schema.safeParse(options)
  if (!parsed.success) throw fromIssue(parsed.error.issues[0]!)
  const settings = parsed.data
  if (settings.kmsKeyId !== undefined && settings.serverSideEncryption !== 'aws:kms') {
    throw invalid('kmsKeyId', 'kmsKeyId needs serverSideEncryption to be "aws:kms".')
  }
  const doubled = settings.client === undefined ? undefined : CLIENTS_OWN.find((name) => options[name] !== undefined)
  if (doubled !== undefined) {
    throw invalid(
      doubled,
      `${doubled} was given beside a client, which has its own.`,
      `Leave ${doubled} out, or the client.`,
    )
  }
  return { ...settings, prefix: settings.prefix === '' ? '' : `${settings.prefix}/` }
}

/** Parameters of an address, and how each is read. */
const PARAMETERS: Readonly<Record<string, (text: string, name: string) => Partial<S3StoreOptions>>> = {
  region: (region) => ({ region }),
  endpoint: (endpoint) => ({ endpoint }),
  forcePathStyle: (text, name) => ({ forcePathStyle: readBoolean(text, name) }),
  expectedBucketOwner: (expectedBucketOwner) => ({ expectedBucketOwner }),
  serverSideEncryption: (text) => ({ serverSideEncryption: text as 'AES256' }), // checked with the other options
  kmsKeyId: (kmsKeyId) => ({ kmsKeyId }),
  maxBytes: (text, name) => ({ maxBytes: readNumber(text, name) }),
  attemptTimeoutMs: (text, name) => ({ attemptTimeoutMs: readNumber(text, name) }),
  connectTimeoutMs: (text, name) => ({ connectTimeoutMs: readNumber(text, name) }),
}

const SECRET_PARAMETER = /access.?key|secret|token|password|credential|signature/i
const CREDENTIALS_HINT =
  'Give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role; addresses end up in files and logs.'

/**
 * Reads `s3://bucket/prefix?region=…&endpoint=…`. Parameters have the names of the options.
 *
 * @throws {KeelstateError} `InvalidOptions` for anything else, naming the nearest known parameter; also when the address holds credentials,
 *   which are not repeated.
 */
export function parseS3Address(address: string): S3StoreOptions {
  const match = /^s3:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i.exec(address)
  if (match === null) {
    if (/^s3:\/\/[^/]*@/i.test(address)) throw invalid('store', 'The address holds credentials.', CREDENTIALS_HINT)
    throw invalid('store', 'This is no address of an S3 store.', 'Its form is s3://bucket/prefix?region=eu-west-1.')
  }
  const [, bucket = '', path = '', query = ''] = match
  if (bucket.includes('@')) throw invalid('store', 'The address holds credentials.', CREDENTIALS_HINT)
  const options: S3StoreOptions = { bucket: decoded(bucket) }
  const prefix = withoutOuterSlashes(decoded(path))
  if (prefix !== '') options.prefix = prefix
  const seen = new Set<string>()
  for (const part of query.split('&').filter((text) => text !== '')) {
    const equals = part.indexOf('=')
    const name = decoded(equals < 0 ? part : part.slice(0, equals))
    const read = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
    if (read === undefined) {
      if (SECRET_PARAMETER.test(name)) throw invalid('store', 'The address holds credentials.', CREDENTIALS_HINT)
      throw unknownName(name, 'parameter of an s3: address', Object.keys(PARAMETERS))
    }
    if (seen.has(name)) throw invalid(name, `${name} stands twice in the address.`)
    seen.add(name)
    const value = equals < 0 ? '' : decoded(part.slice(equals + 1))
    if (value === '') throw invalid(name, `${name} has no value in the address.`)
    Object.assign(options, read(value, name))
  }
  parseS3StoreOptions(options)
  return options
}

/** The address that says where a store lies; `parseS3Address` reads it back. Holds no secret. */
export function formatS3Address({ bucket, prefix, endpoint }: S3Settings): string {
  const path = prefix.split('/').map(encodeURIComponent).join('/').replace(/\/$/, '')
  return `s3://${bucket}${path === '' ? '' : `/${path}`}${endpoint === undefined ? '' : `?endpoint=${endpoint}`}`
}

function fromIssue(issue: z.core.$ZodIssue): KeelstateError {
  if (issue.code === 'unrecognized_keys') return unknownName(issue.keys[0] ?? '', 'option of s3Store', OPTIONS)
  const [option] = issue.path
  if (option === undefined) return invalid('options', 'The options of s3Store have to be an object.')
  const name = String(option)
  if (issue.code === 'invalid_type' && name === 'bucket')
    return invalid(name, 'bucket is needed: the name of the bucket.')
  if (issue.code === 'custom' || issue.code === 'invalid_format') return invalid(name, `${name} ${issue.message}.`)
  return invalid(name, `${name} is not valid: ${issue.message}.`)
}

function unknownName(name: string, what: string, known: readonly string[]): KeelstateError {
  const near = nearest(name, known)
  return invalid(
    name,
    `"${printable(name, 60)}" is no ${what}${near === undefined ? '' : `; the nearest is ${near}`}.`,
    `Known are ${known.join(', ')}.`,
  )
}

function invalid(option: string, message: string, hint?: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    operation: 's3Store',
    message,
    ...(hint === undefined ? {} : { hint }),
    details: { option, notExecuted: true },
  })
}

function withoutOuterSlashes(path: string): string {
  return path.replace(/^\/+|\/+$/g, '')
}

function isPath(path: string): boolean {
  if (path === '') return true
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (Buffer.byteLength(path) > MAX_PREFIX_BYTES || !path.isWellFormed() || /[\u0000-\u001f\u007f]/.test(path))
    return false
  return path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && `${username}${password}${search}${hash}` === ''
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

function readBoolean(text: string, name: string): boolean {
  if (text !== 'true' && text !== 'false') throw invalid(name, `${name} has to be true or false.`)
  return text === 'true'
}

function readNumber(text: string, name: string): number {
  if (!/^\d{1,16}$/.test(text)) throw invalid(name, `${name} has to be a whole number.`)
  return Number(text)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('store', "The address holds a '%' that does not begin an escape.", "Write a plain '%' as %25.")
  }
}
