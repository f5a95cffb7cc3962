import { type DescribedRequest, type HttpAnswer, HttpFixture, type RawRequest } from '../http-fixture.ts'
import { GcsAccess, type GcsCredential, type GcsDenial } from './access.ts'
import { GcsRefusal, refusalAnswer, statusAnswer } from './answers.ts'
import { type GcsBucket, type GcsBucketOptions, GcsBuckets } from './buckets.ts'
import type { GcsConditions, GcsFlaws } from './flaws.ts'
import { OPERATIONS } from './operations.ts'
import { ChangeRate } from './rate.ts'
import { describeRequest, parseRequest } from './request.ts'
import { UploadSessions } from './uploads.ts'

/** How the server is set up. */
export interface GcsServerOptions {
  /** Default 0: a port that is free. */
  port?: number
  /** The callers that it knows. Default: one that may do everything. */
  credentials?: readonly GcsCredential[]
  /** Serve requests without a token too. Default: they are `required`, 401. */
  anonymous?: boolean
  /** Refuse a change that comes within a second of the one before to the same object, with 429. Default false. */
  oneWriteASecond?: boolean
  /**
   * Answer a request that carries the `x-goog-gcs-idempotency-token` of an earlier successful one with that one's answer, instead of executing
   * it. Default false: the service promises nothing about it.
   */
  idempotencyTokens?: boolean
  /** How preconditions of writes are treated: as they should be, not at all, or checked and then waited. Default `enforced`. */
  conditions?: GcsConditions
  /** What else it gets wrong. Default: nothing. */
  flaws?: GcsFlaws
  /** Largest body in bytes. Default 5 GiB. */
  maxObjectBytes?: number
}

const MAX_OBJECT_BYTES = 5 * 1024 ** 3 // the service takes 5 TiB, which no test sends
const DEFAULT_CREDENTIAL: GcsCredential = { token: 'fixture-token' }
const ONE_WRITE_MS = 1_000

/**
 * A strict Google Cloud Storage service in this process, on 127.0.0.1 and with the JSON API, for real clients.
 *
 * It does a part of the API as the service does it, with its status codes and reasons, atomically and strongly consistent. What it does not do is
 * answered with 501 and never ignored, be it an operation, a parameter or a header. Faults can be planned for any request; their rules see S3's
 * names of the operations where S3 has the same (`GetObject`, `PutObject`, `DeleteObject`).
 */
export async function startGcsServer(options: GcsServerOptions = {}): Promise<GcsServer> {
  const server = new GcsServer(options)
  await server.listen(options.port ?? 0)
  return server
}

/** A running server. Made by `startGcsServer`. */
export class GcsServer extends HttpFixture {
  /** The first of its callers. */
  readonly credential: GcsCredential
  /** How preconditions of writes are treated, from the next request on. */
  conditions: GcsConditions
  /** What else it gets wrong, from the next request on. */
  flaws: GcsFlaws
  readonly #buckets: GcsBuckets
  readonly #access: GcsAccess
  readonly #rate: ChangeRate
  readonly #sessions = new UploadSessions()
  readonly #answered: Map<string, HttpAnswer> | undefined

  /** @internal */
  constructor(options: GcsServerOptions) {
    super(options.maxObjectBytes ?? MAX_OBJECT_BYTES)
    const credentials = options.credentials ?? [DEFAULT_CREDENTIAL]
    this.credential = credentials[0] ?? DEFAULT_CREDENTIAL
    this.conditions = options.conditions ?? 'enforced'
    this.flaws = options.flaws ?? {}
    this.#buckets = new GcsBuckets(() => this.now())
    this.#access = new GcsAccess(credentials, options.anonymous ?? false)
    this.#rate = new ChangeRate(options.oneWriteASecond ? ONE_WRITE_MS : 0)
    this.#answered = options.idempotencyTokens ? new Map() : undefined
  }

  /** What the driver is configured with. */
  get clientConfig(): { endpoint: string; credentials: () => Promise<string> } {
    const { token } = this.credential
    return { endpoint: this.endpoint, credentials: async () => token }
  }

  createBucket(name: string, options: GcsBucketOptions = {}): GcsBucket {
    return this.#buckets.create(name, options)
  }

  /** A bucket to look into or to change behind everybody's back. Throws when there is none of that name. */
  bucket(name: string): GcsBucket {
    return this.#buckets.get(name)
  }

  /** Removes a bucket with all that is in it. */
  removeBucket(name: string): void {
    this.#buckets.remove(name)
  }

  /** Replaces what a caller may not do, from the next request on. */
  deny(token: string, denials: readonly GcsDenial[]): void {
    this.#access.deny(token, denials)
  }

  protected override describe(method: string, url: string): DescribedRequest {
    return describeRequest(method, url)
  }

  protected override async respond(raw: RawRequest | undefined): Promise<HttpAnswer> {
    try {
      if (raw === undefined) throw new GcsRefusal('uploadTooLarge')
      const token = raw.headers['x-goog-gcs-idempotency-token']
      const earlier = token === undefined ? undefined : this.#answered?.get(token)
      if (earlier !== undefined) return earlier
      const answer = await this.#execute(raw)
      if (token !== undefined) this.#answered?.set(token, answer)
      return answer
    } catch (error) {
      if (!(error instanceof GcsRefusal)) throw error
      return refusalAnswer(error, raw !== undefined && describeRequest(raw.method, raw.url).operation === 'GetObject')
    }
  }

  protected override refusal(status: number, code: string): HttpAnswer {
    return statusAnswer(status, code)
  }

  protected override commonHeaders(requestId: string): Record<string, string> {
    return { server: 'UploadServer', 'x-guploader-uploadid': requestId }
  }

  #execute(raw: RawRequest): HttpAnswer | Promise<HttpAnswer> {
    const caller = this.#access.authenticate(raw)
    const request = parseRequest(raw)
    const bucket = this.#buckets.get(request.bucket)
    if (bucket.requesterPays && (request.query.userProject ?? request.headers['x-goog-user-project']) === undefined)
      throw new GcsRefusal('userProjectMissing')
    const { endpoint } = this
    return OPERATIONS[request.operation](bucket, request, {
      caller,
      rate: this.#rate,
      sessions: this.#sessions,
      endpoint,
      conditions: this.conditions,
      flaws: this.flaws,
      now: this.now(),
    })
  }
}
