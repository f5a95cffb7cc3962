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
import { connectS3, type S3CallOptions, type S3GetOutput, type S3Operations } from './client.ts'
import { inspectS3 } from './inspect.ts'
import {
  formatS3Address,
  isForeignService,
  parseS3StoreOptions,
  type S3Settings,
  type S3StoreOptions,
} from './options.ts'
import { isNoSuchKey, statusOf, translateEntry, translateError } from './translate.ts'

const SERVICE = 'S3'
const UPLOAD_MS_PER_MEGABYTE = 1_000

/**
 * A store in a bucket of S3, or of a service that speaks its protocol with conditional writes.
 *
 * Tokens are ETags, verbatim. Every call but an empty `delete` is one request: GetObject, PutObject, DeleteObjects or ListObjectsV2. The AWS SDK is
 * loaded with the first call; making the store sends nothing.
 *
 * @throws {KeelstateError} `InvalidOptions`. Calls reject as the port says, and with `Unsupported` when `@aws-sdk/client-s3` is not installed.
 */
export function s3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(parseS3StoreOptions(options))
}

class S3Store implements ObjectStore {
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #settings: S3Settings
  readonly #closing = new AbortController()
  #connection: Promise<S3Operations> | undefined

  constructor(settings: S3Settings) {
    this.address = formatS3Address(settings)
    this.capabilities = {
      conditionalPut: true,
      conditionalGet: true,
      durable: true,
      maxBytes: settings.maxBytes,
      proofNeeded: settings.conditionalWrites !== 'trusted' && isForeignService(settings),
    }
    this.#settings = settings
    setMaxListeners(0, this.#closing.signal) // one for each call under way
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    const { unlessToken } = options
    const input = {
      ...this.#target(key),
      ...(unlessToken === undefined ? {} : { IfNoneMatch: unlessToken }),
    }
    const call: DriverCall = { service: SERVICE, operation: 'get', key }
    return this.#attempt(call, options, 0, async (s3, bounds, attempt) => {
      try {
        return await this.#readWhole(call, await s3.getObject(input, bounds), attempt)
      } catch (error) {
        if (unlessToken !== undefined && statusOf(error) === 304) return 'unchanged'
        if (isNoSuchKey(error)) return undefined
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
    const { maxBytes, serverSideEncryption, kmsKeyId } = this.#settings
    checkPut(call, body, condition, maxBytes)
    const copy = new Uint8Array(body) // before the first await: the caller may change its own
    const input = {
      ...this.#target(key),
      Body: copy,
      ContentLength: copy.length,
      ContentType: 'application/octet-stream',
      ...(!isImmutable(key) ? { CacheControl: 'no-store' } : {}),
      ...('ifAbsent' in condition ? { IfNoneMatch: '*' } : { IfMatch: condition.ifMatch }),
      ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
    }
    return this.#attempt(call, options, copy.length, async (s3, bounds) => {
      const { ETag } = await s3.putObject(input, bounds)
      if (ETag === undefined) throw untagged(call, 'Unavailable') // it did happen: reading back will tell
      return ETag
    })
  }

  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    const call: DriverCall = { service: SERVICE, operation: 'delete', key: keys[0] ?? '' }
    this.#checkOpen(call, options)
    checkDelete(call, keys)
    if (keys.length === 0) return
    const input = {
      ...this.#bucket(),
      Delete: { Objects: keys.map((key) => ({ Key: this.#settings.prefix + key })), Quiet: true as const },
    }
    await this.#attempt(call, options, 0, async (s3, bounds) => {
      const { Errors = [] } = await s3.deleteObjects(input, bounds)
      const refused = Errors.find(({ Code }) => Code !== 'NoSuchKey') // what is absent was to be so
      if (refused === undefined) return
      const key = refused.Key?.slice(this.#settings.prefix.length) ?? call.key
      throw translateEntry(refused, { ...call, key }, this.#settings.bucket)
    })
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const call: DriverCall = { service: SERVICE, operation: 'list', key: prefix }
    this.#checkOpen(call, options)
    const { cursor, limit = DRIVER_PAGE } = options
    checkList(call, prefix, limit)
    const input = {
      ...this.#bucket(),
      Prefix: this.#settings.prefix + prefix,
      MaxKeys: Math.min(limit, DRIVER_PAGE),
      ...(cursor === undefined ? {} : { ContinuationToken: cursor }),
    }
    return this.#attempt(call, options, 0, async (s3, bounds) => {
      const { Contents = [], NextContinuationToken } = await s3.listObjects(input, bounds)
      const objects = Contents.map(({ Key = '', Size = 0 }) => ({
        key: Key.slice(this.#settings.prefix.length),
        size: Size,
      }))
      return NextContinuationToken === undefined ? { objects } : { objects, cursor: NextContinuationToken }
    })
  }

  async *inspect(options: CallOptions = {}): AsyncGenerator<Finding> {
    const { attemptTimeoutMs } = this.#settings
    yield* inspectS3(this.#settings, async (question, input = {}) => {
      const call: DriverCall = { service: SERVICE, operation: 'get', key: '' }
      this.#checkOpen(call, options)
      const attempt = new DriverAttempt(call, options.signal, this.#closing.signal)
      return await attempt.run(async () => {
        attempt.allow(attemptTimeoutMs)
        this.#connection ??= connectS3(this.#settings)
        const bounds = { signal: attempt.signal, timeoutMs: attemptTimeoutMs }
        return await (await this.#connection).ask(question, { ...this.#bucket(), ...input }, bounds)
      })
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const connection = this.#connection
    this.#connection = undefined
    await connection?.then(
      (s3) => s3.destroy(),
      () => {}, // never came about
    )
  }

  /** One request, bounded, with its failure translated. */
  async #attempt<T>(
    call: DriverCall,
    options: CallOptions,
    sentBytes: number,
    send: (s3: S3Operations, bounds: S3CallOptions, attempt: DriverAttempt) => Promise<T>,
  ): Promise<T> {
    this.#checkOpen(call, options)
    const { attemptTimeoutMs, bucket } = this.#settings
    const timeoutMs = attemptTimeoutMs + Math.ceil((sentBytes / 1e6) * UPLOAD_MS_PER_MEGABYTE)
    const attempt = new DriverAttempt(call, options.signal, this.#closing.signal)
    try {
      return await attempt.run(async () => {
        attempt.allow(timeoutMs)
        this.#connection ??= connectS3(this.#settings)
        const s3 = await this.#connection
        await s3.prepare()
        attempt.signal.throwIfAborted()
        attempt.sent = true
        attempt.allow(timeoutMs)
        return await send(s3, { signal: attempt.signal, timeoutMs }, attempt)
      })
    } catch (error) {
      throw translateError(error, call, bucket, attempt.sent)
    }
  }

  async #readWhole(
    call: DriverCall,
    { Body, ContentLength, ETag }: S3GetOutput,
    attempt: DriverAttempt,
  ): Promise<StoredObject> {
    const { attemptTimeoutMs, maxBytes } = this.#settings
    const giveUp = () => Body?.destroy?.()
    attempt.signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (ETag === undefined) throw untagged(call, 'Unsupported')
      const bytes = await readBody(Body ?? nothing(), ContentLength, maxBytes, call, () =>
        attempt.allow(attemptTimeoutMs),
      )
      return { bytes, token: ETag }
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

  #bucket(): { Bucket: string; ExpectedBucketOwner?: string } {
    const { bucket, expectedBucketOwner } = this.#settings
    return {
      Bucket: bucket,
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    }
  }

  #target(key: ObjectKey): { Bucket: string; Key: string; ExpectedBucketOwner?: string } {
    return { ...this.#bucket(), Key: this.#settings.prefix + key }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function untagged(call: DriverCall, code: 'Unavailable' | 'Unsupported'): KeelstateError {
  return new KeelstateError(code, {
    operation: call.operation,
    key: call.key,
    message: `S3 ${call.operation} of ${call.key}: the service's answer has no ETag.`,
    hint: 'keelstate needs an S3 service that gives ETags; a proxy may have taken it away.',
  })
}
