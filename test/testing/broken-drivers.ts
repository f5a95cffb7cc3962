import { KeelstateError } from '../../src/core/errors.ts'
import type { ListPage, ObjectStore, PutCondition, StoredObject } from '../../src/core/store.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import type { ObjectStoreHarness } from '../../src/testing/index.ts'

const MAX_BYTES = 1_000_000
const pause = () => new Promise<void>((resolve) => setImmediate(resolve))
const error = (code: 'NotFound' | 'PreconditionFailed', message: string) =>
  new KeelstateError(code, { message, ...(code === 'NotFound' ? { details: { subject: 'object' as const } } : {}) })

type Overrides = (good: ObjectStore, bucket: MemoryBucket) => Partial<ObjectStore>

/** A driver with one mistake, or a harness that shows one, and a case of the suite that has to notice. */
export interface BrokenDriver {
  readonly mistake: string
  readonly noticedBy: string
  readonly harness: ObjectStoreHarness
}

function withMethods(store: ObjectStore, overrides: Partial<ObjectStore>): ObjectStore {
  return {
    address: store.address,
    capabilities: store.capabilities,
    get: store.get.bind(store),
    put: store.put.bind(store),
    delete: store.delete.bind(store),
    list: store.list.bind(store),
    close: store.close.bind(store),
    ...overrides,
  }
}

function broken(
  mistake: string,
  noticedBy: string,
  overrides: Overrides,
  more: Partial<ObjectStoreHarness> = {},
): BrokenDriver {
  const buckets = new WeakMap<ObjectStore, MemoryBucket>()
  const openOn = (bucket: MemoryBucket) => {
    const good = memoryStore({ bucket, maxBytes: MAX_BYTES })
    const store = withMethods(good, overrides(good, bucket))
    buckets.set(store, bucket)
    return store
  }
  const harness: ObjectStoreHarness = {
    name: mistake,
    open: async () => openOn(new MemoryBucket()),
    openAgain: async (store) => openOn(buckets.get(store)!),
    ...more,
  }
  return { mistake, noticedBy, harness }
}

const bytesOf = (found: StoredObject | 'unchanged' | undefined) =>
  found === undefined || found === 'unchanged' ? undefined : found
const withPage = (page: ListPage, objects: ListPage['objects']): ListPage => ({ ...page, objects })

export const BROKEN_DRIVERS: readonly BrokenDriver[] = [
  broken('checks the condition, then writes, in two steps', 'racing writers on one token', (good, bucket) => ({
    async put(key, body, condition) {
      const copy = new Uint8Array(body)
      const found = bucket.peek(key)
      if ('ifAbsent' in condition ? found !== undefined : found?.token !== condition.ifMatch)
        return good.put(key, copy, condition)
      await pause()
      return bucket.overwrite(key, copy)
    },
  })),
  broken('ignores ifAbsent', 'an object is created once', (good, bucket) => ({
    async put(key, body, condition) {
      return 'ifAbsent' in condition ? bucket.overwrite(key, body) : good.put(key, body, condition)
    },
  })),
  broken('creates in two steps', 'racing creators', (good, bucket) => ({
    async put(key, body, condition) {
      if (!('ifAbsent' in condition) || bucket.peek(key) !== undefined) return good.put(key, body, condition)
      const copy = new Uint8Array(body)
      await pause()
      return bucket.overwrite(key, copy)
    },
  })),
  broken('ignores ifMatch', 'a write on a token that is no longer current', (good, bucket) => ({
    async put(key, body, condition) {
      return 'ifMatch' in condition ? bucket.overwrite(key, body) : good.put(key, body, condition)
    },
  })),
  broken('creates an absent object on ifMatch', 'creates nothing where nothing is', (good, bucket) => ({
    async put(key, body, condition) {
      if ('ifMatch' in condition && bucket.peek(key) === undefined) return bucket.overwrite(key, body)
      return good.put(key, body, condition)
    },
  })),
  broken('takes the token of any object', 'the token of one object does not open another', (good, bucket) => ({
    async put(key, body, condition) {
      const known =
        'ifMatch' in condition && bucket.keys().some((other) => bucket.peek(other)?.token === condition.ifMatch)
      return known && bucket.peek(key) !== undefined ? bucket.overwrite(key, body) : good.put(key, body, condition)
    },
  })),
  broken('answers a lost race with the winner’s token', 'no longer current', (good, bucket) => ({
    put: (key, body, condition) =>
      good.put(key, body, condition).catch((cause: unknown) => {
        if (KeelstateError.is(cause, 'PreconditionFailed') && 'ifMatch' in condition) return bucket.peek(key)!.token
        throw cause
      }),
  })),
  broken('tells that a write was lost that landed', 'racing writers on one token', (good) => ({
    async put(key, body, condition) {
      const token = await good.put(key, body, condition)
      if ('ifMatch' in condition) throw error('PreconditionFailed', 'not what it was')
      return token
    },
  })),
  broken('acknowledges a write that it dropped', 'of concurrent additions', (good) => {
    let writes = 0
    return {
      async put(key, body, condition) {
        writes += 1
        return 'ifMatch' in condition && writes % 5 === 0 ? `dropped ${writes}` : good.put(key, body, condition)
      },
    }
  }),
  broken('reports refusals as plain errors', 'an object is created once', (good) => ({
    put: (key, body, condition, options) =>
      good.put(key, body, condition, options).catch((cause: unknown) => {
        throw new Error(String(cause))
      }),
  })),
  broken('reads in two parts', 'readers beside a writer', (good) => ({
    async get(key, options) {
      const first = await good.get(key, options)
      await pause()
      const second = await good.get(key, options)
      const [a, b] = [bytesOf(first), bytesOf(second)]
      if (a === undefined || b === undefined) return second
      const torn = new Uint8Array(b.bytes)
      torn.set(a.bytes.subarray(0, Math.min(a.bytes.length, b.bytes.length) / 2))
      return { bytes: torn, token: b.token }
    },
  })),
  broken('reads from a cache', 'what was written is seen by the next read', (good) => {
    const cache = new Map<string, StoredObject>()
    return {
      async get(key, options) {
        const cached = cache.get(key)
        if (cached !== undefined && cached.token !== options?.unlessToken)
          return { ...cached, bytes: new Uint8Array(cached.bytes) }
        const found = await good.get(key, options)
        const body = bytesOf(found)
        if (body !== undefined) cache.set(key, { ...body, bytes: new Uint8Array(body.bytes) })
        return found
      },
    }
  }),
  broken('treats an empty body as none', 'an empty body is stored', (good) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      return bytesOf(found)?.bytes.length === 0 ? undefined : found
    },
  })),
  broken('handles bodies as text', 'bodies come back byte for byte', (good) => ({
    put: (key, body, condition, options) =>
      good.put(key, Buffer.from(Buffer.from(body).toString()), condition, options),
  })),
  broken('cuts bodies at 64 KiB', 'a big body comes back whole', (good) => ({
    put: (key, body, condition, options) => good.put(key, body.subarray(0, 65_536), condition, options),
  })),
  broken('has no limit though it names one', 'TooLarge', (good, bucket) => ({
    async put(key, body, condition) {
      return body.length > MAX_BYTES ? bucket.overwrite(key, body) : good.put(key, body, condition)
    },
  })),
  broken('copies the body too late', 'after put returned its promise', (good) => ({
    async put(key, body, condition, options) {
      await pause()
      return good.put(key, body, condition, options)
    },
  })),
  broken('hands out its own bytes', 'bytes that it was given', (good, bucket) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      return bytesOf(found) === undefined ? found : { ...bytesOf(found)!, bytes: bucket.peek(key)!.bytes }
    },
  })),
  broken('stores the buffer around a view', 'a part of a larger buffer', (good) => ({
    put: (key, body, condition, options) => good.put(key, new Uint8Array(body.buffer), condition, options),
  })),
  broken('takes what has something below it for present', 'an absent object reads as undefined', (good, bucket) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      const folder = key.slice(0, -1)
      if (found !== undefined || !bucket.keys().some((other) => other.startsWith(folder))) return found
      return { bytes: new Uint8Array(0), token: 'folder' }
    },
  })),
  broken('ignores case in keys', 'every name that a document can have', (good) => ({
    get: (key, options) => good.get(key.toLowerCase(), options),
    put: (key, body, condition, options) => good.put(key.toLowerCase(), body, condition, options),
  })),
  broken('decodes percent signs in keys', 'every name that a document can have', (good) => ({
    get: (key, options) => good.get(decodeURIComponent(key), options),
    put: (key, body, condition, options) => good.put(decodeURIComponent(key), body, condition, options),
  })),
  broken('makes a new token at every read', 'name one state by one token', (good) => {
    let reads = 0
    return {
      async get(key, options) {
        const found = bytesOf(await good.get(key, options))
        reads += 1
        return found === undefined ? found : { ...found, token: `${found.token}/${reads}` }
      },
    }
  }),
  broken('reads tokens that it does not take back', 'a token that was read works', (good) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      return bytesOf(found) === undefined ? found : { ...bytesOf(found)!, token: `W/${bytesOf(found)!.token}` }
    },
  })),
  broken('claims conditional reads and sends the body', 'a conditional read answers unchanged', (good) => ({
    get: (key) => good.get(key),
  })),
  broken('answers unchanged whatever the token', 'a conditional read answers unchanged', (good) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      return found !== undefined && options?.unlessToken !== undefined ? 'unchanged' : found
    },
  })),
  broken('answers unchanged though it claims no conditional reads', 'without conditional reads', (good) => ({
    capabilities: { ...good.capabilities, conditionalGet: false },
  })),
  broken('writes though it claims no conditional writes', 'without conditional writes', (good) => ({
    capabilities: { ...good.capabilities, conditionalPut: false },
  })),
  broken('lists without an order', 'keys come in ascending order', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      return withPage(page, page.objects.reverse())
    },
  })),
  broken('orders keys as people do', 'keys come in ascending order', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      return withPage(
        page,
        page.objects.sort((a, b) => a.key.localeCompare(b.key)),
      )
    },
  })),
  broken('lists neighbours of a prefix', 'and no neighbours', (good) => ({
    async list(prefix, options) {
      const page = await good.list('', options)
      return withPage(
        page,
        page.objects.filter(({ key }) => key.startsWith(prefix.slice(0, -1))),
      )
    },
  })),
  broken('lists one level only', 'and no neighbours', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      return withPage(
        page,
        page.objects.filter(({ key }) => key.slice(prefix.length).split('/').length <= 3),
      )
    },
  })),
  broken('rejects a list of nothing', 'an empty page', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      if (page.objects.length === 0 && options?.cursor === undefined) throw error('NotFound', 'no such prefix')
      return page
    },
  })),
  broken('drops the last page', 'pages of any size', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      return options?.cursor !== undefined && page.cursor === undefined ? { objects: [] } : page
    },
  })),
  broken('begins a page with the last key of the one before', 'pages of any size', (good) => ({
    async list(prefix, options) {
      const page = await good.list(prefix, options)
      return options?.cursor === undefined
        ? page
        : withPage(page, [{ key: options.cursor, size: 1 }, ...page.objects].slice(0, options.limit))
    },
  })),
  broken('pages by position', 'objects that come and go', (_, bucket) => ({
    async list(prefix, options) {
      const from = Number(options?.cursor ?? 0)
      const keys = bucket.keys().filter((key) => key.startsWith(prefix))
      await pause()
      const until = from + (options?.limit ?? 1_000)
      const objects = keys.slice(from, until).map((key) => ({ key, size: bucket.peek(key)?.bytes.length ?? 0 }))
      return until < keys.length ? { objects, cursor: String(until) } : { objects }
    },
  })),
  broken('puts everything on one page', 'in pages of at most 1,000', (good, bucket) => ({
    list: async (prefix, options) =>
      options?.limit === undefined
        ? {
            objects: bucket
              .keys()
              .flatMap((key) => (key.startsWith(prefix) ? [{ key, size: bucket.peek(key)!.bytes.length }] : [])),
          }
        : good.list(prefix, options),
  })),
  broken('moves an object by removing it and putting it back', 'an object that is being moved', (good, bucket) => ({
    async put(key, body, condition) {
      if (bucket.peek(key) === undefined || !('ifMatch' in condition)) return good.put(key, body, condition)
      if (bucket.peek(key)?.token !== condition.ifMatch) throw error('PreconditionFailed', 'moved')
      const copy = new Uint8Array(body)
      bucket.remove(key)
      await pause()
      return bucket.overwrite(key, copy)
    },
  })),
  broken('deletes everything in the folder', 'deleted objects are absent', (good, bucket) => ({
    async delete(keys, options) {
      await good.delete(keys, options)
      for (const key of keys)
        for (const other of bucket.keys()) if (other.startsWith(key.slice(0, -32))) bucket.remove(other)
    },
  })),
  broken('rejects the delete of an absent object', 'deleting what is absent', (good, bucket) => ({
    async delete(keys, options) {
      if (keys.some((key) => bucket.peek(key) === undefined)) throw error('NotFound', 'nothing to delete')
      await good.delete(keys, options)
    },
  })),
  broken('deletes the first 999 only', 'one call deletes 1,000', (good) => ({
    delete: (keys, options) => good.delete(keys.slice(0, 999), options),
  })),
  broken('remembers that a key was deleted', 'can be created again', (good) => {
    const deleted = new Set<string>()
    return {
      async delete(keys, options) {
        await good.delete(keys, options)
        for (const key of keys) deleted.add(key)
      },
      async put(key, body, condition, options) {
        if (deleted.has(key)) throw error('PreconditionFailed', 'there is a tombstone')
        return good.put(key, body, condition, options)
      },
    }
  }),
  broken('sends what was given up before it began', 'whose signal has fired', (good) => ({
    put: (key, body, condition) => good.put(key, body, condition),
  })),
  broken('leaves half a body when given up', 'a write that is given up half-way', (good, bucket) => ({
    async put(key, body, condition, options) {
      const token = await good.put(key, body, condition, options)
      await pause()
      if (options?.signal?.aborted) bucket.overwrite(key, body.subarray(0, body.length / 2))
      return token
    },
  })),
  broken('answers a read that was given up with another error', 'a read or a list that is given up', (good) => ({
    async get(key, options) {
      const found = await good.get(key, options)
      await pause()
      if (options?.signal?.aborted) throw new Error('socket hang up')
      return found
    },
  })),
  brokenStall(),
  broken('works on after it was closed', 'after close every call is Closed', () => ({ close: async () => {} })),
  broken('rejects a second close', 'after close every call is Closed', (good) => {
    let closed = false
    return {
      async close() {
        if (closed) throw error('NotFound', 'closed already')
        closed = true
        await good.close()
      },
    }
  }),
  broken('has no place', 'the store names its place', () => ({ address: '' })),
  broken(
    'claims to be durable',
    'what was written is there',
    (good) => ({ capabilities: { ...good.capabilities, durable: true } }),
    {
      openAgain: async () => memoryStore({ maxBytes: MAX_BYTES }),
    },
  ),
  broken('gives each handle a place of its own', 'several handles on one place', () => ({}), {
    openAgain: async () => memoryStore({ maxBytes: MAX_BYTES }),
  }),
  broken('takes a missing bucket for an empty store', 'a missing bucket is BucketMissing', () => ({}), {
    openMissingBucket: async () => memoryStore({ maxBytes: MAX_BYTES }),
  }),
  broken('takes a place without permission for an empty store', 'a place without permission', () => ({}), {
    openDenied: async () => memoryStore({ maxBytes: MAX_BYTES }),
  }),
]

/** A driver that waits for the service for ever, whatever its caller's signal says. */
function brokenStall(): BrokenDriver {
  const stalled = new WeakSet<ObjectStore>()
  const never = <T>() => new Promise<T>(() => {})
  const name = 'waits for a service that does not answer after it was given up'
  const driver = broken(name, 'never answers', (good) => ({ get: (key, options) => good.get(key, options) }))
  const { open } = driver.harness
  return {
    ...driver,
    harness: {
      ...driver.harness,
      async open() {
        const good = await open()
        const store: ObjectStore = withMethods(good, {
          get: (key, options) => (stalled.has(store) ? never() : good.get(key, options)),
          put: (key: string, body: Uint8Array, condition: PutCondition, options) =>
            stalled.has(store) ? never() : good.put(key, body, condition, options),
        })
        return store
      },
      openAgain: async (store) => store,
      stall: async (store) => void stalled.add(store),
    },
  }
}
