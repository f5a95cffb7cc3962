import { join } from 'node:path'
import type { Disk, FileStat } from './disk.ts'
import { atomicStepError, errnoOf, type FailedStep, fileError } from './errors.ts'

/** What a write came to. `lost`: the condition did not hold. `swept`: a collector took the temporary file away; nothing was written. */
export type Written = { readonly result: 'written'; readonly token: string } | { readonly result: 'lost' | 'swept' }

/**
 * Creates the immutable object at `path` from a temporary file that is on the disk already: an exclusive link is the one atomic step.
 *
 * @param folder The folder of `path`; it exists.
 * @throws Of the link and after it; `Unavailable` when the outcome is open.
 */
export async function publishFile(
  disk: Disk,
  temporary: { path: string; stat: FileStat },
  folder: string,
  leaf: string,
  step: FailedStep,
): Promise<Written> {
  const path = join(folder, leaf)
  try {
    await disk.link(temporary.path, path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return { result: 'swept' }
    if (errno !== 'EEXIST') throw atomicStepError(errno === 'EPERM' ? noHardLinks(error) : error, step)
    // A network file system that repeated the request answers EEXIST although this very link was made.
    if (!(await isSameFile(disk, path, temporary.stat, step))) return { result: 'lost' }
  }
  try {
    await disk.syncFolder(folder)
  } catch (error) {
    throw fileError(error, { ...step, stage: 'after' })
  }
  return { result: 'written', token: temporary.stat.identity }
}

/** File systems without hard links, such as FAT, refuse with EPERM; https://man7.org/linux/man-pages/man2/link.2.html. */
function noHardLinks(error: unknown): Error {
  return Object.assign(new Error('the file system has no hard links', { cause: error }), { code: 'ENOTSUP' })
}

async function isSameFile(disk: Disk, path: string, stat: FileStat, step: FailedStep): Promise<boolean> {
  try {
    return (await disk.stat(path)).identity === stat.identity
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false // created by another and deleted since
    throw fileError(error, { ...step, stage: 'after' })
  }
}
