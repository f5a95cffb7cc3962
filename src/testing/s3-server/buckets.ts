import { createHash, randomBytes } from 'node:crypto'
import { S3Refusal } from './answers.ts'
import type { BucketSettings } from './settings.ts'

export type Versioning = 'off' | 'enabled' | 'suspended'

/** How an object is encrypted at rest, as its headers say. The server stores the plain bytes either way. */
export interface ServerSideEncryption {
  readonly algorithm: 'AES256' | 'aws:kms'
  readonly keyId?: string
}

/** What a write brings. */
export interface NewObject {
  bytes: Uint8Array
  /** Content headers and user metadata, given back as they are. */
  headers?: Record<string, string>
  encryption?: ServerSideEncryption
  /** The checksum headers that came with it. */
  checksums?: Record<string, string>
}

export interface ObjectVersion {
  readonly versionId: string
  readonly deleteMarker: boolean
  readonly bytes: Uint8Array
  /** With its quotes. */
  readonly etag: string
  /** Wall-clock time in ms. */
  readonly lastModified: number
  readonly headers: Readonly<Record<string, string>>
  readonly encryption: ServerSideEncryption
  readonly checksums: Readonly<Record<string, string>>
}

/** What a bucket held at one moment: for tests that bring an old state back. */
export interface BucketSnapshot {
  readonly versions: ReadonlyMap<string, readonly ObjectVersion[]>
}

export interface BucketOptions {
  versioning?: 'enabled' | 'suspended'
  /** Region that the bucket lies in; requests through another region's endpoint are redirected. Default: the server's. */
  region?: string
  /** Documents that the questions for the bucket's settings are answered with; they have no effect. Default: none is set. */
  settings?: BucketSettings
}

const NO_VERSION = 'null' // id of a version that was written without versioning

/** One bucket. Every method is one atomic step. */
export class S3Bucket {
  readonly name: string
  readonly region: string
  versioning: Versioning
  settings: BucketSettings
  readonly #now: () => number
  #versions = new Map<string, readonly ObjectVersion[]>() // oldest first
  #sorted: string[] | undefined

  constructor(name: string, options: BucketOptions & { region: string }, now: () => number) {
    this.name = name
    this.region = options.region
    this.versioning = options.versioning ?? 'off'
    this.settings = options.settings ?? {}
    this.#now = now
  }

  /** The current version; `undefined` when there is none or it is a delete marker. */
  current(key: string): ObjectVersion | undefined {
    const newest = this.newest(key)
    return newest?.deleteMarker ? undefined : newest
  }

  /** The newest version, delete marker or not. */
  newest(key: string): ObjectVersion | undefined {
    return this.#versions.get(key)?.at(-1)
  }

  version(key: string, versionId: string): ObjectVersion | undefined {
    return this.#versions.get(key)?.find((version) => version.versionId === versionId)
  }

  /** All versions of a key, oldest first. */
  versions(key: string): readonly ObjectVersion[] {
    return this.#versions.get(key) ?? []
  }

  /** Body of the current version. */
  bytes(key: string): Uint8Array | undefined {
    return this.current(key)?.bytes
  }

  /** Keys with a current version, ascending by their UTF-8 bytes. */
  keys(): string[] {
    return this.allKeys().filter((key) => this.current(key) !== undefined)
  }

  /** Keys with any version, delete markers included, ascending by their UTF-8 bytes. */
  allKeys(): readonly string[] {
    this.#sorted ??= [...this.#versions.keys()].sort(byUtf8)
    return this.#sorted
  }

  put(key: string, object: NewObject | Uint8Array): ObjectVersion {
    const written = object instanceof Uint8Array ? { bytes: object } : object
    const encryption = written.encryption ?? { algorithm: 'AES256' }
    const bytes = Uint8Array.from(written.bytes)
    const version: ObjectVersion = {
      versionId: this.#newVersionId(),
      deleteMarker: false,
      bytes,
      etag: `"${encryption.algorithm === 'AES256' ? md5(bytes) : randomBytes(16).toString('hex')}"`,
      lastModified: this.#now(),
      headers: { ...written.headers },
      encryption,
      checksums: { ...written.checksums },
    }
    this.#push(key, version)
    return version
  }

  /** Deletes the current version, or puts a delete marker over it in a versioned bucket; resolves to the marker. */
  remove(key: string): ObjectVersion | undefined {
    if (this.versioning === 'off') {
      this.#set(key, [])
      return undefined
    }
    const marker: ObjectVersion = {
      versionId: this.#newVersionId(),
      deleteMarker: true,
      bytes: new Uint8Array(),
      etag: '',
      lastModified: this.#now(),
      headers: {},
      encryption: { algorithm: 'AES256' },
      checksums: {},
    }
    this.#push(key, marker)
    return marker
  }

  /** Deletes one version for good; `undefined` when there is no such version. */
  removeVersion(key: string, versionId: string): ObjectVersion | undefined {
    const gone = this.version(key, versionId)
    if (gone !== undefined) {
      this.#set(
        key,
        this.versions(key).filter((version) => version !== gone),
      )
    }
    return gone
  }

  setVersioning(status: 'enabled' | 'suspended'): void {
    this.versioning = status
  }

  get empty(): boolean {
    return this.#versions.size === 0
  }

  snapshot(): BucketSnapshot {
    return { versions: new Map(this.#versions) }
  }

  /** Brings an earlier state back, versions and all. */
  restore(snapshot: BucketSnapshot): void {
    this.#versions = new Map(snapshot.versions)
    this.#sorted = undefined
  }

  #newVersionId(): string {
    return this.versioning === 'enabled' ? randomBytes(24).toString('base64url') : NO_VERSION
  }

  #push(key: string, version: ObjectVersion): void {
    const kept = this.versions(key).filter(
      (earlier) => version.versionId !== NO_VERSION || earlier.versionId !== NO_VERSION,
    )
    this.#set(key, [...kept, version])
  }

  #set(key: string, versions: readonly ObjectVersion[]): void {
    if (versions.length === 0 ? this.#versions.delete(key) : !this.#versions.has(key)) this.#sorted = undefined
    if (versions.length > 0) this.#versions.set(key, versions)
  }
}

/** The buckets of one server. */
export class S3Buckets {
  readonly #buckets = new Map<string, S3Bucket>()
  readonly #region: string
  readonly #now: () => number

  constructor(region: string, now: () => number) {
    this.#region = region
    this.#now = now
  }

  create(name: string, options: BucketOptions = {}): S3Bucket {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) throw new S3Refusal('InvalidBucketName', { BucketName: name })
    if (this.#buckets.has(name)) throw new S3Refusal('BucketAlreadyOwnedByYou', { BucketName: name })
    const bucket = new S3Bucket(name, { ...options, region: options.region ?? this.#region }, this.#now)
    this.#buckets.set(name, bucket)
    return bucket
  }

  get(name: string): S3Bucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw new S3Refusal('NoSuchBucket', { BucketName: name })
    return bucket
  }

  remove(name: string): void {
    this.get(name)
    this.#buckets.delete(name)
  }
}

/** Order of S3's listings. */
export function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
