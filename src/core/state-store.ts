import { type Access, accessTo, scopeOf } from './access.ts'
import { type Opening, PartsCache } from './chains.ts'
import type { Codec } from './codec.ts'
import { ContentCache } from './contents.ts'
import { VersionedDocument } from './document.ts'
import type { Environment } from './environment.ts'
import { KeelstateError, untilAborted } from './errors.ts'
import type { BodyForms } from './form.ts'
import { type HeadStatus, statusOf } from './head-status.ts'
import { HeadWriter } from './head-writer.ts'
import { checkIdentity, decodeHeader, fromHex, type HeadHeader, hex } from './header.ts'
import { type KeyedDocument, keyed, keyedForm } from './keyed.ts'
import type { Locker, LockPlace, LockStatus, UnreadableLock } from './lease.ts'
import { createMarker, readMarker, type StoreMarker } from './marker.ts'
import type { HeadMemory } from './memory.ts'
import {
  type DocumentName,
  documentName,
  formatName,
  headKey,
  identityOf,
  nameOfHeadKey,
  parseName,
  STORE_KEY,
} from './names.ts'
import type { ObjectCache } from './object-cache.ts'
import { Deadline, type Limits } from './retry.ts'
import { type RevisionIds, type RevisionIdsByType, ulidRevisionIds } from './revision-id.ts'
import type { Sealer } from './sealer.ts'
import type { SpooledSave, SpoolFolder, UnreadableSave } from './spool.ts'
import type { CallOptions, ObjectStore } from './store.ts'

const HEADS_AT_ONCE = 16 // heads that `list` reads side by side
const KNOWN_DOCUMENTS = 1_024 // whose heads and segments are kept, some 10 to 100 kB each

/** What a store is made of. `openStore` puts it together from addresses. */
export interface StoreParts {
  readonly store: ObjectStore
  /** Made once the salt of the store's marker may be asked for. */
  readonly sealer: (salt: () => Promise<Uint8Array>) => Sealer
  readonly locker: Locker
  readonly environment: Environment
  readonly limits: Limits
  /** Opens what readers remember of this store. */
  readonly memory: (storeId: string) => Promise<HeadMemory>
  /** 32 hex digits, when configured. */
  readonly storeId?: string
  /** Makes the marker by itself when there is none: for stores that end with the process. */
  readonly initialise: boolean
  readonly by: string
  /** How many bytes of opened contents to keep for unchanged documents. */
  readonly cacheBytes: number
  /** What this machine keeps of immutable objects, if it keeps any. */
  readonly objects?: ObjectCache
  /** Where what cannot be saved is kept, if anywhere. */
  readonly spool?: SpoolFolder | undefined
  /** Forms of bodies beside that of keyed documents. */
  readonly forms: BodyForms
}

export interface DocumentOptions {
  /** How new revisions are named; default by ULID. A function chooses by what is recorded. */
  revisionIds?: RevisionIds | RevisionIdsByType
}

/** A head that `list` found and could not read: damaged, foreign, or of a newer format. */
export interface UnreadableHead {
  name: string
  kind: string
  problem: KeelstateError
}

/**
 * A place where documents live: a bucket with a prefix, a folder, or memory.
 *
 * Opening makes no request. The first call that needs the store's id reads its marker once, unless the id was configured.
 */
export class Store {
  /** Names the place; holds no secret. */
  readonly address: string
  readonly #parts: StoreParts
  readonly #sealer: Sealer
  readonly #opening: Opening
  readonly #writers = new Map<string, Promise<HeadWriter>>()
  readonly #opened = new WeakSet<Promise<HeadWriter>>()
  #marker: Promise<StoreMarker> | undefined
  #memory: Promise<HeadMemory> | undefined
  #closed = false

  /** @internal Made by `openStore`. */
  constructor(parts: StoreParts) {
    this.address = parts.store.address
    this.#parts = parts
    this.#sealer = parts.sealer(async () => (await this.#readMarker()).salt)
    this.#opening = {
      contents: new ContentCache(parts.cacheBytes),
      parts: new PartsCache(parts.cacheBytes),
      forms: async (type) => (type === keyedForm.name ? keyedForm : await parts.forms(type)),
    }
  }

  /** Makes the store where there is none: writes its marker, create-only. An existing one is left as it is. */
  async init(options: CallOptions = {}): Promise<{ storeId: string; created: boolean }> {
    this.#checkOpen()
    const { marker, created } = await createMarker(this.#parts, options.signal)
    this.#marker = Promise.resolve(marker)
    return { storeId: hex(marker.storeId), created }
  }

  /**
   * The store's id, 32 hex digits.
   *
   * @throws {KeelstateError} `NotFound` with subject `store` when nobody made a store here.
   */
  async id(options: CallOptions = {}): Promise<string> {
    this.#checkOpen()
    return this.#parts.storeId ?? hex((await this.#readMarker(options.signal)).storeId)
  }

  /**
   * A document by name. Makes no request.
   *
   * @param name As typed, such as `shop/settings`, or its parts.
   * @throws {KeelstateError} `InvalidName`.
   */
  document<T, C = never>(
    name: string | DocumentName,
    codec: Codec<T, C>,
    options: DocumentOptions = {},
  ): VersionedDocument<T, C> {
    const parsed = typeof name === 'string' ? parseName(name) : documentName(name.segments, name.kind)
    const { revisionIds = ulidRevisionIds } = options
    return new VersionedDocument<T, C>({
      name: formatName(parsed),
      codec,
      writer: (signal) => this.#writer(parsed, signal),
      opening: this.#opening,
      revisionIds: typeof revisionIds === 'function' ? revisionIds : () => revisionIds,
      by: this.#parts.by,
      locker: this.#parts.locker,
      spool: this.#parts.spool,
    })
  }

  /**
   * A document that is a map from keys to JSON values. A change of some of them costs what they take, however many there are. Makes no request.
   *
   * @throws {KeelstateError} `InvalidName`.
   */
  keyed<V>(name: string | DocumentName, options: DocumentOptions = {}): KeyedDocument<V> {
    return this.document(name, keyed<V>(), options)
  }

  /**
   * Yields the documents of a kind by name: one request per 1,000 of them, and one for each. No key is needed: what is said is what the heads say
   * in the clear.
   *
   * @param options.kind Default `state`; `'any'` for all kinds.
   * @param options.all Also those that have no current revision.
   */
  async *list(
    options: CallOptions & { kind?: string; all?: boolean } = {},
  ): AsyncGenerator<HeadStatus | UnreadableHead> {
    const storeId = fromHex(await this.id(options))
    const { store, environment, limits } = this.#parts
    const prefix = options.kind === 'any' ? 'heads/' : `heads/${options.kind ?? 'state'}/`
    let cursor: string | undefined
    do {
      const page = await new Deadline(environment, limits, options.signal).repeat('store.list', prefix, 0, (call) =>
        store.list(prefix, { ...call, cursor }),
      )
      const names = page.objects.map(({ key }) => nameOfHeadKey(key)).filter((name) => name !== undefined)
      for (let at = 0; at < names.length; at += HEADS_AT_ONCE) {
        const read = names.slice(at, at + HEADS_AT_ONCE).map((name) => this.#headStatus(name, storeId, options.signal))
        for (const status of await Promise.all(read)) {
          if (status !== undefined && (options.all || 'problem' in status || status.hasCurrent)) yield status
        }
      }
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /**
   * Yields what this machine keeps of commits that failed, oldest first within each document. One that cannot be read comes with its `problem`, and
   * hides no other. `VersionedDocument.recover` brings them home. Nothing where no spool is configured.
   *
   * @param options.name Of this document only.
   */
  async *spooled(
    options: CallOptions & { name?: string | DocumentName } = {},
  ): AsyncGenerator<SpooledSave | UnreadableSave> {
    const { spool } = this.#parts
    if (spool === undefined) return
    const { name } = options
    const parsed = typeof name === 'string' ? parseName(name) : name && documentName(name.segments, name.kind)
    yield* spool.list(await this.id(options), parsed)
  }

  /**
   * When the credentials end with which the store is reached, where they say so. Credentials that a provider renews are those of now.
   *
   * @throws {KeelstateError} `Unauthenticated` when there are none.
   */
  async credentialsEnd(options: CallOptions = {}): Promise<Date | undefined> {
    this.#checkOpen()
    return await this.#parts.store.credentialsEnd?.(options)
  }

  /**
   * Yields the locks of the store's documents, held or not, in no particular order. No key is needed: their records are clear, and unverified. One that
   * cannot be read comes with its `problem`, and hides no other.
   */
  async *locks(options: CallOptions = {}): AsyncGenerator<LockStatus | UnreadableLock> {
    yield* this.#parts.locker.list(await this.#lockPlace(options), options)
  }

  /**
   * Marks every lock as restored, after its table or objects were brought back from a backup: the next holder of each begins a new era, above the
   * fencing token of whoever held it since that backup. Locks that are held stay held.
   *
   * @param options.dryRun Changes nothing.
   * @returns The locks that were marked (with `dryRun`: would be), and those whose record cannot be read, which were not; those that bear the mark
   *   already are left out.
   */
  async resetLocks(options: CallOptions & { dryRun?: boolean } = {}): Promise<(LockStatus | UnreadableLock)[]> {
    return await this.#parts.locker.reset(await this.#lockPlace(options), options)
  }

  /**
   * Writes down what readers remember, and gives up connections. Never rejects. Work under way is not waited for, but for locks that are being given up: those of
   * calls that were aborted or have failed, for 10 s or so at most. Locks that are held stay held.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#memory?.then((memory) => memory.flush()).catch(() => undefined)
    await this.#parts.objects?.flush()
    await this.#parts.locker.close().catch(() => undefined)
    await this.#parts.store.close().catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * One writer per document and process, so that all its callers share writes and one view of the head. A document that was not used for long loses
   * it; should a call still hold the old one, the two are like two processes.
   */
  #writer(name: DocumentName, signal: AbortSignal | undefined): Promise<HeadWriter> {
    this.#checkOpen()
    const identity = identityOf(name)
    const writer = this.#writers.get(identity) ?? this.#newWriter(name, identity)
    this.#writers.delete(identity)
    this.#writers.set(identity, writer)
    if (this.#writers.size > KNOWN_DOCUMENTS) this.#writers.delete(this.#writers.keys().next().value!)
    if (this.#opened.has(writer)) return writer // not a turn later than those without a signal: callers keep their order
    return untilAborted(writer, signal, 'store.open', STORE_KEY, true)
  }

  #newWriter(name: DocumentName, identity: string): Promise<HeadWriter> {
    const writer = this.#access(name).then((access) => new HeadWriter(access))
    writer.then(
      () => this.#opened.add(writer),
      () => {
        if (this.#writers.get(identity) === writer) this.#writers.delete(identity)
      },
    )
    return writer
  }

  async #lockPlace(options: CallOptions): Promise<LockPlace> {
    const { environment, limits } = this.#parts
    return { storeId: await this.id(options), environment, limits }
  }

  async #access(name: DocumentName): Promise<Access> {
    const storeId = await this.id()
    this.#memory ??= this.#parts.memory(storeId)
    return accessTo(name, fromHex(storeId), { ...this.#parts, sealer: this.#sealer, memory: await this.#memory })
  }

  async #headStatus(
    name: DocumentName,
    storeId: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<HeadStatus | UnreadableHead | undefined> {
    const { store, environment, limits } = this.#parts
    const key = headKey(name)
    const stored = await new Deadline(environment, limits, signal).repeat('head.read', key, 0, (call) =>
      store.get(key, call),
    )
    if (stored === undefined || stored === 'unchanged') return undefined
    try {
      const { header } = decodeHeader(stored.bytes, key)
      checkIdentity(header, scopeOf(name, storeId), key)
      return statusOf(header as HeadHeader, stored.bytes.length, this.#sealer)
    } catch (error) {
      if (KeelstateError.is(error)) return { name: formatName(name), kind: name.kind, problem: error }
      throw error
    }
  }

  /** Shared by all who ask for it, so no single caller's signal stops it. */
  async #readMarker(signal?: AbortSignal): Promise<StoreMarker> {
    this.#marker ??= this.#parts.initialise
      ? createMarker(this.#parts).then(({ marker }) => marker)
      : readMarker(this.#parts)
    const marker = this.#marker
    marker.catch(() => {
      if (this.#marker === marker) this.#marker = undefined // it may be there by the next call
    })
    return await untilAborted(marker, signal, 'store.open', STORE_KEY)
  }

  #checkOpen(): void {
    if (this.#closed) throw new KeelstateError('Closed', { message: 'This store was closed.', key: this.address })
  }
}
