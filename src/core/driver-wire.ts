import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'

/** Node's own announcements of requests that begin; the first one comes earlier, and newer versions only have it. */
const CHANNELS = ['http.client.request.created', 'http.client.request.start']

/**
 * Holds on to the requests that the client makes for a call.
 *
 * The client takes no signal, and it waits forever for the rest of an answer whose connection broke
 * (https://github.com/node-fetch/node-fetch/issues/1055). Node announces each request in the asynchronous context of who made it.
 */
export class Wire {
  readonly #calls = new AsyncLocalStorage<WireCall>()
  readonly #onRequest = (message: unknown) => {
    this.#calls.getStore()?.add((message as { request: ClientRequest }).request)
  }

  constructor() {
    for (const channel of CHANNELS) subscribe(channel, this.#onRequest)
  }

  /** Runs `work`, and rejects when a connection of its requests breaks. When `signal` fires, those are ended. */
  async run<T>(signal: AbortSignal, work: (call: WireCall) => Promise<T>): Promise<T> {
    const call = new WireCall(signal)
    return await this.#calls.run(call, () => Promise.race([work(call), call.broken]))
  }

  close(): void {
    for (const channel of CHANNELS) unsubscribe(channel, this.#onRequest)
    this.#calls.disable() // else Node goes on to hand it from promise to promise, of the whole process
  }
}

/** The requests of one call. */
export class WireCall {
  /** Rejects when an answer ended before it was whole. */
  readonly broken: Promise<never>
  readonly #requests = new Set<ClientRequest>()
  readonly #signal: AbortSignal
  #break: (error: Error) => void = () => {}

  constructor(signal: AbortSignal) {
    this.#signal = signal
    this.broken = new Promise((_, reject) => {
      this.#break = reject
    })
    this.broken.catch(() => {}) // whoever waits for the answer is told too
  }

  add(request: ClientRequest): void {
    if (this.#requests.has(request)) return
    this.#requests.add(request)
    const end = () => request.destroy()
    if (this.#signal.aborted) end()
    this.#signal.addEventListener('abort', end, { once: true })
    const leave = () => this.#signal.removeEventListener('abort', end)
    request.once('close', leave)
    request.once('response', (answer) => {
      answer.once('end', leave) // from here on the connection may be another call's
      answer.once('close', () => {
        if (!answer.complete)
          this.#break(
            Object.assign(new Error('The connection broke in the middle of the answer.'), { code: 'TRUNCATED' }),
          )
      })
    })
  }
}
