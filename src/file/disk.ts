import { type BigIntStats, constants } from 'node:fs'
import {
  chmod,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  unlink,
} from 'node:fs/promises'

/** What a name in a folder stands for, without following it. */
export type EntryKind = 'file' | 'folder' | 'symlink' | 'other'

export interface FileStat {
  readonly kind: EntryKind
  readonly size: number
  readonly modifiedMs: number
  /** Differs between any two files that were ever at one path, and survives a rename and a new link. */
  readonly identity: string
}

export interface FolderEntry {
  readonly name: string
  readonly kind: EntryKind
}

/** An open file whose content has not been read yet. */
export interface OpenedFile {
  readonly stat: FileStat
  /** Reads the whole content; `stillWanted` is called between chunks and may throw. */
  read(stillWanted: () => void): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * The steps that the driver is made of, each with what makes it safe: nothing follows a symbolic link at the end of its path, nothing
 * replaces a file, files are 0600 and folders 0700 whatever the umask. They reject with the platform's own errors.
 */
export interface Disk {
  realpath(path: string): Promise<string>
  stat(path: string): Promise<FileStat>
  entries(folder: string): Promise<FolderEntry[]>
  /** Makes one folder; `EEXIST` when anything has the name. */
  makeFolder(path: string): Promise<void>
  /** Creates a file with this content and waits until the content is on the disk. A file that could not be written is removed. */
  writeFile(path: string, bytes: Uint8Array, stillWanted: () => void): Promise<FileStat>
  openFile(path: string): Promise<OpenedFile>
  /** Waits until the names in a folder are on the disk. */
  syncFolder(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  link(existing: string, path: string): Promise<void>
  unlink(path: string): Promise<void>
  removeTree(path: string): Promise<void>
}

const CHUNK_BYTES = 4 * 1024 * 1024 // between two looks at the caller's signal
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** The operating system's files. */
export const systemDisk: Disk = {
  realpath: (path) => realpath(path),
  stat: async (path) => fileStat(await lstat(path, { bigint: true })),
  async entries(folder) {
    const found = await readdir(folder, { withFileTypes: true })
    return found.map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
  },
  async makeFolder(path) {
    await mkdir(path, 0o700)
    await chmod(path, 0o700) // the umask may have taken bits away
  },
  async writeFile(path, bytes, stillWanted) {
    const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      await file.chmod(0o600)
      for (let at = 0; at < bytes.length; ) {
        stillWanted()
        const { bytesWritten } = await file.write(bytes, at, Math.min(CHUNK_BYTES, bytes.length - at))
        at += bytesWritten
      }
      await file.sync()
      const stat = fileStat(await file.stat({ bigint: true }))
      await file.close()
      return stat
    } catch (error) {
      await file.close().catch(() => undefined)
      await unlink(path).catch(() => undefined) // a leftover is harmless, and the first error says more
      throw error
    }
  },
  async openFile(path) {
    // O_NONBLOCK: opening a pipe that somebody put there must not wait for its other end.
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const stat = fileStat(await file.stat({ bigint: true }))
      return { stat, read: (stillWanted) => readAll(file, stat.size, stillWanted), close: () => file.close() }
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
  },
  async syncFolder(path) {
    const folder = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  rename: (from, to) => rename(from, to),
  link: (existing, path) => link(existing, path),
  unlink: (path) => unlink(path),
  removeTree: (path) => rm(path, { recursive: true, force: true }),
}

/** Reads until `size` bytes are there or the file ends, whichever is first. */
async function readAll(file: FileHandle, size: number, stillWanted: () => void): Promise<Uint8Array> {
  const bytes = new Uint8Array(size)
  let at = 0
  while (at < size) {
    stillWanted()
    const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK_BYTES, size - at), at)
    if (bytesRead === 0) return bytes.subarray(0, at)
    at += bytesRead
  }
  return bytes
}

function fileStat(stats: BigIntStats): FileStat {
  const { ino, mtimeNs, size } = stats
  const identity = [ino, mtimeNs, size].map((value) => value.toString(36)).join('-')
  return { kind: kindOf(stats), size: Number(size), modifiedMs: Number(stats.mtimeMs), identity }
}

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): EntryKind {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}
