import { setMaxListeners } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { systemEnvironment } from '../core/environment.ts'
import {
  type FaultMatch,
  FaultPlan,
  type FaultRule,
  type FaultTarget,
  type FaultyExchange,
  performExchange,
} from './faults.ts'
import { type HttpMessage, MessageSplitter } from './http-framing.ts'
import { s3Wire, type WireProtocol } from './s3-wire.ts'

/** One request that came through the proxy. */
export interface ProxiedRequest extends FaultTarget {
  /** Path and query, as sent. */
  readonly path: string
  /** The status of each answer that the server gave to it, seen by the client or not; 0 where the server hung up instead. */
  readonly statuses: readonly number[]
  /** When it had arrived, in ms of `performance.now()`. */
  readonly arrivedAt: number
  /** When it was answered, or given up; `undefined` until then. */
  readonly endedAt: number | undefined
}

/** A running proxy; see {@link startFaultProxy}. */
export interface FaultProxy extends AsyncDisposable {
  /** Where clients connect: `http://127.0.0.1:<port>`. */
  readonly endpoint: string
  /** Faults to come. Rules see S3's operation and the object's key without the bucket. */
  readonly faults: FaultPlan
  /** Every whole request so far, in the order of arrival. */
  readonly requests: readonly ProxiedRequest[]
  /** Holds every request back for so many milliseconds; default 0. */
  latencyMs: number
  /** Lets half the bytes of a matching request reach the server, then resets both sides: a fault that only a network makes. */
  cut(match: FaultMatch): FaultRule
  /** Resolves when everything that arrived has been answered or given up: no late or second copy is still to come. */
  settled(): Promise<void>
  /** Ends all connections; what was still to be delivered late is dropped. */
  close(): Promise<void>
}

/**
 * Starts a proxy on the loopback interface that injects faults between a client and the plain-HTTP server at `target`.
 *
 * Messages are held until they are whole and pass byte for byte, so signatures and the `Host` header stay what the client made them.
 * Every delivery to the server has a connection of its own.
 *
 * @throws {Error} when `target` is not an `http:` address.
 */
export async function startFaultProxy(target: string | URL, protocol: WireProtocol = s3Wire): Promise<FaultProxy> {
  const url = new URL(target)
  if (url.protocol !== 'http:') throw new Error(`The fault proxy speaks plain HTTP, not ${url.protocol}//`)
  const proxy = new RunningProxy(url.hostname, Number(url.port || 80), protocol)
  await proxy.listen()
  return proxy
}

interface LoggedRequest extends ProxiedRequest {
  readonly statuses: number[]
  endedAt: number | undefined
}

class RunningProxy implements FaultProxy {
  readonly faults: FaultPlan = new FaultPlan()
  readonly requests: LoggedRequest[] = []
  latencyMs = 0
  readonly #host: string
  readonly #port: number
  readonly #protocol: WireProtocol
  readonly #server: Server
  readonly #cuts = new FaultPlan()
  readonly #sockets = new Set<Socket>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(host: string, port: number, protocol: WireProtocol) {
    this.#host = host
    this.#port = port
    this.#protocol = protocol
    this.#server = createServer({ noDelay: true }, (client) => this.#serve(client))
    setMaxListeners(0, this.#closing.signal) // one for each request that waits
  }

  get endpoint(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('The fault proxy is closed.')
    return `http://127.0.0.1:${address.port}`
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
  }

  cut(match: FaultMatch): FaultRule {
    return this.#cuts.add(match, { do: 'drop-request' })
  }

  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    await this.settled()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #serve(client: Socket): void {
    this.#track(client)
    const splitter = new MessageSplitter(() => client.write('HTTP/1.1 100 Continue\r\n\r\n'))
    let last = Promise.resolve()
    client.on('data', (chunk: Buffer) => {
      try {
        for (const request of splitter.push(chunk)) {
          last = last.then(() => this.#handle(request, client))
          const underWay = last
          this.#underWay.add(underWay)
          void underWay.then(() => this.#underWay.delete(underWay))
        }
      } catch {
        client.resetAndDestroy() // not HTTP
      }
    })
  }

  async #handle(request: HttpMessage, client: Socket): Promise<void> {
    const [method = '', path = ''] = request.startLine.split(' ')
    const target = this.#protocol.describe(method, path, request.bytes.toString('latin1', 0, request.bodyStart))
    const logged: LoggedRequest = { ...target, path, statuses: [], arrivedAt: performance.now(), endedAt: undefined }
    this.requests.push(logged)
    if (this.latencyMs > 0) await systemEnvironment.sleep(this.latencyMs, this.#closing.signal).catch(() => {})

    if (this.#cuts.take(target) !== undefined) {
      await this.#deliver(request.bytes.subarray(0, request.bytes.length / 2), 'then-reset')
      client.resetAndDestroy()
      logged.endedAt = performance.now()
      return
    }
    const exchange: FaultyExchange<HttpMessage | undefined> = {
      target,
      execute: async () => {
        const answer = await this.#deliver(request.bytes, method === 'HEAD' ? 'head-only' : 'answer')
        logged.statuses.push(Number(answer?.startLine.split(' ')[1] ?? 0))
        return answer
      },
      refusal: (status, code) => wholeMessage(this.#protocol.refusal(status, code)),
      answer: (answer) => {
        if (answer === undefined) client.resetAndDestroy()
        else if (answer.untilEnd) client.end(answer.bytes)
        else client.write(answer.bytes)
      },
      truncate: (answer, bytes) => {
        if (answer === undefined) client.resetAndDestroy()
        else client.end(answer.bytes.subarray(0, answer.bodyStart + bytes))
      },
      corrupted: (answer, at) => (answer === undefined ? answer : withBitFlipped(answer, at)),
      reset: () => {
        client.resetAndDestroy()
      },
    }
    await performExchange(exchange, this.faults.take(target), systemEnvironment, this.#closing.signal)
    logged.endedAt = performance.now()
  }

  /** Sends bytes to the server on a connection of their own; resolves to the whole answer, or to nothing when the server hung up. */
  #deliver(bytes: Buffer, expecting: 'answer' | 'head-only' | 'then-reset'): Promise<HttpMessage | undefined> {
    return new Promise((resolve) => {
      if (this.#closing.signal.aborted) return resolve(undefined)
      const upstream = this.#track(connect({ host: this.#host, port: this.#port, noDelay: true }))
      const splitter = new MessageSplitter()
      const finish = (answer: HttpMessage | undefined): void => {
        resolve(answer)
        upstream.destroy()
      }
      upstream.on('data', (chunk: Buffer) => {
        try {
          const final = splitter
            .push(chunk, expecting === 'head-only')
            .find(({ startLine }) => !/ 1\d\d\b/.test(startLine))
          if (final !== undefined) finish(final)
        } catch {
          finish(undefined) // not HTTP
        }
      })
      upstream.on('end', () => finish(splitter.end()))
      upstream.on('close', () => finish(undefined))
      upstream.write(bytes, () => {
        if (expecting === 'then-reset') upstream.resetAndDestroy()
      })
    })
  }

  #track(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {}) // peers that hang up are this proxy's trade; 'close' follows and says all there is to say
    return socket
  }
}

function wholeMessage(bytes: Buffer): HttpMessage {
  const [message] = new MessageSplitter().push(bytes)
  if (message === undefined) throw new Error('A refusal that is no whole HTTP message.')
  return message
}

function withBitFlipped(message: HttpMessage, at: number): HttpMessage {
  const bytes = Buffer.from(message.bytes)
  const position = message.bodyStart + (at % (bytes.length - message.bodyStart))
  if (position < bytes.length) bytes[position]! ^= 1
  return { ...message, bytes }
}
