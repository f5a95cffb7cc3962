import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, mkdir, open, readdir, rename, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Stored bytes of immutable objects, kept on this machine by their SHA-256, so that a new process need not fetch again what has not changed.
 *
 * Nothing rests on it: what it gives is what the reference names, or nothing. It holds what the bucket holds, sealed; opening that takes a key.
 */
export interface ObjectCache {
  /** The bytes with this digest; `undefined` when they are not here. What is here under the name and differs is removed. */
  get(sha256: string, length: number): Promise<Uint8Array | undefined>
  /** Keeps bytes that have this digest, soon. The caller leaves them as they are. */
  put(sha256: string, bytes: Uint8Array): void
  /** Resolves when what was put is kept, or could not be. Never rejects. */
  flush(): Promise<void>
}

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024

const BLOCK = 4_096 // what a small file takes of a disk
const KEPT_AFTER_EVICTION = 0.9 // so that not every put evicts
const LOOK_AFTER = 1 / 16 // of the limit: how much one process adds before it looks again at what there is
const LEFTOVER_MS = 60 * 60 * 1_000
const TOUCH_AFTER_MS = 60 * 1_000 // the order of use need not be finer
const NAME = /^([0-9a-f]{64})-(\d{1,16})$/
const LEFTOVER = /^\.[0-9a-f]{12}\.tmp$/

/** The folder for the cache: `$XDG_CACHE_HOME/keelstate`, else `~/.cache/keelstate`. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.cache'), 'keelstate')
}

/**
 * A cache in a folder: one file per object, 0600 in a folder 0700, written under a name of its own and renamed. Several processes may use it at once.
 *
 * After each look at the folder it holds at most `maxBytes`; what was used longest ago goes first. Between two looks each process adds at most a
 * sixteenth of that, or one object. A folder that cannot be read or written is an empty cache: its loss must not stop work.
 */
export class FolderObjectCache implements ObjectCache {
  readonly folder: string
  readonly #maxBytes: number
  #added = Number.POSITIVE_INFINITY // bytes since the last look: the first put looks
  #ready = false
  #work: Promise<void> = Promise.resolve()

  constructor(folder: string, maxBytes: number = DEFAULT_MAX_BYTES) {
    this.folder = join(folder, 'objects')
    this.#maxBytes = maxBytes
  }

  async get(sha256: string, length: number): Promise<Uint8Array | undefined> {
    const path = this.#path(sha256, length)
    try {
      const bytes = await read(path, length)
      if (bytes !== undefined && createHash('sha256').update(bytes).digest('base64') === sha256) return bytes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    }
    await unlink(path).catch(() => undefined) // damaged, cut short, or put there by somebody else
    return undefined
  }

  put(sha256: string, bytes: Uint8Array): void {
    if (sizeOf(bytes.length) > this.#maxBytes) return
    this.#work = this.#work.then(() => this.#keep(this.#path(sha256, bytes.length), bytes))
  }

  async flush(): Promise<void> {
    await this.#work
  }

  async #keep(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.folder, `.${randomBytes(6).toString('hex')}.tmp`)
    try {
      if (!this.#ready) await this.#prepare()
      await writeFile(temporary, bytes, { mode: 0o600, flag: 'wx' })
      await rename(temporary, path)
      this.#added += sizeOf(bytes.length)
      if (this.#added > this.#maxBytes * LOOK_AFTER) await this.#evict()
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  async #prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    await chmod(this.folder, 0o700) // it may have been there
    this.#ready = true
  }

  /** Removes what was used longest ago until there is room, and what processes left behind that were killed while they wrote. */
  async #evict(): Promise<void> {
    const names = await readdir(this.folder)
    for (const name of names.filter((one) => LEFTOVER.test(one))) {
      const path = join(this.folder, name)
      if ((await ageOf(path)) > LEFTOVER_MS) await unlink(path).catch(() => undefined)
    }
    const objects = names.flatMap((name) => {
      const match = NAME.exec(name)
      return match === null ? [] : [{ path: join(this.folder, name), bytes: sizeOf(Number(match[2])) }]
    })
    let total = objects.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#added = 0
    if (total <= this.#maxBytes) return
    const aged = await Promise.all(objects.map(async (object) => ({ ...object, age: await ageOf(object.path) })))
    for (const { path, bytes } of aged.sort((a, b) => b.age - a.age)) {
      if (total <= this.#maxBytes * KEPT_AFTER_EVICTION) return
      await unlink(path).catch(() => undefined)
      total -= bytes
    }
  }

  #path(sha256: string, length: number): string {
    return join(this.folder, `${Buffer.from(sha256, 'base64').toString('hex')}-${length}`)
  }
}

function sizeOf(bytes: number): number {
  return Math.max(bytes, BLOCK)
}

/** The content of a regular file of this length; no link is followed and no pipe waited for. Says that it was used. */
async function read(path: string, length: number): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants // Windows has neither
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const status = await file.stat()
    if (!status.isFile() || status.size !== length) return undefined
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(bytes, at, length - at)
      if (bytesRead === 0) return undefined
      at += bytesRead
    }
    if (Date.now() - status.mtimeMs > TOUCH_AFTER_MS) await utimes(path, new Date(), new Date()).catch(() => undefined)
    return bytes
  } finally {
    await file.close()
  }
}

/** Milliseconds since it was used or written; 0 for what is gone. */
async function ageOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )
}
