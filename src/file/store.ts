import { join } from 'node:path'
import type { DriverCall } from '../core/driver-attempt.ts'
import { checkDelete, checkList, checkPut, DRIVER_PAGE, isImmutable } from '../core/driver-checks.ts'
import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectKey,
  ObjectStore,
  ObjectStoreCapabilities,
  PutCondition,
  StoredObject,
  VersionToken,
} from '../core/store.ts'
import { type Call, runCall } from './call.ts'
import type { Disk, OpenedFile } from './disk.ts'
import { errnoOf, foreign, type Stage } from './errors.ts'
import { Folders } from './folders.ts'
import { inspectFolder } from './inspect.ts'
import { sweepLeftovers, TEMPORARY } from './leftovers.ts'
import { currentSize, currentToken, openCurrent } from './mutable.ts'
import type { ParsedFileStoreOptions } from './options.ts'
import { foldersOfPrefix, pathOfKey } from './paths.ts'
import { createImmutable, createMutable, moveMutable } from './put.ts'
import { type FoundLeaf, walk } from './walk.ts'

/** A store in a folder of this machine. */
export interface FileStore extends ObjectStore {
  /** Creates the root folder, 0700, and what is missing above it. What exists is left as it is. */
  prepare(options?: CallOptions): Promise<void>
}

const LANES = 8 // sizes asked for at a time

/** The driver over the platform's files, or over a disk of a test's making. */
export class FolderStore implements FileStore {
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #disk: Disk
  readonly #folders: Folders
  readonly #leftoverAgeMs: number
  #closed = false

  constructor(options: ParsedFileStoreOptions, disk: Disk) {
    this.address = `file:${options.root}`
    this.capabilities = { conditionalPut: true, conditionalGet: true, durable: true, maxBytes: options.maxBytes }
    this.#disk = disk
    this.#folders = new Folders(options.root, disk)
    this.#leftoverAgeMs = options.leftoverAgeMs
  }

  async prepare(options: CallOptions = {}): Promise<void> {
    await this.#call('prepare', undefined, 'unjudged', options, () => this.#folders.prepare())
  }

  async get(key: ObjectKey, options: GetOptions = {}): Promise<StoredObject | 'unchanged' | undefined> {
    return await this.#call('get', key, 'unjudged', options, async (call) => {
      const { folders, leaf } = pathOfKey(key)
      const opened = isImmutable(key)
        ? await openLeaf(call, folders, leaf)
        : await openHead(call, [...folders, leaf], options.unlessToken)
      if (opened === undefined || opened === 'unchanged') return opened
      try {
        if (opened.token === options.unlessToken) return 'unchanged'
        return { bytes: await this.#readBody(key, opened.file, call), token: opened.token }
      } finally {
        await opened.file.close()
      }
    })
  }

  async put(
    key: ObjectKey,
    body: Uint8Array,
    condition: PutCondition,
    options: CallOptions = {},
  ): Promise<VersionToken> {
    return await this.#call('put', key, 'before', options, async (call) => {
      checkPut(callOf('put', key), body, condition, this.capabilities.maxBytes)
      const copy = new Uint8Array(body) // before the first await: the caller may re-use the buffer
      const path = pathOfKey(key)
      if ('ifAbsent' in condition) return await (isImmutable(key) ? createImmutable : createMutable)(call, path, copy)
      return await moveMutable(call, path, condition.ifMatch, copy)
    })
  }

  /** Deletes immutable objects, then what killed writers left half-made longer ago than `leftoverAgeMs`. */
  async delete(keys: readonly ObjectKey[], options: CallOptions = {}): Promise<void> {
    await this.#call('delete', undefined, 'unjudged', options, async (call) => {
      checkDelete(callOf('delete', keys[0] ?? ''), keys)
      for (const [folder, leaves] of await this.#byFolder(keys)) {
        for (const leaf of leaves) {
          call.stillWanted()
          await unlinkIfThere(call.disk, join(folder, leaf))
        }
        await call.disk.syncFolder(folder)
      }
      await this.#sweep(call)
    })
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    return await this.#call('list', prefix, 'unjudged', options, async (call) => {
      const limit = Math.min(options.limit ?? DRIVER_PAGE, DRIVER_PAGE)
      checkList(callOf('list', prefix), prefix, limit)
      const folder = await this.#folders.find(foldersOfPrefix(prefix))
      if (folder === undefined) return { objects: [] }
      const after = options.cursor === undefined ? undefined : Buffer.from(options.cursor)
      const leaves: FoundLeaf[] = []
      for await (const leaf of walk(call.disk, folder, prefix, after)) {
        call.stillWanted()
        leaves.push(leaf)
        if (leaves.length > limit) break
      }
      const page = leaves.slice(0, limit)
      const objects = await measure(call, page)
      return leaves.length > limit ? { objects, cursor: page.at(-1)!.key } : { objects }
    })
  }

  inspect(): AsyncGenerator<Finding> {
    return inspectFolder(this.address.slice('file:'.length))
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #call<T>(
    operation: string,
    key: ObjectKey | undefined,
    stage: Stage,
    options: CallOptions,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    if (this.#closed)
      throw new KeelstateError('Closed', { operation, message: `The store ${this.address} was closed.` })
    const step = { operation, key, root: this.#folders.root, stage }
    return runCall(this.#disk, this.#folders, step, options.signal, work)
  }

  async #readBody(key: ObjectKey, file: OpenedFile, call: Call): Promise<Uint8Array> {
    const { kind, size } = file.stat
    if (kind !== 'file') throw foreign(key, 'is not a file')
    if (size > this.capabilities.maxBytes) throw tooLarge(key, size, this.capabilities.maxBytes)
    const bytes = await file.read(call.stillWanted)
    if (bytes.length !== size) throw foreign(key, 'was cut short while it was read')
    return bytes
  }

  /** Leaves by the path of their folder; those whose folder does not exist are left out. */
  async #byFolder(keys: readonly ObjectKey[]): Promise<Map<string, string[]>> {
    const paths = new Map<string, { folders: readonly string[]; leaves: string[] }>()
    for (const key of keys) {
      const { folders, leaf } = pathOfKey(key)
      const group = paths.get(folders.join('/')) ?? { folders, leaves: [] }
      group.leaves.push(leaf)
      paths.set(folders.join('/'), group)
    }
    const found = new Map<string, string[]>()
    for (const { folders, leaves } of paths.values()) {
      const folder = await this.#folders.find(folders)
      if (folder !== undefined) found.set(folder, leaves)
    }
    return found
  }

  /** Never fails a delete: what it could not remove, the next one does. */
  async #sweep(call: Call): Promise<void> {
    try {
      const temporary = await this.#folders.find([TEMPORARY])
      if (temporary !== undefined) await sweepLeftovers(call.disk, temporary, Date.now(), this.#leftoverAgeMs)
    } catch {
      // Tidiness only.
    }
  }
}

interface Opened {
  readonly token: VersionToken
  readonly file: OpenedFile
}

async function openLeaf(call: Call, folders: readonly string[], leaf: string): Promise<Opened | undefined> {
  const folder = await call.folders.find(folders)
  if (folder === undefined) return undefined
  try {
    const file = await call.disk.openFile(join(folder, leaf))
    return { token: file.stat.identity, file }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function openHead(
  call: Call,
  names: readonly string[],
  unlessToken: string | undefined,
): Promise<Opened | 'unchanged' | undefined> {
  const folder = await call.folders.find(names)
  if (folder === undefined) return undefined
  if (unlessToken !== undefined && (await currentToken(call.disk, folder)) === unlessToken) return 'unchanged'
  return await openCurrent(call.disk, folder)
}

/** The sizes of a page. Objects that were deleted since they were seen are left out. */
async function measure(call: Call, page: readonly FoundLeaf[]): Promise<ListedObject[]> {
  const sizes = new Array<number | undefined>(page.length)
  let next = 0
  const lane = async () => {
    while (next < page.length) {
      call.stillWanted()
      const at = next
      next += 1
      sizes[at] = await sizeOf(call.disk, page[at]!)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return page.flatMap(({ key }, at) => (sizes[at] === undefined ? [] : [{ key, size: sizes[at] }]))
}

async function sizeOf(disk: Disk, { key, path }: FoundLeaf): Promise<number | undefined> {
  try {
    if (!isImmutable(key)) return await currentSize(disk, path)
    const { kind, size } = await disk.stat(path)
    return kind === 'file' ? size : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (KeelstateError.is(error, 'Corrupt')) return 0 // shown, so that a reader finds out what is wrong with it
    throw error
  }
}

async function unlinkIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

function callOf(operation: DriverCall['operation'], key: string): DriverCall {
  return { service: 'The folder', operation, key }
}

function tooLarge(key: ObjectKey, bytes: number, maxBytes: number): KeelstateError<'TooLarge'> {
  return new KeelstateError('TooLarge', {
    key,
    message: `${key} is ${bytes} bytes; this store takes ${maxBytes}.`,
    details: { bytes, maxBytes, notExecuted: true },
  })
}
