import { setMaxListeners } from 'node:events'
import { DriverAttempt, type DriverCall } from './driver-attempt.ts'
import { readBody } from './driver-body.ts'
import { KeelstateError, throwIfAborted } from './errors.ts'
import type { CallOptions, StoredObject, VersionToken } from './store.ts'

const UPLOAD_MS_PER_MEGABYTE = 1_000

/** A service's client, as far as its connection is concerned. */
export interface DriverClient {
  /** Credentials and the like, before anything is sent. Rejects with the client's error, or with that of the user's function. */
  prepare(): Promise<void>
  destroy(): void
}

/** How one request is bounded. */
export interface DriverBounds {
  readonly signal: AbortSignal
  /** Time until the answer begins, in ms. */
  readonly timeoutMs: number
}

/** What a driver was set up with. */
export interface DriverSettings {
  readonly bucket: string
  /** How long the service may take to begin an answer, and to go on with it, in ms. */
  readonly attemptTimeoutMs: number
  readonly maxBytes: number
}

/** A read under way, in the words of the port. */
export interface DriverDownload {
  /** `undefined` where the answer has none. */
  readonly token: VersionToken | undefined
  /** Bytes that were announced. */
  readonly length: number | undefined
  readonly body: AsyncIterable<Uint8Array> & { destroy?(error?: Error): unknown }
}

/** The way of a cloud driver to its service: one client, made with the first request; each request bounded, and its failure translated. */
export class DriverConnection<C extends DriverClient> {
  readonly #settings: DriverSettings
  readonly #connect: () => Promise<C>
  readonly #translate: (error: unknown, call: DriverCall, bucket: string, sent: boolean) => KeelstateError
  readonly #closing = new AbortController()
  #client: Promise<C> | undefined

  /** @param translate Its `sent` says whether the request was handed to the client; without that it certainly had no effect. */
  constructor(
    settings: DriverSettings,
    connect: () => Promise<C>,
    translate: (error: unknown, call: DriverCall, bucket: string, sent: boolean) => KeelstateError,
  ) {
    this.#settings = settings
    this.#connect = connect
    this.#translate = translate
    setMaxListeners(0, this.#closing.signal) // one for each call under way
  }

  /** @throws {KeelstateError} `Closed`; `Aborted` when the caller's signal has fired already. */
  check({ operation, key }: DriverCall, { signal }: CallOptions): void {
    if (this.#closing.signal.aborted)
      throw new KeelstateError('Closed', { operation, message: 'This store was closed.' })
    throwIfAborted(signal, operation, key)
  }

  /** Makes one attempt. @param sentBytes Size of the body; lengthens the timeout. */
  async attempt<T>(
    call: DriverCall,
    options: CallOptions,
    sentBytes: number,
    send: (client: C, bounds: DriverBounds, attempt: DriverAttempt) => Promise<T>,
  ): Promise<T> {
    this.check(call, options)
    const { attemptTimeoutMs, bucket } = this.#settings
    const timeoutMs = attemptTimeoutMs + Math.ceil((sentBytes / 1e6) * UPLOAD_MS_PER_MEGABYTE)
    const attempt = new DriverAttempt(call, options.signal, this.#closing.signal)
    try {
      return await attempt.run(async () => {
        attempt.allow(timeoutMs)
        this.#client ??= this.#connect()
        const client = await this.#client
        await client.prepare()
        attempt.signal.throwIfAborted()
        attempt.sent = true
        attempt.allow(timeoutMs)
        return await send(client, { signal: attempt.signal, timeoutMs }, attempt)
      })
    } catch (error) {
      throw this.#translate(error, call, bucket, attempt.sent)
    }
  }

  /** Makes one request, and leaves its failure as the client said it: for those who ask about a bucket, and judge each answer themselves. */
  async ask<T>(
    call: DriverCall,
    options: CallOptions,
    send: (client: C, bounds: DriverBounds) => Promise<T>,
  ): Promise<T> {
    this.check(call, options)
    const { attemptTimeoutMs } = this.#settings
    const attempt = new DriverAttempt(call, options.signal, this.#closing.signal)
    return await attempt.run(async () => {
      attempt.allow(attemptTimeoutMs)
      this.#client ??= this.#connect()
      return await send(await this.#client, { signal: attempt.signal, timeoutMs: attemptTimeoutMs })
    })
  }

  /** Reads a body to its end, and destroys it when it is given up. @param untagged The error for an answer without a token. */
  async readWhole(
    call: DriverCall,
    { token, length, body }: DriverDownload,
    attempt: DriverAttempt,
    untagged: () => KeelstateError,
  ): Promise<StoredObject> {
    const { attemptTimeoutMs, maxBytes } = this.#settings
    const giveUp = () => body.destroy?.()
    attempt.signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (token === undefined) throw untagged()
      const bytes = await readBody(body, length, maxBytes, call, () => attempt.allow(attemptTimeoutMs))
      return { bytes, token }
    } catch (error) {
      giveUp()
      throw error
    } finally {
      attempt.signal.removeEventListener('abort', giveUp)
    }
  }

  /** Ends what is under way. Calling it twice is fine. */
  async close(): Promise<void> {
    this.#closing.abort()
    const client = this.#client
    this.#client = undefined
    await client?.then(
      (one) => one.destroy(),
      () => {}, // never came about
    )
  }
}
