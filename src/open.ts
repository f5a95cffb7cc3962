import { hostname, userInfo } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Environment, systemEnvironment } from './core/environment.ts'
import { KeelstateError } from './core/errors.ts'
import { ProcessMemory } from './core/memory.ts'
import { defaultMemoryFolder, FileMemory } from './core/memory-file.ts'
import { defaultCacheFolder, FolderObjectCache, type ObjectCache } from './core/object-cache.ts'
import { DEFAULT_LIMITS, type Limits } from './core/retry.ts'
import { SpoolFolder } from './core/spool.ts'
import { Store } from './core/state-store.ts'
import type { ObjectStore } from './core/store.ts'
import { makeSealer } from './encrypt/make-sealer.ts'
import type { KeyProvider } from './encrypt/provider.ts'
import type { LockStore } from './locking/index.ts'
import { LeaseLocker } from './locking/locker.ts'
import { objectLockStore } from './locking/objects/index.ts'

const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024

export interface OpenStoreOptions {
  /** `s3://bucket/prefix?region=…&endpoint=…`, `gs://bucket/prefix?endpoint=…`, `file:PATH`, `memory:`, or an `ObjectStore` of your own. */
  store: string | ObjectStore
  /**
   * Recipients of new documents: `env:NAME` (32 bytes, base64), `file:PATH`, `passphrase:env:NAME`, a `KeyProvider`, or `plaintext` alone. A
   * document that exists is opened by whichever of them is among its recipients.
   */
  keys: string | KeyProvider | readonly (string | KeyProvider)[]
  /** Where locks live: `store` (default: beside the documents), `dynamodb://table?region=…&endpoint=…`, or a `LockStore` of your own. */
  lock?: string | LockStore
  /** The store's id, 32 hex digits: saves one request, once. */
  storeId?: string
  /** Author of changes that name none; default `user@host`. */
  by?: string
  /**
   * Folder in which heads that were seen are remembered, so that a rolled-back one is noticed by the next process too; default
   * `$XDG_STATE_HOME/keelstate`. `false`: only this process remembers.
   */
  memory?: string | false
  /** Bytes of opened contents kept in memory for unchanged documents; default 64 MiB. */
  cacheBytes?: number
  /**
   * Where immutable objects are kept on this machine, sealed as they are stored, so that the next process need not fetch what has not changed. A
   * folder, perhaps with a limit; default `$XDG_CACHE_HOME/keelstate` and 512 MiB for stores in a bucket. `false`: nowhere.
   */
  cache?: false | string | CacheOptions
  /**
   * Folder on this machine in which what a failed commit was to store is kept, sealed, so that `recover` can bring it home: after an outage, with credentials
   * that ended, when the call was aborted. A commit that failed so says `details.spooled`. Default `false`: nowhere.
   */
  spool?: false | string
  /** Timeouts in ms. */
  limits?: Partial<Limits>
  /** Clock and randomness, for tests. */
  environment?: Environment
}

export interface CacheOptions {
  folder?: string
  /** What was used longest ago goes first; default 512 MiB. */
  maxBytes?: number
}

const KNOWN: Record<keyof OpenStoreOptions, true> = {
  store: true,
  keys: true,
  lock: true,
  storeId: true,
  by: true,
  memory: true,
  cacheBytes: true,
  cache: true,
  spool: true,
  limits: true,
  environment: true,
}

/**
 * Opens a store. Makes no request; drivers load their SDK at the first one.
 *
 * @throws {KeelstateError} `InvalidOptions` that names the option and what would be right.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN, name))
      throw invalid(name, `There is no option "${name}".`, `Known are ${Object.keys(KNOWN).join(', ')}.`)
  }
  const environment = options.environment ?? systemEnvironment
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  for (const [name, value] of Object.entries(limits)) {
    if (!(typeof value === 'number' && value > 0 && Number.isFinite(value)))
      throw invalid(`limits.${name}`, `limits.${name} must be a number of ms above 0.`)
  }
  if (options.storeId !== undefined && !/^[0-9a-f]{32}$/.test(options.storeId)) {
    throw invalid('storeId', 'storeId must be 32 lower-case hex digits.', 'store.id() and keelstate.json have it.')
  }
  const keys =
    typeof options.keys === 'object' && 'length' in options.keys
      ? options.keys
      : options.keys === undefined
        ? []
        : [options.keys]
  const opened = typeof options.store === 'string' ? await openAddress(options.store) : options.store
  if (typeof opened?.get !== 'function')
    throw invalid('store', 'store must be an address or an ObjectStore.', STORE_FORMS)
  makeSealer(keys, { salt: async () => new Uint8Array(16), environment }) // bad keys are told now, not at the first write
  const locks = await openLocks(options.lock ?? 'store', opened)
  const objects = openCache(options.cache, opened)
  const { spool = false } = options
  if (spool !== false && (typeof spool !== 'string' || spool === ''))
    throw invalid('spool', 'spool is not valid.', 'It is false, or a folder.')
  const lasting = opened.capabilities.durable && options.memory !== false
  return new Store({
    store: opened,
    sealer: (salt) => makeSealer(keys, { salt, environment }),
    locker: new LeaseLocker(locks),
    environment,
    limits,
    memory: async (storeId) =>
      lasting
        ? await FileMemory.open(options.memory || defaultMemoryFolder(), opened.address, storeId)
        : new ProcessMemory(),
    ...(options.storeId === undefined ? {} : { storeId: options.storeId }),
    initialise: !opened.capabilities.durable,
    by: options.by ?? author(),
    cacheBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    ...(objects && { objects }),
    ...(spool !== false && { spool: new SpoolFolder(resolve(spool)) }),
    forms: async (type) =>
      type === 'snapshot' ? (await import('./deployments/snapshot-form.ts')).snapshotForm : undefined,
  })
}

/** A folder needs no copy of another folder, and what ends with the process none at all; unless a cache is asked for by name. */
function openCache(cache: OpenStoreOptions['cache'], store: ObjectStore): ObjectCache | undefined {
  const inBucket = store.capabilities.durable && !store.address.startsWith('file:')
  if (cache === false || (cache === undefined && !inBucket)) return undefined
  const { folder, maxBytes, ...unknown }: CacheOptions = typeof cache === 'string' ? { folder: cache } : { ...cache }
  const hint = 'It is false, a folder, or { folder, maxBytes }.'
  if (
    Object.keys(unknown).length > 0 ||
    (cache !== undefined && typeof cache !== 'object' && typeof cache !== 'string')
  )
    throw invalid('cache', 'cache is not valid.', hint)
  if (folder !== undefined && (typeof folder !== 'string' || folder === ''))
    throw invalid('cache', 'The folder of the cache has to be a path.', hint)
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0))
    throw invalid('cache', 'maxBytes of the cache has to be a whole number of bytes above 0.', hint)
  return new FolderObjectCache(resolve(folder ?? defaultCacheFolder()), maxBytes)
}

const STORE_FORMS = 'An address is s3://bucket/prefix, gs://bucket/prefix, file:PATH or memory:.'

/** The driver that an address names. @throws {KeelstateError} `InvalidOptions`. */
export async function openAddress(address: string): Promise<ObjectStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase()
  switch (scheme) {
    case 's3': {
      const { parseS3Address, s3Store } = await import('./s3/index.ts')
      return s3Store(parseS3Address(address))
    }
    case 'gs': {
      const { gcsStore, parseGcsAddress } = await import('./gcs/index.ts')
      return gcsStore(parseGcsAddress(address))
    }
    case 'file': {
      const { fileStore } = await import('./file/index.ts')
      return fileStore({ root: folderOf(address) })
    }
    case 'memory': {
      if (address !== 'memory:') throw invalid('store', '"memory:" takes no path.')
      const { memoryStore } = await import('./memory/index.ts')
      return memoryStore()
    }
    default:
      throw invalid(
        'store',
        `${JSON.stringify(address.slice(0, 40))} is no store address that this version knows.`,
        STORE_FORMS,
      )
  }
}

/** The lock store that an address names. @throws {KeelstateError} `InvalidOptions`. */
export async function openLocks(lock: string | LockStore, store: ObjectStore): Promise<LockStore> {
  if (typeof lock !== 'string') return lock
  if (lock === 'store') return objectLockStore(store)
  if (lock.startsWith('dynamodb:')) {
    const { dynamoDbLockStore, parseDynamoDbAddress } = await import('./locking/dynamodb/index.ts')
    return dynamoDbLockStore(parseDynamoDbAddress(lock))
  }
  throw invalid(
    'lock',
    `${JSON.stringify(lock.slice(0, 40))} is no place for locks that this version knows.`,
    'Write store, or dynamodb://table?region=….',
  )
}

/** `file:state`, `file:./state`, `file:/var/state` or a whole `file://` URL. */
function folderOf(address: string): string {
  const path = address.slice('file:'.length)
  if (path === '') throw invalid('store', '"file:" needs a folder.', 'For example file:./state.')
  if (path.startsWith('//')) {
    try {
      return fileURLToPath(address)
    } catch (cause) {
      throw invalid(
        'store',
        `${JSON.stringify(address)} does not name a local folder.`,
        'Write file:/path or file:./path.',
        cause,
      )
    }
  }
  return isAbsolute(path) ? path : resolve(path)
}

function author(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    return `unknown@${hostname()}` // an id without an entry in the password file, as in some containers
  }
}

function invalid(option: string, message: string, hint?: string, cause?: unknown): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    operation: 'openStore',
    message,
    details: { option },
    ...(hint === undefined ? {} : { hint }),
    cause,
  })
}
