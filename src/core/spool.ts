import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Access } from './access.ts'
import { KeelstateError } from './errors.ts'
import { hex } from './header.ts'
import { defaultMemoryFolder } from './memory-file.ts'
import { type DocumentName, formatName, identityOf, nameOfHeadKey } from './names.ts'
import type { Against, SaveContent, SaveLayout } from './save-file.ts'
import type { DocumentKeys } from './sealer.ts'

const ENDING = '.save'
const SAVE = /^(\d{8}T\d{9}Z-[0-9a-f]{8})\.save$/
const LEFTOVER = /^\.[0-9a-f]{12}\.tmp$/
const LEFTOVER_MS = 60 * 60 * 1_000
const { O_APPEND, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_WRONLY } = constants // Windows has not all of them

/** What a failed commit was to store, kept in a local file. What is said here stands in the clear, and is proven when it is recovered. */
export interface SpooledSave {
  /** Tells the saves of a document apart; in the order of time. */
  readonly id: string
  /** The document, as typed. */
  readonly name: string
  readonly kind: string
  /** When it was kept: RFC 3339, by this machine's clock. */
  readonly at: string
  /** Length of what it holds. */
  readonly bytes: number
  /** Id of the revision that it was to replace; `null` = there was none; absent = that had not been read. */
  readonly parent?: string | null
  /** Head writes that were begun for it, of which one may have landed: `document.outcome` tells. */
  readonly writes: readonly string[]
  readonly file: string
}

/** A save whose file cannot be read: damaged, foreign, or of a newer format. */
export interface UnreadableSave {
  readonly name: string
  readonly kind: string
  readonly file: string
  readonly problem: KeelstateError
}

/** A save as its file has it now. */
export interface SaveFile {
  readonly layout: SaveLayout
  readonly writes: readonly string[]
}

/** The folder for saves: `$XDG_STATE_HOME/keelstate/spool`, else `~/.local/state/keelstate/spool`. */
export function defaultSpoolFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(defaultMemoryFolder(environment), 'spool')
}

/**
 * Saves in a private folder: one file each, 0600 in folders 0700, complete or not there. Several processes may use it at once.
 *
 * What became of a save is never read off the folder: the head says that. docs/decisions/0016-saves-that-survive.md
 */
export class SpoolFolder {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /**
   * Keeps a save; it has reached the disk when this resolves, to its file's path.
   *
   * @throws {KeelstateError} `NoSpace` or `Unavailable`, saying why it could not be kept.
   */
  async keep(
    access: Access,
    keys: DocumentKeys,
    content: SaveContent,
    unsettled: () => { against: Against; write?: string },
  ): Promise<string> {
    const { scope, environment } = access
    const at = new Date(environment.now()).toISOString()
    const id = `${at.replace(/[-:.]/g, '')}-${randomBytes(4).toString('hex')}`
    const { sealSave } = await saveFiles()
    const bytes = await sealSave({ scope, id, at, ...unsettled() }, content, keys)
    const folder = this.#folderOf(hex(scope.storeId), access.name)
    const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`)
    const file = join(folder, id + ENDING)
    try {
      await this.#prepare(folder)
      await create(temporary, bytes)
      await rename(temporary, file)
      await syncFolder(folder)
      return file
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw diskError('kept', file, error)
    }
  }

  /** Yields the saves of a store, or of one of its documents, oldest first within each. */
  async *list(storeId: string, name?: DocumentName): AsyncGenerator<SpooledSave | UnreadableSave> {
    if (name !== undefined) return yield* this.#ofDocument(storeId, name)
    const root = join(this.folder, storeId)
    for (const folder of (await namesIn(root, true)).filter((one) => one.endsWith(`${sep}~`)).sort()) {
      const document = nameOfHeadKey(['heads', ...folder.split(sep)].join('/'))
      if (document !== undefined) yield* this.#ofDocument(storeId, document)
    }
  }

  /**
   * Reads what a save says and which writes were begun for it.
   *
   * @throws {KeelstateError} `NotFound` when it is there no more; `Corrupt`.
   */
  async read(file: string): Promise<SaveFile> {
    return await reading(file, readSave)
  }

  /** Opens a save. @throws {KeelstateError} `NotFound`, `Corrupt`, `DecryptFailed`; `InvalidInput` when it is of another document. */
  async open(file: string, access: Access): Promise<{ saved: SaveContent; against: Against }> {
    const { damaged, openSave } = await saveFiles()
    return await reading(file, async (handle) => {
      const { layout } = await readSave(handle, file)
      const { scope, keyId, keyTable, against } = layout.header
      const here = access.scope
      const same = scope.kind === here.kind && scope.path === here.path && hex(scope.storeId) === hex(here.storeId)
      if (!same) throw ofAnother(file)
      const keys = await access.sealer.unwrap(access.scope, keyTable, keyId)
      const sealed = await readAt(handle, layout.from, layout.length)
      if (sealed.length < layout.length) throw damaged(file, 'was cut short', 'length')
      return { saved: await openSave(layout, sealed, keys, file), against }
    })
  }

  /**
   * Notes a head write that is about to be sent for a save; on disk when this resolves.
   *
   * @throws {KeelstateError} `NotFound`; `NoSpace`, `Unavailable`. It must not be sent then: what the file may hold of it says nothing.
   */
  async note(file: string, id: string, write: string): Promise<void> {
    const { writeLine } = await saveFiles()
    const line = writeLine(id, write)
    try {
      const handle = await open(file, O_WRONLY | O_APPEND | O_NOFOLLOW)
      try {
        const { bytesWritten } = await handle.write(line)
        // A full disk takes what there is room for. The rest is not sent after it: another process's line may have come between.
        if (bytesWritten < line.length) throw Object.assign(new Error('a part was written'), { code: 'ENOSPC' })
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      throw isGone(error) ? gone(file) : diskError('changed', file, error)
    }
  }

  /** Removes a save; one that is gone is no matter. @throws {KeelstateError} `Unavailable`. */
  async discard(file: string): Promise<void> {
    try {
      await unlink(file)
      await syncFolder(dirname(file))
    } catch (error) {
      if (!isGone(error)) throw diskError('removed', file, error)
    }
  }

  async *#ofDocument(storeId: string, name: DocumentName): AsyncGenerator<SpooledSave | UnreadableSave> {
    const folder = this.#folderOf(storeId, name)
    const names = (await namesIn(folder)).sort()
    for (const one of names.filter((leftover) => LEFTOVER.test(leftover))) await removeOld(join(folder, one))
    for (const one of names) {
      const id = SAVE.exec(one)?.[1]
      if (id === undefined) continue
      const file = join(folder, one)
      const about = { name: formatName(name), kind: name.kind, file }
      try {
        const { layout, writes } = await this.read(file)
        const { header } = layout
        // Where capitals do not count, two documents share a folder.
        if (`${header.scope.kind}/${header.scope.path}` !== identityOf(name)) continue
        const { parent } = header.against
        yield { ...about, id, at: header.at, bytes: header.bytes, writes, ...(parent === undefined ? {} : { parent }) }
      } catch (error) {
        if (!KeelstateError.is(error)) throw error
        if (error.code !== 'NotFound') yield { ...about, problem: error }
      }
    }
  }

  #folderOf(storeId: string, name: DocumentName): string {
    return join(this.folder, storeId, ...identityOf(name).split('/'), '~')
  }

  /** Makes the folders, private; none of them below the spool's own may be a link. */
  async #prepare(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await chmod(this.folder, 0o700) // it may have been there
    for (let at = folder; at !== this.folder; at = dirname(at)) {
      if (!(await lstat(at)).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' })
      await syncFolder(dirname(at))
    }
  }
}

/** Loaded when there is something to keep, or kept: not by every process. */
function saveFiles(): Promise<typeof import('./save-file.ts')> {
  return import('./save-file.ts')
}

async function reading<R>(file: string, use: (handle: FileHandle, file: string) => Promise<R>): Promise<R> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    return await use(handle, file)
  } catch (error) {
    if (KeelstateError.is(error)) throw error
    throw isGone(error) ? gone(file) : diskError('read', file, error)
  } finally {
    await handle?.close()
  }
}

async function readSave(handle: FileHandle, file: string): Promise<SaveFile> {
  const { damaged, decodeLayout, decodeWrites, layoutBytes } = await saveFiles()
  const { size } = await handle.stat()
  const start = await readAt(handle, 0, layoutBytes(await readAt(handle, 0, 16), file))
  const layout = decodeLayout(start, file)
  const end = layout.from + layout.length
  if (size < end) throw damaged(file, 'was cut short', 'length')
  const lines = decodeWrites(layout.header.id, await readAt(handle, end, size - end), file)
  const { write } = layout.header
  return { layout, writes: [...new Set([...(write === undefined ? [] : [write]), ...lines])] }
}

/** As many bytes as there are, at most `length`. */
async function readAt(handle: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const { bytesRead } = await handle.read(bytes, at, length - at, from + at)
    if (bytesRead === 0) break
    at += bytesRead
  }
  return bytes.subarray(0, at)
}

async function create(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return // which cannot open one
  const handle = await open(folder, O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What a process left behind that was killed while it kept a save. */
async function removeOld(path: string): Promise<void> {
  const age = await lstat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )
  if (age > LEFTOVER_MS) await unlink(path).catch(() => undefined)
}

async function namesIn(folder: string, recursive = false): Promise<string[]> {
  try {
    return await readdir(folder, { recursive })
  } catch (error) {
    if (isGone(error)) return []
    throw diskError('read', folder, error)
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function gone(file: string): KeelstateError<'NotFound'> {
  return new KeelstateError('NotFound', {
    key: file,
    message: `${file} is there no more: it was recovered or discarded meanwhile.`,
    details: { subject: 'save' },
    hint: 'See what is stored: keelstate history; and what is still kept: keelstate recover',
  })
}

function ofAnother(file: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    key: file,
    message: `${file} is a save of another document, or of another store.`,
    hint: 'keelstate recover lists the saves of a store with their documents.',
  })
}

function diskError(what: 'kept' | 'read' | 'changed' | 'removed', path: string, cause: unknown): KeelstateError {
  if (KeelstateError.is(cause)) return cause
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException
  const why: Record<string, string> = {
    ENOSPC: 'its disk is full',
    EDQUOT: 'the disk quota is used up',
    EROFS: 'its file system is read-only',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    ELOOP: 'it is a link',
    ENOTDIR: 'there is something else in its place',
  }
  return new KeelstateError(code === 'ENOSPC' || code === 'EDQUOT' ? 'NoSpace' : 'Unavailable', {
    key: path,
    message: `${path} could not be ${what}: ${why[code] ?? code}.`,
    details: { status: code },
    hint: 'KEELSTATE_SPOOL, or the option spool, names another folder.',
    cause,
  })
}
