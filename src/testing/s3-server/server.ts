import { systemEnvironment } from '../../core/environment.ts'
import { type DescribedRequest, type HttpAnswer, HttpFixture, type RawRequest } from '../http-fixture.ts'
import { S3Access, type S3Credential, type S3Denial } from './access.ts'
import { refusalAnswer, S3Refusal, statusAnswer } from './answers.ts'
import { type BucketOptions, type S3Bucket, S3Buckets } from './buckets.ts'
import type { S3Flaws } from './flaws.ts'
import { type ConditionsMode, createBucket, OPERATIONS, type OperationContext } from './operations.ts'
import { parseRequest, targetOf } from './request.ts'

/** How the server is set up. */
export interface S3ServerOptions {
  /** Default 0: a port that is free. */
  port?: number
  /** Region of the endpoint; requests signed for another one are refused. Default `us-east-1`. */
  region?: string
  /** Account that owns all buckets, for `x-amz-expected-bucket-owner`. Default `111122223333`. */
  account?: string
  /** The keys that it knows. Default: one that may do everything. */
  credentials?: readonly S3Credential[]
  /** Serve requests without a signature too. Default: they are `AccessDenied`. */
  anonymous?: boolean
  /** Largest body of a PutObject in bytes. Default 5 GiB, as on S3. */
  maxObjectBytes?: number
  /** How preconditions of writes are treated. Default `enforced`. */
  conditions?: ConditionsMode
  /** What else it gets wrong. Default: nothing. */
  flaws?: S3Flaws
}

const MAX_OBJECT_BYTES = 5 * 1024 ** 3
const DEFAULT_CREDENTIAL: S3Credential = { accessKeyId: 'fixture-key', secretAccessKey: 'fixture-secret' }
const RACE_MS = 5 // between the check of a condition and the write, in mode `racy`

/**
 * A strict S3 service in this process, on 127.0.0.1 and in path style, for real clients.
 *
 * It does a part of S3's operations as S3 does them, with S3's status codes, atomically and strongly consistent. What it does not do
 * is answered with 501 and never ignored, be it an operation, a parameter or a header. Faults can be planned for any request.
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const server = new S3Server(options)
  await server.listen(options.port ?? 0)
  return server
}

/** A running server. Made by `startS3Server`. */
export class S3Server extends HttpFixture {
  readonly region: string
  /** The first of its keys. */
  readonly credential: S3Credential
  /** How preconditions of writes are treated, from the next request on. */
  conditions: ConditionsMode
  /** What else it gets wrong, from the next request on. */
  flaws: S3Flaws

  readonly #buckets: S3Buckets
  readonly #access: S3Access

  /** @internal */
  constructor(options: S3ServerOptions) {
    super(options.maxObjectBytes ?? MAX_OBJECT_BYTES)
    const credentials = options.credentials ?? [DEFAULT_CREDENTIAL]
    this.region = options.region ?? 'us-east-1'
    this.credential = credentials[0] ?? DEFAULT_CREDENTIAL
    this.conditions = options.conditions ?? 'enforced'
    this.flaws = options.flaws ?? {}
    this.#buckets = new S3Buckets(this.region, () => this.now())
    this.#access = new S3Access({
      credentials,
      anonymous: options.anonymous ?? false,
      region: this.region,
      account: options.account ?? '111122223333',
    })
  }

  /** What a client of the AWS SDK, or the driver, is configured with. */
  get clientConfig(): { endpoint: string; region: string; forcePathStyle: true; credentials: S3Credential } {
    return { endpoint: this.endpoint, region: this.region, forcePathStyle: true, credentials: this.credential }
  }

  createBucket(name: string, options: BucketOptions = {}): S3Bucket {
    return this.#buckets.create(name, options)
  }

  /** A bucket to look into or to change behind everybody's back. Throws when there is none of that name. */
  bucket(name: string): S3Bucket {
    return this.#buckets.get(name)
  }

  /** Removes a bucket with all that is in it. */
  removeBucket(name: string): void {
    this.#buckets.remove(name)
  }

  /** Replaces what a key may not do, from the next request on. */
  deny(accessKeyId: string, denials: readonly S3Denial[]): void {
    this.#access.deny(accessKeyId, denials)
  }

  protected override describe(method: string, url: string): DescribedRequest {
    const { operation = 'Unknown', bucket, key, query } = targetOf(method, url)
    return { method, operation, bucket, key: key === '' ? (query.prefix ?? '') : key, query }
  }

  protected override async respond(raw: RawRequest | undefined, requestId: string): Promise<HttpAnswer> {
    try {
      if (raw === undefined) throw new S3Refusal('EntityTooLarge')
      return await this.#execute(raw)
    } catch (error) {
      if (error instanceof S3Refusal) return refusalAnswer(error, requestId)
      throw error
    }
  }

  protected override refusal(status: number, code: string, requestId: string): HttpAnswer {
    return statusAnswer(status, code, requestId)
  }

  protected override commonHeaders(requestId: string): Record<string, string> {
    return { server: 'AmazonS3', 'x-amz-request-id': requestId, 'x-amz-id-2': 'fixture' }
  }

  async #execute(raw: RawRequest): Promise<HttpAnswer> {
    const caller = this.#access.authenticate(raw, this.now())
    const request = parseRequest(raw)
    const context: OperationContext = {
      buckets: this.#buckets,
      caller,
      conditions: this.conditions,
      flaws: this.flaws,
      now: this.now(),
      gap: () => systemEnvironment.sleep(RACE_MS),
    }
    if (request.operation === 'CreateBucket') return createBucket(request, context)
    const bucket = this.#buckets.get(request.bucket)
    this.#access.checkBucket(request, bucket)
    return OPERATIONS[request.operation](bucket, request, context)
  }
}
