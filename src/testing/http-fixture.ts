import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { systemEnvironment } from '../core/environment.ts'
import { type FaultAction, type FaultTarget, type FaultyExchange, performExchange } from './faults.ts'
import { HttpListener } from './http-listener.ts'

/** What came over the wire, before it is understood. */
export interface RawRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What a server sends back. */
export interface HttpAnswer {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  /** The service's error code, when it is an error. */
  code?: string
}

/** What can be read off a request line. `operation` is `Unknown` when the server does not know it. */
export interface DescribedRequest extends FaultTarget {
  readonly bucket: string
  readonly query: Readonly<Record<string, string>>
}

/** One request, as it came in and as it ended. Entries are in the order of arrival and fill up while the request runs. */
export interface HttpRequestRecord extends DescribedRequest {
  /** As sent, names in lower case, without those that carry secrets. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the body. */
  readonly bytesIn: number
  /** Number of the connection that it came on, counted from 1. */
  readonly connection: number
  /** The fault that hit it. */
  readonly fault: FaultAction['do'] | undefined
  /** How often it was executed: 0 when it was refused or lost before, 2 when it was doubled. */
  executions: number
  /** `pending` until it ended; `lost` when the connection ended without an answer. */
  outcome: 'pending' | 'answered' | 'lost'
  /** Status that was sent. */
  status: number | undefined
  /** Error code that was sent. */
  code: string | undefined
  /** Bytes of the body that was sent. */
  bytesOut: number
}

const SECRET_HEADERS = ['authorization', 'x-amz-security-token']

/** What the fixture servers of all services have in common: a listener on 127.0.0.1, a log of requests, and faults that can be planned for any of them. */
export abstract class HttpFixture extends HttpListener {
  /** Every request since the start or the last `takeRequests`, in the order of arrival. */
  readonly requests: HttpRequestRecord[] = []
  /** How far this server's clock is ahead of the machine's. */
  clockOffsetMs = 0

  readonly #maxBodyBytes: number
  readonly #connections = new WeakMap<Socket, number>()
  #connectionCount = 0

  constructor(maxBodyBytes: number) {
    super()
    this.#maxBodyBytes = maxBodyBytes
  }

  /** Reads off the request line what it asks for. Never throws: the log shows what was asked for even when it is refused. */
  protected abstract describe(method: string, url: string): DescribedRequest
  /** Does what the request asks for. Refusals are answers; what is thrown becomes the service's 500. `undefined`: the body was larger than any may be. */
  protected abstract respond(raw: RawRequest | undefined, requestId: string): Promise<HttpAnswer>
  /** An error in the service's own form, with any code. */
  protected abstract refusal(status: number, code: string, requestId: string): HttpAnswer
  /** Headers that every answer has. */
  protected abstract commonHeaders(requestId: string): Record<string, string>

  /** How many connections were opened so far. */
  get connectionCount(): number {
    return this.#connectionCount
  }

  /** The requests so far; the log is empty afterwards. */
  takeRequests(): HttpRequestRecord[] {
    return this.requests.splice(0)
  }

  /** The server's own wall clock, in ms. */
  protected now(): number {
    return Date.now() + this.clockOffsetMs
  }

  protected override connected(socket: Socket): void {
    this.#connections.set(socket, ++this.#connectionCount)
  }

  protected override async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {}) // the sender has gone; what it asked for is judged by what is stored
    const body = await readBody(incoming, this.#maxBodyBytes)
    if (body === undefined) return
    const method = incoming.method ?? ''
    const url = incoming.url ?? ''
    const headers = incoming.headers as Record<string, string>
    const raw: RawRequest | undefined = body === 'too-large' ? undefined : { method, url, headers, body }
    const described = this.describe(method, url)
    const action = this.faults.take(described)
    const record: HttpRequestRecord = {
      ...described,
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADERS.includes(name))),
      bytesIn: raw?.body.length ?? 0,
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
    const common = () => ({ ...this.commonHeaders(requestId), date: new Date(this.now()).toUTCString() })
    const sender = new AnswerSender(incoming, response, record, common)
    const exchange: FaultyExchange<HttpAnswer> = {
      target: described,
      execute: async () => {
        record.executions += 1
        try {
          return await this.respond(raw, requestId)
        } catch {
          return this.refusal(500, 'InternalError', requestId)
        }
      },
      refusal: (status, code) => this.refusal(status, code, requestId),
      answer: (answer) => sender.send(answer),
      truncate: (answer, bytes) => sender.sendTruncated(answer, bytes),
      corrupted: (answer, at) => ({ ...answer, body: withFlippedBit(answer.body, at) }),
      reset: () => void incoming.socket.resetAndDestroy(),
    }
    await performExchange(exchange, action, systemEnvironment, this.closing)
  }
}

/** Sends one answer, whole or cut. */
class AnswerSender {
  readonly #incoming: IncomingMessage
  readonly #response: ServerResponse
  readonly #record: HttpRequestRecord
  readonly #common: () => Record<string, string>

  constructor(
    incoming: IncomingMessage,
    response: ServerResponse,
    record: HttpRequestRecord,
    common: () => Record<string, string>,
  ) {
    this.#incoming = incoming
    this.#response = response
    this.#record = record
    this.#common = common
  }

  send(answer: HttpAnswer): Promise<void> {
    return this.#send(answer, answer.body.length, () => this.#response.end(this.#bodyOf(answer)))
  }

  sendTruncated(answer: HttpAnswer, bytes: number): Promise<void> {
    const cut = this.#bodyOf(answer).subarray(0, bytes)
    return this.#send(answer, cut.length, () => {
      this.#response.flushHeaders()
      this.#response.write(cut, () => this.#incoming.socket.destroySoon())
    })
  }

  /** Resolves when the answer was handed to the network or the sender has gone. */
  #send(answer: HttpAnswer, bytesOut: number, write: () => void): Promise<void> {
    if (this.#response.destroyed || this.#incoming.socket.destroyed) return Promise.resolve()
    this.#record.status = answer.status
    this.#record.code = answer.code
    this.#record.bytesOut = this.#incoming.method === 'HEAD' ? 0 : bytesOut
    const bodiless = answer.status === 204 || answer.status === 304
    this.#response.writeHead(answer.status, {
      ...answer.headers,
      ...(bodiless ? {} : { 'content-length': String(answer.body.length) }),
      ...this.#common(),
    })
    return new Promise((resolve) => {
      this.#response.once('close', resolve)
      this.#response.once('finish', resolve)
      write()
    })
  }

  #bodyOf(answer: HttpAnswer): Uint8Array {
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
