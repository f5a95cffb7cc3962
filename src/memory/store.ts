import type { DriverCall } from '../core/driver-attempt.ts'
import { checkDelete, checkList, checkPut, DRIVER_PAGE } from '../core/driver-checks.ts'
import { KeelstateError, throwIfAborted } from '../core/errors.ts'
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
import type { MemoryBucket } from './bucket.ts'
import { type MemoryStoreOptions, parseMemoryStoreOptions } from './options.ts'

/**
 * A store in this process's memory, for tests and for `memory:`. Gone when the process ends.
 *
 * Each call makes a bucket of its own unless one is passed in.
 *
 * @throws {KeelstateError} `InvalidOptions`.
 */
export function memoryStore(options: MemoryStoreOptions = {}): ObjectStore {
  const { bucket, maxBytes } = parseMemoryStoreOptions(options)
  return new MemoryStore(bucket, maxBytes)
}

/** Each method does its work before its first `await`, so every condition is checked and applied in one step. */
class MemoryStore implements ObjectStore {
  readonly address: string = 'memory:'
  readonly capabilities: ObjectStoreCapabilities
  readonly #bucket: MemoryBucket
  #closed = false

  constructor(bucket: MemoryBucket, maxBytes: number) {
    this.#bucket = bucket
    this.capabilities = { conditionalPut: true, conditionalGet: true, durable: false, maxBytes }
  }

  async get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    this.#begin('get', options, key)
    const found = this.#bucket.peek(key)
    if (found === undefined) return undefined
    if (found.token === options.unlessToken) return 'unchanged'
    return { bytes: new Uint8Array(found.bytes), token: found.token }
  }

  async put(
    key: ObjectKey,
    body: Uint8Array,
    condition: PutCondition,
    options: CallOptions = {},
  ): Promise<VersionToken> {
    this.#begin('put', options, key)
    checkPut(callOf('put', key), body, condition, this.capabilities.maxBytes)
    const found = this.#bucket.peek(key)
    if ('ifAbsent' in condition) {
      if (found !== undefined) throw preconditionFailed(key, `${key} exists already.`)
    } else {
      if (found === undefined) {
        throw new KeelstateError('NotFound', {
          operation: 'put',
          key,
          message: `${key}, which was to be replaced, does not exist.`,
          details: { subject: 'object' },
        })
      }
      if (found.token !== condition.ifMatch) throw preconditionFailed(key, `${key} is not what it was expected to be.`)
    }
    return this.#bucket.overwrite(key, body)
  }

  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    this.#begin('delete', options)
    checkDelete(callOf('delete', keys[0] ?? ''), keys)
    for (const key of keys) this.#bucket.remove(key)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    this.#begin('list', options, prefix)
    const { cursor, limit = DRIVER_PAGE } = options
    checkList(callOf('list', prefix), prefix, limit)
    const after = cursor === undefined ? undefined : Buffer.from(cursor)
    const keys = this.#bucket
      .keys()
      .filter((key) => key.startsWith(prefix) && (after === undefined || Buffer.compare(Buffer.from(key), after) > 0))
    const page = keys.slice(0, Math.min(limit, DRIVER_PAGE))
    const objects = page.map((key) => ({ key, size: this.#bucket.peek(key)!.bytes.length }))
    return page.length < keys.length ? { objects, cursor: page.at(-1)! } : { objects }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #begin(operation: string, options: CallOptions, key?: string): void {
    if (this.#closed) throw new KeelstateError('Closed', { operation, message: 'This store was closed.' })
    throwIfAborted(options.signal, operation, key)
  }
}

function callOf(operation: DriverCall['operation'], key: string): DriverCall {
  return { service: 'memory', operation, key }
}

function preconditionFailed(key: ObjectKey, message: string): KeelstateError {
  return new KeelstateError('PreconditionFailed', { operation: 'put', key, message })
}
