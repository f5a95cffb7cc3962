import type { DriverBounds, DriverClient } from '../core/driver-connection.ts'
import { KeelstateError } from '../core/errors.ts'
import { withoutNodeWarning } from '../core/sdk-warning.ts'
import { isForeignService, type S3Settings } from './options.ts'

/** What is needed of an `S3Client` that a user passes in; the SDK's own fits. */
export interface S3ClientSlice {
  send(command: never, options?: { abortSignal?: AbortSignal; requestTimeout?: number }): Promise<unknown>
  /** Asked before the first request, so that a lack of credentials or of a region is told from a refusal by the service. */
  readonly config?: {
    readonly credentials?: (() => Promise<unknown>) | undefined
    readonly region?: (() => Promise<unknown>) | undefined
    readonly isCustomEndpoint?: boolean | undefined
    readonly ignoreConfiguredEndpointUrls?: boolean | undefined
    readonly serviceConfiguredEndpoint?: (() => Promise<string | undefined>) | undefined
  }
}

interface S3GetInput {
  Bucket: string
  Key: string
  IfNoneMatch?: string
  ExpectedBucketOwner?: string
}

interface S3GetOutput {
  ETag?: string
  ContentLength?: number
  Body?: AsyncIterable<Uint8Array> & { destroy?(error?: Error): unknown }
}

interface S3PutInput {
  Bucket: string
  Key: string
  Body: Uint8Array
  ContentLength: number
  ContentType: string
  CacheControl?: string
  IfNoneMatch?: string
  IfMatch?: string
  ExpectedBucketOwner?: string
  ServerSideEncryption?: 'AES256' | 'aws:kms'
  SSEKMSKeyId?: string
}

interface S3PutOutput {
  ETag?: string
}

interface S3DeleteInput {
  Bucket: string
  Delete: { Objects: { Key: string }[]; Quiet: true }
  ExpectedBucketOwner?: string
}

interface S3DeleteOutput {
  Errors?: { Key?: string; Code?: string; Message?: string }[]
}

interface S3ListInput {
  Bucket: string
  Prefix: string
  MaxKeys: number
  ContinuationToken?: string
  ExpectedBucketOwner?: string
}

interface S3ListOutput {
  Contents?: { Key?: string; Size?: number }[]
  NextContinuationToken?: string
}

/** What `doctor` asks beside: settings of the bucket, and single objects of its own. */
export type S3Question =
  | 'DeleteObject'
  | 'GetBucketEncryption'
  | 'GetBucketLifecycleConfiguration'
  | 'GetBucketPolicy'
  | 'GetBucketPolicyStatus'
  | 'GetBucketVersioning'
  | 'GetPublicAccessBlock'
  | 'HeadBucket'
  | 'PutObject'

/** The slice of a command's middleware that is used. */
interface AskedCommand {
  readonly middlewareStack: {
    add(middleware: (next: SendNext) => SendNext, options: { step: 'deserialize'; priority: 'low'; name: string }): void
  }
}

type SendNext = (args: unknown) => Promise<{ response?: { headers?: Record<string, string> } }>

export interface S3Answered {
  readonly answer: Record<string, unknown>
  /** The service's clock, as the answer's header says. */
  readonly date: string | undefined
}

/** The four operations that the driver makes, each one request, and what `doctor` asks. */
export interface S3Operations extends DriverClient {
  getObject(input: S3GetInput, call: DriverBounds): Promise<S3GetOutput>
  putObject(input: S3PutInput, call: DriverBounds): Promise<S3PutOutput>
  deleteObjects(input: S3DeleteInput, call: DriverBounds): Promise<S3DeleteOutput>
  listObjects(input: S3ListInput, call: DriverBounds): Promise<S3ListOutput>
  ask(question: S3Question, input: object, call: DriverBounds): Promise<S3Answered>
  /** When the credentials end that are used now. */
  credentialsEnd(): Promise<Date | undefined>
}

/**
 * Loads the SDK and makes the client.
 *
 * @throws {KeelstateError} `Unsupported` when the SDK is not installed.
 */
export async function connectS3(settings: S3Settings): Promise<S3Operations> {
  const sdk = await import('@aws-sdk/client-s3').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      operation: 's3Store',
      message: 'The AWS SDK for S3 is not installed, or cannot be loaded.',
      hint: 'Install it beside keelstate: npm install @aws-sdk/client-s3',
      details: { notExecuted: true },
      cause,
    })
  })
  const own =
    settings.client === undefined ? withoutNodeWarning(() => new sdk.S3Client(clientConfig(settings))) : undefined
  const client = (settings.client ?? own) as S3ClientSlice
  const send = async <T>(command: object, { signal, timeoutMs }: DriverBounds): Promise<T> =>
    (await client.send(command as never, { abortSignal: signal, requestTimeout: timeoutMs })) as T
  return {
    getObject: (input, call) => send(new sdk.GetObjectCommand(input), call),
    putObject: (input, call) => send(new sdk.PutObjectCommand(input), call),
    deleteObjects: (input, call) => send(new sdk.DeleteObjectsCommand(input), call),
    listObjects: (input, call) => send(new sdk.ListObjectsV2Command(input), call),
    async ask(question, input, call) {
      const Command = sdk[`${question}Command`] as unknown as new (input: object) => AskedCommand
      const command = new Command(input)
      let date: string | undefined
      // Inside of what reads the answer: there it is still seen with its headers.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          date = result.response?.headers?.date
          return result
        },
        { step: 'deserialize', priority: 'low', name: 'keelstateDate' },
      )
      return { answer: await send(command, call), date }
    },
    async credentialsEnd() {
      const { expiration } = Object(await client.config?.credentials?.()) as { expiration?: unknown }
      return expiration instanceof Date && !Number.isNaN(expiration.getTime()) ? expiration : undefined
    },
    async prepare() {
      await client.config?.region?.()
      await client.config?.credentials?.()
      await checkDestination(settings, client)
    },
    destroy: () => own?.destroy(),
  }
}

/**
 * What the address says is where requests go; what is proven of one service must not let locks into another.
 *
 * @throws {KeelstateError} `InvalidOptions` when the AWS profile, which is read with the first request, names another service.
 */
async function checkDestination(settings: S3Settings, { config }: S3ClientSlice): Promise<void> {
  const { endpoint, destination, ownEndpoint, conditionalWrites } = settings
  if (endpoint !== undefined || ownEndpoint || conditionalWrites === 'trusted') return
  if (config?.serviceConfiguredEndpoint === undefined || config.ignoreConfiguredEndpointUrls === true) return
  const found = await config.serviceConfiguredEndpoint()
  if (found === destination) return
  if (!isForeignService(settings) && !isForeignService({ destination: found, ownEndpoint })) return
  throw new KeelstateError('InvalidOptions', {
    operation: 's3Store',
    message: `Requests would go to ${originOf(found)}, as the AWS profile or the environment has it by now, and the address of the store says ${destination ?? 'AWS'}.`,
    hint: 'Add endpoint=… to the address.',
    details: { option: 'endpoint', notExecuted: true },
  })
}

/** Without what may be secret in an address. */
function originOf(endpoint: string | undefined): string {
  if (endpoint === undefined) return 'AWS'
  return URL.canParse(endpoint) ? new URL(endpoint).origin : 'another place'
}

/** One attempt, timeouts that fire, no extra round trip for large bodies, checksums where the service is known to take them. */
function clientConfig(settings: S3Settings) {
  const { endpoint, region, credentials, attemptTimeoutMs, connectTimeoutMs } = settings
  const custom = endpoint !== undefined
  return {
    ...(custom ? { endpoint } : {}),
    ...(region === undefined && !custom ? {} : { region: region ?? 'us-east-1' }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: settings.forcePathStyle ?? custom,
    maxAttempts: 1, // whoever calls the driver owns the retries
    expectContinueHeader: false as const, // else bodies from 2 MiB cost a round trip and a connection of their own
    requestHandler: {
      requestTimeout: attemptTimeoutMs,
      throwOnRequestTimeout: true, // without it, the SDK only logs
      connectionTimeout: connectTimeoutMs,
    },
    // S3-compatible stores often do not take the checksums that are the SDK's default: aws-sdk-js-v3#6819
    ...(custom
      ? ({ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' } as const)
      : {}),
  }
}
