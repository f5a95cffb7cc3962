import type { DriverCall } from '../core/driver-attempt.ts'
import { checkDelete, checkList, checkPut, DRIVER_PAGE, isImmutable } from '../core/driver-checks.ts'
import { DriverConnection } from '../core/driver-connection.ts'
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
import { connectS3, type S3Operations } from './client.ts'
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
  readonly #connection: DriverConnection<S3Operations>

  constructor(settings: S3Settings) {
    this.address = formatS3Address(settings)
    this.capabilities = {
      conditionalPut: true,
      conditionalGet: true,
      durable: true,
      maxBytes: settings.maxBytes,
      proofNeeded: settings.conditionalWrites !== 'trusted' && isForeignService(settings),
      provable: !settings.ownEndpoint,
    }
    this.#settings = settings
    this.#connection = new DriverConnection(settings, () => connectS3(settings), translateError)
  }

  get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    const { unlessToken } = options
    const input = {
      ...this.#target(key),
      ...(unlessToken === undefined ? {} : { IfNoneMatch: unlessToken }),
    }
    const call: DriverCall = { service: SERVICE, operation: 'get', key }
    return this.#connection.attempt(call, options, 0, async (s3, bounds, attempt) => {
      try {
        const { ETag, ContentLength, Body } = await s3.getObject(input, bounds)
        const download = { token: ETag, length: ContentLength, body: Body ?? nothing() }
        return await this.#connection.readWhole(call, download, attempt, () => untagged(call, 'Unsupported'))
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
    this.#connection.check(call, options)
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
    return this.#connection.attempt(call, options, copy.length, async (s3, bounds) => {
      const { ETag } = await s3.putObject(input, bounds)
      if (ETag === undefined) throw untagged(call, 'Unavailable') // it did happen: reading back will tell
      return ETag
    })
  }

  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    const call: DriverCall = { service: SERVICE, operation: 'delete', key: keys[0] ?? '' }
    this.#connection.check(call, options)
    checkDelete(call, keys)
    if (keys.length === 0) return
    const input = {
      ...this.#bucket(),
      Delete: { Objects: keys.map((key) => ({ Key: this.#settings.prefix + key })), Quiet: true as const },
    }
    await this.#connection.attempt(call, options, 0, async (s3, bounds) => {
      const { Errors = [] } = await s3.deleteObjects(input, bounds)
      const refused = Errors.find(({ Code }) => Code !== 'NoSuchKey') // what is absent was to be so
      if (refused === undefined) return
      const key = refused.Key?.slice(this.#settings.prefix.length) ?? call.key
      throw translateEntry(refused, { ...call, key }, this.#settings.bucket)
    })
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const call: DriverCall = { service: SERVICE, operation: 'list', key: prefix }
    this.#connection.check(call, options)
    const { cursor, limit = DRIVER_PAGE } = options
    checkList(call, prefix, limit)
    const input = {
      ...this.#bucket(),
      Prefix: this.#settings.prefix + prefix,
      MaxKeys: Math.min(limit, DRIVER_PAGE),
      ...(cursor === undefined ? {} : { ContinuationToken: cursor }),
    }
    return this.#connection.attempt(call, options, 0, async (s3, bounds) => {
      const { Contents = [], NextContinuationToken } = await s3.listObjects(input, bounds)
      const objects = Contents.map(({ Key = '', Size = 0 }) => ({
        key: Key.slice(this.#settings.prefix.length),
        size: Size,
      }))
      return NextContinuationToken === undefined ? { objects } : { objects, cursor: NextContinuationToken }
    })
  }

  async credentialsEnd(options: CallOptions = {}): Promise<Date | undefined> {
    const call: DriverCall = { service: SERVICE, operation: 'get', key: '' }
    return await this.#connection.attempt(call, options, 0, (s3) => s3.credentialsEnd())
  }

  async *inspect(options: CallOptions = {}): AsyncGenerator<Finding> {
    const call: DriverCall = { service: SERVICE, operation: 'get', key: '' }
    yield* inspectS3(this.#settings, (question, input = {}) =>
      this.#connection.ask(call, options, (s3, bounds) => s3.ask(question, { ...this.#bucket(), ...input }, bounds)),
    )
  }

  close(): Promise<void> {
    return this.#connection.close()
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
