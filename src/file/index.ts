import { systemDisk } from './disk.ts'
import { type FileStoreOptions, parseFileStoreOptions } from './options.ts'
import { type FileStore, FolderStore } from './store.ts'

export type { FileStore, FileStoreOptions }

/**
 * A store in a folder, for one machine: compare-and-swap across processes and crashes without a lock file.
 *
 * Nothing is read or written before the first call. A folder that does not exist is `BucketMissing` in every call; `prepare` creates it. Files
 * are 0600 and folders 0700. No symbolic link below the root is followed: one that lies in the way is `AccessDenied`. A write is
 * on the disk (fsync) when it resolves. A full disk is `NoSpace`, a read-only folder `AccessDenied`, and a file system that lacks hard links or
 * atomic renames is `Unsupported`, naming the folder; what was refused before the atomic step says so in `details.notExecuted`.
 *
 * @throws {KeelstateError} `InvalidOptions`; `Unsupported` on Windows.
 */
export function fileStore(options: FileStoreOptions): FileStore {
  return new FolderStore(parseFileStoreOptions(options), systemDisk)
}
