import { dirname, join } from 'node:path'
import type { Disk } from './disk.ts'
import { bucketMissing, errnoOf, foreign, symlinkInStore } from './errors.ts'

const REMEMBERED = 10_000 // folders known to be on the disk; some 2 MB at most

/**
 * The folders below one root.
 *
 * A folder is used only after its path was found to hold no symbolic link below the root. That keeps out what an archive, a checkout or a
 * careless `ln -s` put there; who can change the folders while a call runs is the same user, and owns the store anyway.
 */
export class Folders {
  readonly root: string
  readonly #disk: Disk
  #resolved: string | undefined
  /** Folders whose entry in their parent is known to be on the disk. Folders are never removed, so this stays true. */
  readonly #synced = new Set<string>()

  constructor(root: string, disk: Disk) {
    this.root = root
    this.#disk = disk
  }

  /** The path of a folder, or `undefined` when it does not exist. `BucketMissing` when the root does not. */
  async find(names: readonly string[]): Promise<string | undefined> {
    const path = join(await this.#resolve(), ...names)
    try {
      if ((await this.#disk.realpath(path)) === path) return path
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) throw error
    }
    return await this.#explain(names)
  }

  /** The path of a folder, made if needed, with every entry on the way to it on the disk. */
  async ensure(names: readonly string[]): Promise<string> {
    const found = await this.find(names)
    if (found !== undefined && this.#synced.has(found)) return found
    let at = await this.#resolve()
    for (const name of names) {
      const parent = at
      at = join(parent, name)
      if (await this.#make(at)) this.#synced.delete(at)
      if (this.#synced.has(at)) continue
      await this.#disk.syncFolder(parent)
      if (this.#synced.size >= REMEMBERED) this.#synced.clear()
      this.#synced.add(at)
    }
    return at
  }

  /** Makes the root folder, 0700, and what is missing above it. An existing one is left as it is. */
  async prepare(): Promise<void> {
    const missing: string[] = []
    for (let path = this.root; !(await this.#exists(path)) && path !== dirname(path); path = dirname(path))
      missing.unshift(path)
    for (const path of missing) {
      await this.#make(path)
      await this.#disk.syncFolder(dirname(path))
    }
  }

  async #exists(path: string): Promise<boolean> {
    try {
      return (await this.#disk.realpath(path)) !== ''
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** Makes a folder; `false` when it was there. */
  async #make(path: string): Promise<boolean> {
    try {
      await this.#disk.makeFolder(path)
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw bucketMissing(this.root)
      if (errnoOf(error) !== 'EEXIST') throw error
      await this.#mustBeFolder(path)
      return false
    }
  }

  async #mustBeFolder(path: string): Promise<void> {
    const { kind } = await this.#disk.stat(path)
    if (kind === 'symlink') throw symlinkInStore(path)
    if (kind !== 'folder') throw foreign(path, 'is a file where the store keeps a folder')
  }

  /** Where the root really is. Looked up once: a link above the store that is moved later does not move the store under a running process. */
  async #resolve(): Promise<string> {
    if (this.#resolved !== undefined) return this.#resolved
    try {
      this.#resolved = await this.#disk.realpath(this.root)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw bucketMissing(this.root)
      if (errnoOf(error) === 'ENOTDIR') throw bucketMissing(this.root, 'lies below something that is no folder')
      throw error
    }
    return this.#resolved
  }

  /** Finds out why a path does not lead straight to a folder: a link, a file, or an absent name (`undefined`). */
  async #explain(names: readonly string[]): Promise<string | undefined> {
    let at = await this.#resolve()
    try {
      if ((await this.#disk.stat(at)).kind !== 'folder') throw bucketMissing(this.root, 'is not a folder')
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      this.#resolved = undefined
      this.#synced.clear()
      throw bucketMissing(this.root)
    }
    for (const name of names) {
      at = join(at, name)
      try {
        await this.#mustBeFolder(at)
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw error
      }
    }
    return at // it appeared between the two looks
  }
}
