import { createHash, randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { DriverCall } from '../core/driver-attempt.ts'
import { checkDelete, checkList, checkPut, DRIVER_PAGE, isImmutable } from '../core/driver-checks.ts'
import { type DriverBounds, DriverConnection } from '../core/driver-connection.ts'
import { KeelstateError } from '../core/errors.ts'
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
import { connectGcs, type GcsOperations } from './client.ts'
import { WRITE_INTERVAL_MS } from './errors.ts'
import { IdempotencyTokens } from './idempotency.ts'
import { inspectGcs } from './inspect.ts'
import {
  formatGcsAddress,
  type GcsSettings,
  type GcsStoreOptions,
  isForeignService,
  parseGcsStoreOptions,
} from './options.ts'
import { WritePace } from './pace.ts'
import { missingOf, statusOf, translateError } from './translate.ts'

const SERVICE = 'Google Cloud Storage'
const DELETIONS_AT_ONCE = 16 // the JSON API deletes one object a request

/**
 * A store in a bucket of Google Cloud Storage, through its JSON API.
 *
 * Tokens are generations. Every call is one request, except a `delete`, which is one for each key. The client library is loaded with the first call;
 * making the store sends nothing. The service takes one change a second of each object; what comes earlier is `Throttled`, and
 * from then on a write of that object waits until the service will take it.
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
  readonly #idempotency = new IdempotencyTokens()
  readonly #pace = new WritePace()
  readonly #connection: DriverConnection<GcsOperations>

  constructor(settings: GcsSettings) {
    this.address = formatGcsAddress(settings)
    this.capabilities = {
      conditionalPut: true,
      conditionalGet: true,
      durable: true,
      maxBytes: settings.maxBytes,
      proofNeeded: settings.conditionalWrites !== 'trusted' && isForeignService(settings),
      provable: !settings.ownEndpoint,
      writeIntervalMs: WRITE_INTERVAL_MS,
    }
    this.#settings = settings
    this.#connection = new DriverConnection(settings, () => connectGcs(settings), translateError)
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    const { unlessToken } = options
    const call: DriverCall = { service: SERVICE, operation: 'get', key }
    return this.#connection.attempt(call, options, 0, async (gcs, bounds, attempt) => {
      try {
        const download = await gcs.download(this.#name(key), unlessToken, bounds)
        if (unlessToken !== undefined && download.token === unlessToken) {
          download.body.destroy?.() // emulators send it all the same
          return 'unchanged'
        }
        return await this.#connection.readWhole(call, download, attempt, () => withoutGeneration(call, 'Unsupported'))
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
    this.#connection.check(call, options)
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
      this.#connection.attempt(call, options, bytes.length, async (gcs, bounds) => {
        const generation = await gcs.upload(this.#name(key), { ...upload, idempotencyToken }, bounds)
        if (generation === undefined) throw withoutGeneration(call, 'Unavailable') // it did happen: reading back will tell
        return generation
      })
    await this.#pace.turn(key, options.signal)
    try {
      const generation = await this.#idempotency.attempt(key, condition, md5, attempt)
      this.#pace.written(key)
      return generation
    } catch (error) {
      if (KeelstateError.is(error, 'Throttled')) this.#pace.refused(key)
      if (KeelstateError.is(error, 'PreconditionFailed')) this.#pace.contested(key)
      throw error
    }
  }

  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    const call: DriverCall = { service: SERVICE, operation: 'delete', key: keys[0] ?? '' }
    this.#connection.check(call, options)
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
    this.#connection.check(call, options)
    const { cursor, limit = DRIVER_PAGE } = options
    checkList(call, prefix, limit)
    const input = { prefix: this.#name(prefix), maxResults: Math.min(limit, DRIVER_PAGE), pageToken: cursor }
    return await this.#connection.attempt(call, options, 0, async (gcs, bounds) => {
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
    const send = <T>(work: (gcs: GcsOperations, bounds: DriverBounds) => Promise<T>) =>
      this.#connection.ask(call, options, work)
    yield* inspectGcs(this.#settings, {
      ask: (question) => send((gcs, bounds) => gcs.ask(question, bounds)),
      upload: (name, bytes, md5Hash) =>
        send((gcs, bounds) =>
          gcs.upload(name, { bytes, md5Hash, ifGenerationMatch: '0', idempotencyToken: randomUUID() }, bounds),
        ),
      remove: (name) => send((gcs, bounds) => gcs.remove(name, bounds)),
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #deleteOne(call: DriverCall, options: CallOptions): Promise<void> {
    await this.#connection.attempt(call, options, 0, async (gcs, bounds) => {
      try {
        await gcs.remove(this.#name(call.key), bounds)
      } catch (error) {
        if (statusOf(error) !== 404 || !(await this.#isObjectMissing(error, gcs, bounds))) throw error
      }
    })
  }

  /** Whether a 404 means that the object is absent and its bucket is not. Asks again where the service did not say so: emulators do not. */
  async #isObjectMissing(error: unknown, gcs: GcsOperations, bounds: DriverBounds): Promise<boolean> {
    const missing = missingOf(error)
    if (missing === 'unsaid') {
      await gcs.list({ prefix: this.#settings.prefix, maxResults: 1 }, bounds).catch((answer: unknown) => {
        throw statusOf(answer) === 404 ? Object.assign(new Error('The bucket does not exist.'), { code: 404 }) : answer
      })
    }
    return missing !== 'bucket'
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
