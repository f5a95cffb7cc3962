import { PassThrough, type Readable } from 'node:stream'
import type { File, Storage, StorageOptions } from '@google-cloud/storage'
import type { DriverBounds, DriverClient, DriverDownload } from '../core/driver-connection.ts'
import { Wire, type WireCall } from '../core/driver-wire.ts'
import { KeelstateError } from '../core/errors.ts'
import type { GcsAnswered, GcsQuestion } from './inspect.ts'
import { EMULATOR_HOST, type GcsCredentials, type GcsSettings } from './options.ts'

/** What is needed of a `Storage` that a user passes in; the client's own fits. */
export interface GcsClientSlice {
  bucket(name: string): object
  readonly customEndpoint?: boolean | undefined
}

export interface GcsUpload {
  readonly bytes: Uint8Array
  /** `0`: nothing may stand there. */
  readonly ifGenerationMatch: string
  /** Base64; the service verifies it. */
  readonly md5Hash: string
  readonly idempotencyToken: string
  readonly cacheControl?: string
}

export interface GcsPage {
  readonly items: readonly { readonly name: string; readonly size: string }[]
  readonly nextPageToken?: string | undefined
}

export interface GcsListInput {
  readonly prefix: string
  readonly maxResults: number
  readonly pageToken?: string | undefined
}

const QUESTIONS: Readonly<Record<GcsQuestion, Made>> = {
  bucket: { uri: '' },
  policy: { uri: '/iam', qs: { optionsRequestedPolicyVersion: 3 } }, // the first version that has conditions
}

/** The operations that the driver makes, each one request. */
export interface GcsOperations extends DriverClient {
  download(name: string, unlessGeneration: string | undefined, call: DriverBounds): Promise<DriverDownload>
  /** Resolves to the new generation. */
  upload(name: string, upload: GcsUpload, call: DriverBounds): Promise<string | undefined>
  remove(name: string, call: DriverBounds): Promise<void>
  list(input: GcsListInput, call: DriverBounds): Promise<GcsPage>
  /** Asks about the bucket, and changes nothing. */
  ask(question: GcsQuestion, call: DriverBounds): Promise<GcsAnswered>
}

/**
 * Loads the client library and makes the client.
 *
 * @throws {KeelstateError} `Unsupported` when the library is not installed.
 */
export async function connectGcs(settings: GcsSettings): Promise<GcsOperations> {
  const client = (settings.client as Storage | undefined) ?? (await ownClient(settings))
  return new GcsConnection(client, settings)
}

async function ownClient(settings: GcsSettings): Promise<Storage> {
  const sdk = await import('@google-cloud/storage').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      operation: 'gcsStore',
      message: 'The client library for Google Cloud Storage is not installed, or cannot be loaded.',
      hint: 'Install it beside keelstate: npm install @google-cloud/storage',
      details: { notExecuted: true },
      cause,
    })
  })
  return withoutEmulatorHost(() => new sdk.Storage(clientOptions(settings)))
}

/** One attempt, by a client of our own: the library changes the retries of a shared one while it works. */
function clientOptions({ credentials, destination: endpoint }: GcsSettings): StorageOptions {
  const given = credentials === undefined ? {} : authOf(credentials)
  const authenticated = credentials !== undefined || !/^http:/i.test(endpoint ?? '')
  return {
    ...given,
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, useAuthWithCustomEndpoint: authenticated }),
    retryOptions: { autoRetry: false, maxRetries: 0 },
  }
}

function authOf(credentials: GcsCredentials): StorageOptions {
  if (typeof credentials !== 'function') {
    const { client_email, private_key } = credentials
    return { credentials: { client_email, private_key } }
  }
  const authClient = { getRequestHeaders: async () => ({ Authorization: `Bearer ${await credentials()}` }) }
  return { authClient: authClient as unknown as NonNullable<StorageOptions['authClient']> } // all that is asked of it
}

/** With this variable in sight the library sends reads to the wrong path; it becomes an ordinary endpoint. The environment is left as it was. */
function withoutEmulatorHost<T>(make: () => T): T {
  const emulator = process.env[EMULATOR_HOST]
  delete process.env[EMULATOR_HOST]
  try {
    return make()
  } finally {
    if (emulator !== undefined) process.env[EMULATOR_HOST] = emulator
  }
}

/** What is added to a request of the library's own making. */
interface Addition {
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

class GcsConnection implements GcsOperations {
  readonly #client: Storage
  readonly #settings: GcsSettings
  readonly #wire = new Wire()

  constructor(client: Storage, settings: GcsSettings) {
    this.#client = client
    this.#settings = settings
  }

  download(name: string, unlessGeneration: string | undefined, call: DriverBounds): Promise<DriverDownload> {
    const query = unlessGeneration === undefined ? {} : { ifGenerationNotMatch: unlessGeneration }
    const file = this.#file(name, { query })
    return this.#wire.run(call.signal, (wire) => startDownload(file, wire))
  }

  upload(name: string, upload: GcsUpload, call: DriverBounds): Promise<string | undefined> {
    const { bytes, ifGenerationMatch, md5Hash, cacheControl, idempotencyToken } = upload
    const { kmsKeyName } = this.#settings
    const file = this.#file(name, {
      query: kmsKeyName === undefined ? {} : { kmsKeyName },
      headers: { 'x-goog-gcs-idempotency-token': idempotencyToken },
    })
    const work = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const stream = file.createWriteStream({
          resumable: false, // one request instead of two
          validation: false, // by the service instead
          metadata: {
            contentType: 'application/octet-stream',
            md5Hash,
            ...(cacheControl === undefined ? {} : { cacheControl }),
          },
          preconditionOpts: { ifGenerationMatch },
        })
        stream.once('error', reject)
        stream.once('finish', () => resolve(textOf(file.metadata.generation)))
        stream.end(bytes)
      })
    return this.#wire.run(call.signal, work)
  }

  remove(name: string, call: DriverBounds): Promise<void> {
    const file = this.#file(name, {})
    const work = () =>
      new Promise<void>((resolve, reject) => {
        file.request({ method: 'DELETE', uri: '' }, (error) => (error ? reject(error) : resolve()))
      })
    return this.#wire.run(call.signal, work)
  }

  list({ prefix, maxResults, pageToken }: GcsListInput, call: DriverBounds): Promise<GcsPage> {
    const bucket = this.#client.bucket(this.#settings.bucket)
    bucket.interceptors.push(this.#addition({}))
    return this.#wire.run(call.signal, async () => {
      const [, , page] = await bucket.getFiles({
        prefix,
        maxResults,
        autoPaginate: false,
        fields: 'items(name,size),nextPageToken',
        ...(pageToken === undefined ? {} : { pageToken }),
      })
      const { items = [], nextPageToken } = page as { items?: GcsPage['items']; nextPageToken?: string }
      return { items, nextPageToken }
    })
  }

  ask(question: GcsQuestion, call: DriverBounds): Promise<GcsAnswered> {
    const bucket = this.#client.bucket(this.#settings.bucket)
    bucket.interceptors.push(this.#addition({}))
    const work = () =>
      new Promise<GcsAnswered>((resolve, reject) => {
        bucket.request(QUESTIONS[question], (error, answer, response) => {
          if (error) return reject(error)
          const { date } = (response?.headers ?? {}) as { date?: string }
          resolve({ answer: Object(answer) as Record<string, unknown>, date })
        })
      })
    return this.#wire.run(call.signal, work)
  }

  async prepare(): Promise<void> {
    const { authClient, customEndpoint, useAuthWithCustomEndpoint, apiEndpoint } = this.#client
    if (customEndpoint && !useAuthWithCustomEndpoint) return // the library sends none
    await authClient?.getRequestHeaders?.(apiEndpoint)
  }

  destroy(): void {
    this.#wire.close()
  }

  #file(name: string, addition: Addition): File {
    const file = this.#client.bucket(this.#settings.bucket).file(name)
    file.interceptors.push(this.#addition(addition))
    return file
  }

  /**
   * Keeps a request a single one, and adds what the library's methods have no option for. The attempt bounds it: the library's own timer goes on after an
   * answer broke off, and keeps the process alive until it ends.
   */
  #addition({ query = {}, headers = {} }: Addition): { request: (made: Made) => Made } {
    const { userProject } = this.#settings
    const paid = userProject === undefined ? query : { ...query, userProject }
    return {
      request: (made) => ({
        ...made,
        maxRetries: 0,
        timeout: 0,
        qs: { ...made.qs, ...paid },
        headers: { ...made.headers, ...headers },
      }),
    }
  }
}

/** A request as interceptors see it. */
type Made = Parameters<File['request']>[0]

const MAX_REFUSAL_BYTES = 64 * 1024 // of an error document

/**
 * Resolves when the answer has begun. Not by `createReadStream`: when its reader gives up, or the answer breaks off, it ends all connections of the
 * process to the service, and with them the requests of others.
 */
function startDownload(file: File, wire: WireCall): Promise<DriverDownload> {
  return new Promise((resolve, reject) => {
    const source = file.requestStream({ uri: '', qs: { alt: 'media' } }) as unknown as Readable
    const body = source.pipe(new PassThrough()) // the library's own stream is of an old kind, whose iteration does not end
    source.on('error', (error) => body.destroy(error))
    body.on('error', reject)
    wire.broken.catch((error: Error) => body.destroy(error))
    source.once('response', (answer: { statusCode: number; headers: Record<string, string> }) => {
      const { statusCode, headers } = answer
      if (statusCode !== 200) {
        readRefusal(body).then((text) => {
          reject(Object.assign(new Error(text), { code: statusCode, response: { statusCode, headers } }))
        }, reject)
        return
      }
      const length = headers['content-length']
      resolve({
        token: headers['x-goog-generation'],
        length: length === undefined ? undefined : Number(length),
        body,
      })
    })
  })
}

async function readRefusal(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > MAX_REFUSAL_BYTES) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function textOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value)
}
