import { type FileHandle, link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { KeelstateError, printable } from '../core/errors.ts'
import type { DeploymentName } from './deployment.ts'
import { sortRevisions } from './revisions.ts'

/**
 * The folders in which release v0.4.0 of the contract keeps state: `<root>/<factory>/<stack>/{current,lock,snapshots/<rev>.json.enc}`, directories
 * 0755, files 0600.
 */

const SUFFIX = '.json.enc'
const DIRECTORY_MODE = 0o755
const FILE_MODE = 0o600

/** One stack of such a tree, as it was when it was looked at. */
export interface OriginalStack extends DeploymentName {
  /** Absolute. */
  readonly folder: string
  /** Names of its revisions, oldest first. */
  readonly revisions: readonly string[]
  /** What `current` names; absent when there is no such file, or an empty one. */
  readonly current?: string
  /** Set while somebody holds the original's lock. */
  readonly lock?: OriginalLock
}

/** What the original's lock file says, and when it was made. */
export interface OriginalLock {
  readonly holder: string
  readonly since: string
}

/** The stacks below a root, by name. @throws {KeelstateError} `InvalidInput` when there is none. */
export async function findOriginalStacks(root: string): Promise<DeploymentName[]> {
  const found: DeploymentName[] = []
  for (const factory of await folders(resolve(root), true)) {
    for (const stack of await folders(join(resolve(root), factory))) {
      const parts = await names(join(resolve(root), factory, stack))
      if (parts.some((part) => part === 'snapshots' || part === 'current')) found.push({ factory, stack })
    }
  }
  if (found.length > 0) return found
  throw new KeelstateError('InvalidInput', {
    key: root,
    message: `${printable(root)} holds no state of the form FACTORY/STACK/snapshots.`,
    hint: 'Name the folder above those of the factories.',
  })
}

/** @throws {KeelstateError} `InvalidInput` when there is no such stack, or it cannot be read. */
export async function readOriginalStack(root: string, { factory, stack }: DeploymentName): Promise<OriginalStack> {
  const folder = stackFolder(root, { factory, stack })
  const revisions = (await names(join(folder, 'snapshots'), true))
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
  const current = (await readIfThere(join(folder, 'current')))?.toString().trim()
  const lock = await readOriginalLock(folder)
  return {
    factory,
    stack,
    folder,
    revisions: sortRevisions(revisions),
    ...(current ? { current } : {}),
    ...(lock === undefined ? {} : { lock }),
  }
}

/** Who holds the original's lock, as its file says; `undefined` when nobody does. */
export async function readOriginalLock(folder: string): Promise<OriginalLock | undefined> {
  const path = join(folder, 'lock')
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  const since = (await stat(path)).mtime.toISOString()
  return { holder: `process ${printable(text.toString().trim(), 60)}`, since }
}

/** Where a stack lies. @throws {KeelstateError} `InvalidName` when that is not below the root. */
export function stackFolder(root: string, { factory, stack }: DeploymentName): string {
  const folder = resolve(root, join(factory, stack))
  const below = relative(resolve(root), folder)
  if (below !== '' && below !== '..' && !below.startsWith(`..${sep}`) && below.includes(sep)) return folder
  throw new KeelstateError('InvalidName', {
    message: `${JSON.stringify(printable(`${factory}/${stack}`))} does not lie in a folder of its own below ${printable(root)}.`,
  })
}

export function revisionFile(folder: string, revision: string): string {
  return join(folder, 'snapshots', `${revision}${SUFFIX}`)
}

/** The error for a tree whose lock is held: somebody's program is changing it. */
export function originalLocked(
  { factory, stack, folder }: DeploymentName & { folder: string },
  lock: OriginalLock,
  hint: string,
): KeelstateError<'Locked'> {
  return new KeelstateError('Locked', {
    key: `${factory}/${stack}`,
    message: `${printable(join(folder, 'lock'))} says that ${lock.holder} has been changing this state since ${lock.since}.`,
    details: { holder: lock.holder, since: lock.since, owner: '' },
    hint,
  })
}

/** Reads a file. `undefined` when there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw treeError('read', path, cause)
  }
}

export async function makeSnapshotsFolder(folder: string): Promise<void> {
  const path = join(folder, 'snapshots')
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE }).catch((cause: unknown) => {
    throw treeError('write', path, cause)
  })
}

/**
 * Creates a file, whole or not at all; one that is there is never replaced.
 *
 * @throws {KeelstateError} `AlreadyExists`; `NoSpace`.
 */
export async function createFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    await rm(temporary, { force: true }) // left by a process that was killed
    await write(await open(temporary, 'wx', FILE_MODE), content)
    await link(temporary, path)
  } catch (cause) {
    throw treeError('write', path, cause)
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

async function write(file: FileHandle, content: Uint8Array): Promise<void> {
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function folders(path: string, mustExist = false): Promise<string[]> {
  const entries = await list(path, mustExist)
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}

async function names(path: string, mustExist = false): Promise<string[]> {
  return (await list(path, mustExist)).map(({ name }) => name)
}

async function list(path: string, mustExist: boolean): Promise<import('node:fs').Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return []
    throw treeError('read', path, cause)
  }
}

export function treeError(verb: 'read' | 'write', path: string, cause: unknown): KeelstateError {
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException
  const shown = printable(path, 1_000)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new KeelstateError('NoSpace', { key: path, message: `There is no room left to write ${shown}.`, cause })
  if (code === 'EEXIST')
    return new KeelstateError('AlreadyExists', { key: path, message: `${shown} is there already.`, cause })
  const why: Record<string, string> = {
    ENOENT: 'it does not exist',
    ENOTDIR: 'a file is where a folder should be',
    EISDIR: 'a folder is where a file should be',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    EINVAL: 'the file system does not take such a name',
  }
  return new KeelstateError('InvalidInput', {
    key: path,
    message: `Cannot ${verb} ${shown}: ${why[code] ?? code}.`,
    details: { status: code },
    cause,
  })
}
