import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { systemEnvironment } from '../../core/environment.ts'
import { type FaultAction, type FaultTarget, type FaultyExchange, performExchange } from '../faults.ts'
import { HttpListener } from '../http-listener.ts'
import { KmsAccess, type KmsCredential } from './access.ts'
import { errorAnswer, jsonAnswer, type KmsAnswer, KmsRefusal } from './answers.ts'
import { type EncryptionContext, type KmsKey, KmsKeys } from './keys.ts'
import { execute, inputOf, isOperation, type KmsOperation } from './operations.ts'
import type { RawKmsRequest } from './signature.ts'

/** How the server is set up. */
export interface KmsServerOptions {
  /** Region of the endpoint; requests signed for another one are refused. Default `us-east-1`. */
  region?: string
  /** Account of the keys. Default `111122223333`. */
  account?: string
  /** The key pairs that it knows. Default: one that may do everything. */
  credentials?: readonly KmsCredential[]
}

/** One request, in the order of arrival. Holds neither keys nor wrapped keys. */
export interface KmsRequestRecord {
  /** `Unknown` when the server does not know the operation. */
  readonly operation: KmsOperation | 'Unknown'
  /** The key as the request names it; `''` when it names none. */
  readonly keyId: string
  readonly context: EncryptionContext
  /** The fault that hit it. */
  readonly fault: FaultAction['do'] | undefined
  /** Status that was sent, and the error code; undefined while none was. */
  status: number | undefined
  code: string | undefined
}

const DEFAULT_CREDENTIAL: KmsCredential = { accessKeyId: 'fixture-key', secretAccessKey: 'fixture-secret' }
const TARGET = 'TrentService.' // the service's name in its protocol
const CONTENT_TYPE = 'application/x-amz-json-1.1'

/**
 * A strict AWS KMS in this process, on 127.0.0.1, for real clients: GenerateDataKey, Encrypt and Decrypt with symmetric keys.
 *
 * It wraps for real: with another key, another encryption context or changed bytes nothing comes back. What it does not do is refused and never
 * ignored. Keys are made and changed by its methods. Faults can be planned for any request; rules see the operation, and the key as it was named.
 */
export async function startKmsServer(options: KmsServerOptions = {}): Promise<KmsServer> {
  const server = new KmsServer(options)
  await server.listen(0)
  return server
}

/** A running server. Made by `startKmsServer`. */
export class KmsServer extends HttpListener {
  readonly region: string
  /** The first of its key pairs. */
  readonly credential: KmsCredential
  /** Every request since the start or the last `takeRequests`. */
  readonly requests: KmsRequestRecord[] = []

  readonly #keys: KmsKeys
  readonly #access: KmsAccess

  /** @internal */
  constructor(options: KmsServerOptions) {
    super()
    const credentials = options.credentials ?? [DEFAULT_CREDENTIAL]
    this.region = options.region ?? 'us-east-1'
    this.credential = credentials[0] ?? DEFAULT_CREDENTIAL
    this.#keys = new KmsKeys(this.region, options.account ?? '111122223333')
    this.#access = new KmsAccess(credentials, this.region)
  }

  /** What a client of the AWS SDK is configured with. */
  get clientConfig(): { endpoint: string; region: string; credentials: KmsCredential } {
    return { endpoint: this.endpoint, region: this.region, credentials: this.credential }
  }

  createKey(options: { multiRegion?: boolean } = {}): KmsKey {
    return this.#keys.create(options.multiRegion ?? false)
  }

  /** Makes a multi-Region key of another server usable here. */
  replicateKey(key: KmsKey): KmsKey {
    return this.#keys.replicate(key)
  }

  /** Makes `alias/NAME` stand for a key, or for another one than before. */
  setAlias(name: `alias/${string}`, key: KmsKey): void {
    this.#keys.alias(name, key)
  }

  /** Replaces what a key pair may not do, from the next request on. */
  deny(accessKeyId: string, operations: readonly KmsOperation[]): void {
    this.#access.deny(accessKeyId, operations)
  }

  /** The requests so far; the log is empty afterwards. */
  takeRequests(): KmsRequestRecord[] {
    return this.requests.splice(0)
  }

  protected override async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {}) // the sender has gone
    const body = await buffer(incoming).catch(() => undefined)
    if (body === undefined) return
    const { method = '', url = '' } = incoming
    const raw: RawKmsRequest = { method, url, headers: incoming.headers as Record<string, string>, body }
    const name = raw.headers['x-amz-target']?.replace(TARGET, '') ?? ''
    const operation = isOperation(name) ? name : 'Unknown'
    const input = inputOf(body)
    const target: FaultTarget = { method, operation, key: input.keyId }
    const action = this.faults.take(target)
    const record: KmsRequestRecord = { operation, ...input, fault: action?.do, status: undefined, code: undefined }
    this.requests.push(record)
    const send = (answer: KmsAnswer, sent: Uint8Array, then: () => void): Promise<void> => {
      if (response.destroyed || incoming.socket.destroyed) return Promise.resolve()
      record.status = answer.status
      record.code = answer.code
      response.writeHead(answer.status, {
        'content-type': CONTENT_TYPE,
        'content-length': answer.body.length,
        'x-amzn-requestid': randomUUID(),
      })
      return new Promise((resolve) => {
        for (const event of ['close', 'finish']) response.once(event, resolve)
        response.write(sent, then)
      })
    }
    const exchange: FaultyExchange<KmsAnswer> = {
      target,
      execute: async () => this.#execute(raw, operation),
      refusal: (status, code) => errorAnswer(status, code, 'An injected fault.'),
      answer: (answer) => send(answer, answer.body, () => response.end()),
      truncate: (answer, bytes) => send(answer, answer.body.subarray(0, bytes), () => incoming.socket.destroySoon()),
      corrupted: (answer, at) => ({ ...answer, body: answer.body.map((byte, n) => (n === at ? byte ^ 1 : byte)) }),
      reset: () => void incoming.socket.resetAndDestroy(),
    }
    await performExchange(exchange, action, systemEnvironment, this.closing)
  }

  #execute(raw: RawKmsRequest, operation: KmsOperation | 'Unknown'): KmsAnswer {
    try {
      const caller = this.#access.authenticate(raw, Date.now())
      if (
        raw.method !== 'POST' ||
        raw.url !== '/' ||
        raw.headers['content-type'] !== CONTENT_TYPE ||
        operation === 'Unknown'
      )
        throw new KmsRefusal('UnknownOperationException')
      return jsonAnswer(execute(operation, raw.body, this.#keys, caller))
    } catch (error) {
      if (error instanceof KmsRefusal) return errorAnswer(400, error.code, error.message)
      return errorAnswer(500, 'KMSInternalException', '')
    }
  }
}
