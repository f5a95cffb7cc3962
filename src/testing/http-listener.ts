import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FaultPlan } from './faults.ts'

/** A server on 127.0.0.1 that plans faults, knows which requests are under way, and ends them when it is closed. */
export abstract class HttpListener implements AsyncDisposable {
  /** What is to go wrong. */
  readonly faults: FaultPlan = new FaultPlan()
  readonly #http: Server
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor() {
    this.#http = createServer((incoming, response) => {
      const run = this.serve(incoming, response).finally(() => this.#running.delete(run))
      this.#running.add(run)
    })
    setMaxListeners(0, this.#closing.signal) // one for each request that waits
    this.#http.requestTimeout = 0 // a request may be held for as long as a test likes
    this.#http.headersTimeout = 0
    this.#http.keepAliveTimeout = 60_000
    this.#http.on('connection', (socket) => this.connected(socket))
  }

  /** Answers one request, or lets it fail as was planned. */
  protected abstract serve(incoming: IncomingMessage, response: ServerResponse): Promise<void>

  /** Told of each connection. */
  protected connected(_socket: IncomingMessage['socket']): void {}

  /** Fires when the server is closed: what is held or delayed is never executed. */
  protected get closing(): AbortSignal {
    return this.#closing.signal
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
}
