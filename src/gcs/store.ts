import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { DriverAttempt, type DriverCall } from '../core/driver-attempt.ts'
import { readBody } from '../core/driver-body.ts'
import { checkDelete, checkList, checkPut, DRIVER_PAGE, isImmutable } from '../core/driver-checks.ts'
import { KeelstateError, throwIfAborted } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type {
  CallOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectKey,
  ObjectStore,
  ObjectStoreCapabilities,
  PutCondition,
  StoredObject,
  VersionToken,
} from '../core/store.ts'
import { connectGcs, type GcsCallOptions, type GcsDownload, type GcsOperations } from './client.ts'
import { WRITE_INTERVAL_MS } from './errors.ts'
import { IdempotencyTokens } from './idempotency.ts'
import { judgeBucket } from './inspect.ts'
import {
  formatGcsAddress,
  type GcsSettings,
  type GcsStoreOptions,
  isForeignService,
  parseGcsStoreOptions,
} from './options.ts'
import { missingOf, statusOf, translateError } from './translate.ts'

const SERVICE = 'Google Cloud Storage'
const UPLOAD_MS_PER_MEGABYTE = 1_000
const DELETIONS_AT_ONCE = 16 // the JSON API deletes one object a request

/**
 * A store in a bucket of Google Cloud Storage, through its JSON API.
 *
 * Tokens are generations. Every call is one request, except a `delete`, which is one for each key. The client library is loaded with the first call;
 * making the store sends nothing. The service takes one change a second of each object; what comes earlier is `Throttled`.
 *
 * @throws {KeelstateError} `InvalidOptions`. Calls reject as the port says, and with `Unsupported` when `@google-cloud/storage` is not installed.
 */
export function gcsStore(options: GcsStoreOptions): ObjectStore {
  return new GcsStore(parseGcsStoreOptions(options))
}

class GcsStore implements ObjectStore {
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #settings: GcsSettings
  readonly #closing = new AbortController()
  readonly #idempotency = new IdempotencyTokens()
  #connection: Promise<GcsOperations> | undefined

  constructor(settings: GcsSettings) {
    this.address = formatGcsAddress(settings)
    this.capabilities = {
      conditionalPut: true,
      conditionalGet: true,
      durable: true,
      maxBytes: settings.maxBytes,
      proofNeeded: settings.conditionalWrites !== 'trusted' && isForeignService(settings),
      writeIntervalMs: WRITE_INTERVAL_MS,
    }
    this.#settings = settings
    setMaxListeners(0, this.#closing.signal) // one for each call under way
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    const { unlessToken } = options
    const call: DriverCall = { service: SERVICE, operation: 'get', key }
    return this.#attempt(call, options, 0, async (gcs, bounds, attempt) => {
      try {
        const download = await gcs.download(this.#name(key), unlessToken, bounds)
        if (unlessToken !== undefined && download.generation === unlessToken) {
          download.body.destroy() // emulators send it all the same
          return 'unchanged'
        }
        return await this.#readWhole(call, download, attempt)
      } catch (error) {
        if (unlessToken !== undefined && statusOf(error) === 304) return 'unchanged'
        if (statusOf(error) === 404 && (await this.#isObjectMissing(error, gcs, bounds))) return undefined
        throw error
      }
    })
  }

  async put(
    key: ObjectKey,
    body: Uint8Array,
    condition: PutCondition,
    options: CallOptions = {},
  ): Promise<VersionToken> {
    const call: DriverCall = { service: SERVICE, operation: 'put', key }
    this.#checkOpen(call, options)
    checkPut(call, body, condition, this.#settings.maxBytes)
    const bytes = new Uint8Array(body) // before the first await: the caller may change its own
    const md5 = createHash('md5').update(bytes).digest()
    const upload = {
      bytes,
      ifGenerationMatch: 'ifAbsent' in condition ? '0' : condition.ifMatch,
      md5Hash: md5.toString('base64'),
      ...(isImmutable(key) ? {} : { cacheControl: 'no-store' }),
    }
    const attempt = (idempotencyToken: string) =>
      this.#attempt(call, options, bytes.length, async (gcs, bounds) => {
        const generation = await gcs.upload(this.#name(key), { ...upload, idempotencyToken }, bounds)
        if (generation === undefined) throw withoutGeneration(call, 'Unavailable') // it did happen: reading back will tell
        return generation
      })
    return await this.#idempotency.attempt(key, condition, md5, attempt)
  }

  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    const call: DriverCall = { service: SERVICE, operation: 'delete', key: keys[0] ?? '' }
    this.#checkOpen(call, options)
    checkDelete(call, keys)
    this.#idempotency.forget()
    const left = [...keys]
    const signal = shared(options.signal)
    const worker = async () => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) {
        await this.#deleteOne({ ...call, key }, { signal }).catch((error: unknown) => {
          left.length = 0
          throw error
        })
      }
    }
    const workers = await Promise.allSettled(Array.from({ length: Math.min(DELETIONS_AT_ONCE, keys.length) }, worker))
    const failed = workers.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const call: DriverCall = { service: SERVICE, operation: 'list', key: prefix }
    this.#checkOpen(call, options)
    const { cursor, limit = DRIVER_PAGE } = options
    checkList(call, prefix, limit)
    const input = { prefix: this.#name(prefix), maxResults: Math.min(limit, DRIVER_PAGE), pageToken: cursor }
    return await this.#attempt(call, options, 0, async (gcs, bounds) => {
      const { items, nextPageToken } = await gcs.list(input, bounds)
      const objects = items.map(({ name, size }) => ({
        key: name.slice(this.#settings.prefix.length),
        size: Number(size),
      }))
      return nextPageToken === undefined ? { objects } : { objects, cursor: nextPageToken }
    })
  }

  async *inspect(options: CallOptions = {}): AsyncGenerator<Finding> {
    const call: DriverCall = { service: SERVICE, operation: 'get', key: '' }
    try {
      yield* judgeBucket(
        await this.#attempt(call, options, 0, (gcs, bounds) => gcs.settings(bounds)),
        this.#settings.prefix,
      )
    } catch (error) {
      if (!KeelstateError.is(error, 'AccessDenied')) throw error
      const says = "These credentials may not look at the bucket's settings."
      yield { check: 'settings', verdict: 'unknown', says, todo: 'Let somebody look who may (storage.buckets.get).' }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const connection = this.#connection
    this.#connection = undefined
    await connection?.then(
      (gcs) => gcs.destroy(),
      () => {}, // never came about
    )
  }

  async #deleteOne(call: DriverCall, options: CallOptions): Promise<void> {
    await this.#attempt(call, options, 0, async (gcs, bounds) => {
      try {
        await gcs.remove(this.#name(call.key), bounds)
      } catch (error) {
        if (statusOf(error) !== 404 || !(await this.#isObjectMissing(error, gcs, bounds))) throw error
      }
    })
  }

  /** Whether a 404 means that the object is absent and its bucket is not. Asks again where the service did not say so: emulators do not. */
  async #isObjectMissing(error: unknown, gcs: GcsOperations, bounds: GcsCallOptions): Promise<boolean> {
    const missing = missingOf(error)
    if (missing === 'unsaid') {
      await gcs.list({ prefix: this.#settings.prefix, maxResults: 1 }, bounds).catch((answer: unknown) => {
        throw statusOf(answer) === 404 ? Object.assign(new Error('The bucket does not exist.'), { code: 404 }) : answer
      })
    }
    return missing !== 'bucket'
  }

  /** One request, bounded, with its failure translated. */
  async #attempt<T>(
    call: DriverCall,
    options: CallOptions,
    sentBytes: number,
    send: (gcs: GcsOperations, bounds: GcsCallOptions, attempt: DriverAttempt) => Promise<T>,
  ): Promise<T> {
    this.#checkOpen(call, options)
    const { attemptTimeoutMs, bucket } = this.#settings
    const timeoutMs = attemptTimeoutMs + Math.ceil((sentBytes / 1e6) * UPLOAD_MS_PER_MEGABYTE)
    const attempt = new DriverAttempt(call, options.signal, this.#closing.signal)
    try {
      return await attempt.run(async () => {
        attempt.allow(timeoutMs)
        this.#connection ??= connectGcs(this.#settings)
        const gcs = await this.#connection
        await gcs.prepare()
        attempt.signal.throwIfAborted()
        attempt.sent = true
        attempt.allow(timeoutMs)
        return await send(gcs, { signal: attempt.signal, timeoutMs }, attempt)
      })
    } catch (error) {
      throw translateError(error, call, bucket, attempt.sent)
    }
  }

  async #readWhole(
    call: DriverCall,
    { generation, length, body }: GcsDownload,
    attempt: DriverAttempt,
  ): Promise<StoredObject> {
    const { attemptTimeoutMs, maxBytes } = this.#settings
    const giveUp = () => body.destroy()
    attempt.signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (generation === undefined) throw withoutGeneration(call, 'Unsupported')
      const bytes = await readBody(body, length, maxBytes, call, () => attempt.allow(attemptTimeoutMs))
      return { bytes, token: generation }
    } catch (error) {
      giveUp()
      throw error
    } finally {
      attempt.signal.removeEventListener('abort', giveUp)
    }
  }

  #checkOpen({ operation, key }: DriverCall, { signal }: CallOptions): void {
    if (this.#closing.signal.aborted)
      throw new KeelstateError('Closed', { operation, message: 'This store was closed.' })
    throwIfAborted(signal, operation, key)
  }

  #name(key: string): string {
    return this.#settings.prefix + key
  }
}

/** The caller's signal for calls side by side, each of which listens: Node warns of more than ten listeners on the caller's own. */
function shared(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined) return undefined
  const own = AbortSignal.any([signal])
  setMaxListeners(0, own)
  return own
}

function withoutGeneration({ operation, key }: DriverCall, code: 'Unavailable' | 'Unsupported'): KeelstateError {
  return new KeelstateError(code, {
    operation,
    key,
    message: `${SERVICE} ${operation} of ${key}: the service's answer has no generation.`,
    hint: 'keelstate needs the x-goog-generation header; a proxy may have taken it away.',
  })
}
