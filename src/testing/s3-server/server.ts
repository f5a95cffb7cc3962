import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemEnvironment } from '../../core/environment.ts'
import { FaultPlan, type FaultTarget, type FaultyExchange, performExchange } from '../faults.ts'
import { S3Access, type S3Credential, type S3Denial } from './access.ts'
import { refusalAnswer, type S3Answer, S3Refusal, statusAnswer } from './answers.ts'
import { type BucketOptions, type S3Bucket, S3Buckets } from './buckets.ts'
import { type S3RequestRecord, withoutSecrets } from './log.ts'
import { type ConditionsMode, createBucket, OPERATIONS, type OperationContext } from './operations.ts'
import { parseRequest, type RawRequest, targetOf } from './request.ts'

/** How the server is set up. */
export interface S3ServerOptions {
  /** Default 0: any free port. */
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
}

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
export class S3Server implements AsyncDisposable {
  readonly region: string
  /** The first of its keys. */
  readonly credential: S3Credential
  /** What is to go wrong. */
  readonly faults: FaultPlan = new FaultPlan()
  /** Every request since the start or the last `takeRequests`, in the order of arrival. */
  readonly requests: S3RequestRecord[] = []
  /** How preconditions of writes are treated, from the next request on. */
  conditions: ConditionsMode
  /** How far this server's clock is ahead of the machine's. */
  clockOffsetMs = 0

  readonly #buckets: S3Buckets
  readonly #access: S3Access
  readonly #maxObjectBytes: number
  readonly #http: Server
  readonly #connections = new WeakMap<Socket, number>()
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #connectionCount = 0

  /** @internal */
  constructor(options: S3ServerOptions) {
    const credentials = options.credentials ?? [DEFAULT_CREDENTIAL]
    this.region = options.region ?? 'us-east-1'
    this.credential = credentials[0] ?? DEFAULT_CREDENTIAL
    this.conditions = options.conditions ?? 'enforced'
    this.#maxObjectBytes = options.maxObjectBytes ?? 5 * 1024 ** 3
    this.#buckets = new S3Buckets(this.region, () => this.#now())
    this.#access = new S3Access({
      credentials,
      anonymous: options.anonymous ?? false,
      region: this.region,
      account: options.account ?? '111122223333',
    })
    this.#http = createServer((incoming, response) => {
      const run = this.#serve(incoming, response).finally(() => this.#running.delete(run))
      this.#running.add(run)
    })
    setMaxListeners(0, this.#closing.signal) // one for each request that waits
    this.#http.requestTimeout = 0 // a request may be held for as long as a test likes
    this.#http.headersTimeout = 0
    this.#http.keepAliveTimeout = 60_000
    this.#http.on('connection', (socket) => this.#connections.set(socket, ++this.#connectionCount))
  }

  /** @internal */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#http.once('error', reject)
      this.#http.listen(port, '127.0.0.1', resolve)
    })
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** How many connections were opened so far. */
  get connectionCount(): number {
    return this.#connectionCount
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

  /** The requests so far; the log is empty afterwards. */
  takeRequests(): S3RequestRecord[] {
    return this.requests.splice(0)
  }

  /** Resolves when nothing is under way any more: no request, no late copy, nothing held or delayed. A stalled request counts as over. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Ends all connections. What is held or delayed is never executed. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (!this.#http.listening) return
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve())
      this.#http.closeAllConnections()
    })
    await this.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #now(): number {
    return Date.now() + this.clockOffsetMs
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {}) // the sender has gone; what it asked for is judged by what is stored
    const body = await readBody(incoming, this.#maxObjectBytes)
    if (body === undefined) return
    const raw: RawRequest = {
      method: incoming.method ?? '',
      url: incoming.url ?? '',
      headers: incoming.headers as Record<string, string>,
      body: body === 'too-large' ? new Uint8Array() : body,
    }
    const target = targetOf(raw.method, raw.url)
    const faultTarget: FaultTarget = {
      method: raw.method,
      operation: target.operation ?? 'Unknown',
      key: target.key === '' ? (target.query.prefix ?? '') : target.key,
    }
    const action = this.faults.take(faultTarget)
    const record: S3RequestRecord = {
      ...faultTarget,
      bucket: target.bucket,
      query: target.query,
      headers: withoutSecrets(raw.headers),
      bytesIn: raw.body.length,
      connection: this.#connections.get(incoming.socket) ?? 0,
      fault: action?.do,
      executions: 0,
      outcome: 'pending',
      status: undefined,
      code: undefined,
      bytesOut: 0,
    }
    this.requests.push(record)
    response.on('close', () => {
      record.outcome = response.writableFinished ? 'answered' : 'lost'
    })
    const requestId = randomBytes(8).toString('hex').toUpperCase()
    const sender = new AnswerSender(incoming, response, record, requestId, () => this.#now())
    const exchange: FaultyExchange<S3Answer> = {
      target: faultTarget,
      execute: async () => {
        record.executions += 1
        try {
          if (body === 'too-large') throw new S3Refusal('EntityTooLarge')
          return await this.#execute(raw)
        } catch (error) {
          if (error instanceof S3Refusal) return refusalAnswer(error, requestId)
          return statusAnswer(500, 'InternalError', requestId)
        }
      },
      refusal: (status, code) => statusAnswer(status, code, requestId),
      answer: (answer) => sender.send(answer),
      truncate: (answer, bytes) => sender.sendTruncated(answer, bytes),
      corrupted: (answer, at) => ({ ...answer, body: withFlippedBit(answer.body, at) }),
      reset: () => void incoming.socket.resetAndDestroy(),
    }
    await performExchange(exchange, action, systemEnvironment, this.#closing.signal)
  }

  async #execute(raw: RawRequest): Promise<S3Answer> {
    const caller = this.#access.authenticate(raw, this.#now())
    const request = parseRequest(raw)
    const context: OperationContext = {
      buckets: this.#buckets,
      caller,
      conditions: this.conditions,
      gap: () => systemEnvironment.sleep(RACE_MS),
    }
    if (request.operation === 'CreateBucket') return createBucket(request, context)
    const bucket = this.#buckets.get(request.bucket)
    this.#access.checkBucket(request, bucket)
    return OPERATIONS[request.operation](bucket, request, context)
  }
}

/** Sends one answer, whole or cut. */
class AnswerSender {
  readonly #incoming: IncomingMessage
  readonly #response: ServerResponse
  readonly #record: S3RequestRecord
  readonly #requestId: string
  readonly #now: () => number

  constructor(
    incoming: IncomingMessage,
    response: ServerResponse,
    record: S3RequestRecord,
    requestId: string,
    now: () => number,
  ) {
    this.#incoming = incoming
    this.#response = response
    this.#record = record
    this.#requestId = requestId
    this.#now = now
  }

  send(answer: S3Answer): Promise<void> {
    return this.#send(answer, answer.body.length, () => this.#response.end(this.#bodyOf(answer)))
  }

  sendTruncated(answer: S3Answer, bytes: number): Promise<void> {
    const cut = this.#bodyOf(answer).subarray(0, bytes)
    return this.#send(answer, cut.length, () => {
      this.#response.flushHeaders()
      this.#response.write(cut, () => this.#incoming.socket.destroySoon())
    })
  }

  /** Resolves when the answer was handed to the network or the sender has gone. */
  #send(answer: S3Answer, bytesOut: number, write: () => void): Promise<void> {
    if (this.#response.destroyed || this.#incoming.socket.destroyed) return Promise.resolve()
    this.#record.status = answer.status
    this.#record.code = answer.code
    this.#record.bytesOut = this.#incoming.method === 'HEAD' ? 0 : bytesOut
    const bodiless = answer.status === 204 || answer.status === 304
    this.#response.writeHead(answer.status, {
      ...answer.headers,
      ...(bodiless ? {} : { 'content-length': String(answer.body.length) }),
      date: new Date(this.#now()).toUTCString(),
      server: 'AmazonS3',
      'x-amz-request-id': this.#requestId,
      'x-amz-id-2': 'fixture',
    })
    return new Promise((resolve) => {
      this.#response.once('close', resolve)
      this.#response.once('finish', resolve)
      write()
    })
  }

  #bodyOf(answer: S3Answer): Uint8Array {
    return this.#incoming.method === 'HEAD' ? new Uint8Array() : answer.body
  }
}

/** Reads a body whole; `undefined` when the sender went away in the middle of it. */
async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array | 'too-large' | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return length > maxBytes ? 'too-large' : Buffer.concat(chunks, length)
}

function withFlippedBit(body: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(body)
  if (copy.length > 0) copy[at % copy.length]! ^= 1
  return copy
}
