import { createHash } from 'node:crypto'
import { crc32c } from '../checksums.ts'
import { bucketMissing, GcsRefusal } from './answers.ts'

/** What a write brings beside the bytes; given back as it is. */
export interface GcsObjectMetadata {
  readonly contentType?: string
  readonly cacheControl?: string
  readonly contentEncoding?: string
  readonly kmsKeyName?: string
  readonly metadata?: Readonly<Record<string, string>>
}

export interface GcsObjectVersion extends GcsObjectMetadata {
  /** Unique in its bucket, and larger than those before. */
  readonly generation: bigint
  readonly metageneration: bigint
  readonly bytes: Uint8Array
  /** Base64, as in the object's resource. */
  readonly md5Hash: string
  readonly crc32c: string
  /** Wall-clock times in ms. */
  readonly timeCreated: number
  readonly updated: number
}

/** What a bucket held at one moment: for tests that bring an old state back. */
export interface GcsBucketSnapshot {
  readonly objects: ReadonlyMap<string, StoredObject>
}

export interface GcsBucketOptions {
  /** Keeps versions that were replaced or deleted. Default false. */
  versioning?: boolean
  /** Requests have to name the project that pays. Default false. */
  requesterPays?: boolean
  /** Members of the bucket's resource that it is given back with; they have no effect. */
  settings?: Readonly<Record<string, unknown>>
  /** Bindings of its IAM policy; they have no effect. Default: those that a new bucket has. */
  bindings?: readonly GcsBinding[]
}

/** Who has a role on a bucket. https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy */
export interface GcsBinding {
  readonly role: string
  readonly members: readonly string[]
  readonly condition?: { readonly title: string; readonly expression: string }
}

const NEW_BINDINGS: readonly GcsBinding[] = [
  { role: 'roles/storage.legacyBucketOwner', members: ['projectEditor:fixture', 'projectOwner:fixture'] },
  { role: 'roles/storage.legacyBucketReader', members: ['projectViewer:fixture'] },
]

interface StoredObject {
  readonly live: GcsObjectVersion | undefined
  /** Oldest first. */
  readonly noncurrent: readonly GcsObjectVersion[]
}

const NOTHING: StoredObject = { live: undefined, noncurrent: [] }

/** One bucket. Every method is one atomic step. */
export class GcsBucket {
  readonly name: string
  readonly requesterPays: boolean
  versioning: boolean
  settings: Readonly<Record<string, unknown>>
  bindings: readonly GcsBinding[]
  readonly #now: () => number
  #objects = new Map<string, StoredObject>()
  #lastGeneration = 0n
  #sorted: string[] | undefined

  constructor(name: string, options: GcsBucketOptions, now: () => number) {
    this.name = name
    this.versioning = options.versioning ?? false
    this.settings = options.settings ?? {}
    this.bindings = options.bindings ?? NEW_BINDINGS
    this.requesterPays = options.requesterPays ?? false
    this.#now = now
  }

  /** The live version. */
  live(name: string): GcsObjectVersion | undefined {
    return this.#objects.get(name)?.live
  }

  /** The live or a noncurrent version. */
  version(name: string, generation: bigint): GcsObjectVersion | undefined {
    return this.versions(name).find((version) => version.generation === generation)
  }

  /** All versions of a name, oldest first. */
  versions(name: string): readonly GcsObjectVersion[] {
    const { live, noncurrent } = this.#objects.get(name) ?? NOTHING
    return live === undefined ? noncurrent : [...noncurrent, live]
  }

  /** Body of the live version. */
  bytes(name: string): Uint8Array | undefined {
    return this.live(name)?.bytes
  }

  /** Names with a live version, ascending by their UTF-8 bytes. */
  keys(): string[] {
    return this.allNames().filter((name) => this.live(name) !== undefined)
  }

  /** Names with any version, ascending by their UTF-8 bytes. */
  allNames(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()].sort(byUtf8)
    return this.#sorted
  }

  put(name: string, bytes: Uint8Array, metadata: GcsObjectMetadata = {}): GcsObjectVersion {
    const copy = Uint8Array.from(bytes)
    const now = this.#now()
    const version: GcsObjectVersion = {
      ...metadata,
      generation: this.#newGeneration(),
      metageneration: 1n,
      bytes: copy,
      md5Hash: createHash('md5').update(copy).digest('base64'),
      crc32c: crc32c(copy).toString('base64'),
      timeCreated: now,
      updated: now,
    }
    this.#set(name, { live: version, noncurrent: this.#retired(name) })
    return version
  }

  /** Changes the metadata of the live version. */
  patch(name: string, metadata: GcsObjectMetadata): GcsObjectVersion | undefined {
    const { live, noncurrent } = this.#objects.get(name) ?? NOTHING
    if (live === undefined) return undefined
    const patched = { ...live, ...metadata, metageneration: live.metageneration + 1n, updated: this.#now() }
    this.#set(name, { live: patched, noncurrent })
    return patched
  }

  /** Deletes the live version; in a versioned bucket it becomes noncurrent. */
  remove(name: string): void {
    this.#set(name, { live: undefined, noncurrent: this.#retired(name) })
  }

  /** Deletes one version for good. */
  removeVersion(name: string, generation: bigint): void {
    const { live, noncurrent } = this.#objects.get(name) ?? NOTHING
    this.#set(name, {
      live: live?.generation === generation ? undefined : live,
      noncurrent: noncurrent.filter((version) => version.generation !== generation),
    })
  }

  snapshot(): GcsBucketSnapshot {
    return { objects: new Map(this.#objects) }
  }

  /** Brings an earlier state back, generations and all. */
  restore(snapshot: GcsBucketSnapshot): void {
    this.#objects = new Map(snapshot.objects)
    this.#sorted = undefined
  }

  #retired(name: string): readonly GcsObjectVersion[] {
    const { live, noncurrent } = this.#objects.get(name) ?? NOTHING
    return live !== undefined && this.versioning ? [...noncurrent, live] : noncurrent
  }

  /** Microseconds, as the service's look; never twice the same. */
  #newGeneration(): bigint {
    const now = BigInt(Math.floor(this.#now())) * 1000n
    this.#lastGeneration = now > this.#lastGeneration ? now : this.#lastGeneration + 1n
    return this.#lastGeneration
  }

  #set(name: string, object: StoredObject): void {
    const gone = object.live === undefined && object.noncurrent.length === 0
    if (gone ? this.#objects.delete(name) : !this.#objects.has(name)) this.#sorted = undefined
    if (!gone) this.#objects.set(name, object)
  }
}

/** The buckets of one server. */
export class GcsBuckets {
  readonly #buckets = new Map<string, GcsBucket>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  create(name: string, options: GcsBucketOptions = {}): GcsBucket {
    if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/.test(name))
      throw new GcsRefusal('invalid', `Invalid bucket name: '${name}'`)
    if (this.#buckets.has(name)) throw new GcsRefusal('conflict')
    const bucket = new GcsBucket(name, options, this.#now)
    this.#buckets.set(name, bucket)
    return bucket
  }

  get(name: string): GcsBucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw bucketMissing()
    return bucket
  }

  remove(name: string): void {
    this.get(name)
    this.#buckets.delete(name)
  }
}

/** Order of the service's listings. */
export function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
