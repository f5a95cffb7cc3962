import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KeelstateError, printable } from '../core/errors.ts'
import type { VersionToken } from '../core/store.ts'
import type { Disk, OpenedFile } from './disk.ts'
import { atomicStepError, errnoOf, type FailedStep, fileError, foreign, symlinkInStore } from './errors.ts'
import type { Written } from './immutable.ts'

/**
 * Mutable objects: compare-and-swap by one atomic rename that names the expected state. docs/decisions/0005-file-driver.md.
 *
 * An object is a folder with one entry, the folder `cur.<a>.<b>`; its content is the file `<a>.<b>` inside. `a` and `b` are random, and
 * `<a>.<b>` is the version token. A writer on `<a>.<b>` puts its candidate `<b>.<c>` inside, and renames the folder to `cur.<b>.<c>`: of
 * several only one finds `cur.<a>.<b>` still there. A scan of the folder decides nothing, since scans are not atomic.
 *
 * Inside `cur.<a>.<b>` anybody may delete what is neither `<a>.<b>` nor begins with `<b>.`: contents and candidates of the past.
 */
const CURRENT = /^cur\.([0-9a-f]{32})\.([0-9a-f]{32})$/
const TOKEN = /^([0-9a-f]{32})\.([0-9a-f]{32})$/
const SCANS = 200 // of a folder that shows no entry because it is being moved; with the pauses below about a second

interface State {
  readonly from: string
  readonly to: string
}

/** The folder that holds the current content of the object in `folder`, or `undefined` when the object vanished as a whole. */
async function currentState(disk: Disk, folder: string): Promise<State | undefined> {
  for (let scan = 0; scan < SCANS; scan += 1) {
    const states = new Map<string, State>()
    try {
      for (const { name, kind } of await disk.entries(folder)) {
        const [, from, to] = CURRENT.exec(name) ?? []
        if (from === undefined || to === undefined) continue
        if (kind === 'symlink') throw symlinkInStore(join(folder, name))
        states.set(from, { from, to })
      }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
    // A scan during a rename can show the state before and the one after it: the later one is the one that no other came from.
    const newest = [...states.values()].filter((state) => !states.has(state.to))
    if (newest.length === 1) return newest[0]
    if (scan >= 10) await sleep(5)
  }
  throw new KeelstateError('Unavailable', {
    message: `${printable(folder)} shows no current state.`,
    hint: 'If this stays, something removed it: restore the folder from a backup, then run `keelstate verify`.',
  })
}

/** Calls `use` with the path of the current content, again when it was moved on meanwhile. `undefined` when the object vanished as a whole. */
async function withCurrent<T>(
  disk: Disk,
  folder: string,
  use: (path: string, token: VersionToken) => Promise<T>,
): Promise<T | undefined> {
  for (let scan = 0; scan < SCANS; scan += 1) {
    const state = await currentState(disk, folder)
    if (state === undefined) return undefined
    const inside = join(folder, currentName(state))
    try {
      return await use(join(inside, tokenOf(state)), tokenOf(state))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
    if (await exists(disk, inside)) throw foreign(inside, 'lost its content') // the name never comes back, so it was there all the time
  }
  throw new KeelstateError('Unavailable', { message: `${printable(folder)} was moved on at every attempt to read it.` })
}

/** Opens the current content. */
export function openCurrent(
  disk: Disk,
  folder: string,
): Promise<{ token: VersionToken; file: OpenedFile } | undefined> {
  return withCurrent(disk, folder, async (path, token) => ({ token, file: await disk.openFile(path) }))
}

/** Size in bytes of the current content. */
export function currentSize(disk: Disk, folder: string): Promise<number | undefined> {
  return withCurrent(disk, folder, async (path) => (await disk.stat(path)).size)
}

/** The current token, without the content. */
export async function currentToken(disk: Disk, folder: string): Promise<VersionToken | undefined> {
  const state = await currentState(disk, folder)
  return state === undefined ? undefined : tokenOf(state)
}

/** The folder that a write on `token` needs to find, as a name in the object's folder; `undefined` for what this driver never issued. */
export function folderOfToken(token: VersionToken): string | undefined {
  return TOKEN.test(token) ? `cur.${token}` : undefined
}

/**
 * Moves the object in `folder` from `token` to `body`.
 *
 * @throws The platform's errors before the rename, which are definite; of the rename and after it ours, `Unavailable` when the outcome is open.
 */
export async function move(
  disk: Disk,
  folder: string,
  token: VersionToken,
  body: Uint8Array,
  stillWanted: () => void,
  step: FailedStep,
): Promise<Written> {
  const [, from = '', to = ''] = TOKEN.exec(token) ?? []
  const next: State = { from: to, to: randomToken() }
  const here = join(folder, currentName({ from, to }))
  const candidate = join(here, tokenOf(next))
  try {
    await disk.writeFile(candidate, body, stillWanted)
    await syncCandidate(disk, here, candidate, stillWanted)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { result: 'lost' }
    throw error
  }
  // From here on the candidate stays, whatever happens: a rename that is still on its way may publish it.
  try {
    await disk.rename(here, join(folder, currentName(next)))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw atomicStepError(error, step)
    // A network file system that repeated the request answers ENOENT although this very rename was made.
    if (!(await landed(disk, folder, next, step))) return { result: 'lost' }
  }
  await syncAfter(disk, folder, step)
  await removePast(disk, folder, next)
  return { result: 'written', token: tokenOf(next) }
}

async function syncCandidate(disk: Disk, folder: string, candidate: string, stillWanted: () => void): Promise<void> {
  try {
    await disk.syncFolder(folder)
    stillWanted()
  } catch (error) {
    await disk.unlink(candidate).catch(() => undefined) // the next writer removes it
    throw error
  }
}

/** Prepares in `temporary`, which must not exist, what `publishTree` makes a new object of. Resolves to its token. */
export async function prepareTree(
  disk: Disk,
  temporary: string,
  body: Uint8Array,
  stillWanted: () => void,
): Promise<VersionToken> {
  const first: State = { from: randomToken(), to: randomToken() }
  const inside = join(temporary, currentName(first))
  await disk.makeFolder(temporary)
  await disk.makeFolder(inside)
  await disk.writeFile(join(inside, tokenOf(first)), body, stillWanted)
  await disk.syncFolder(inside)
  await disk.syncFolder(temporary)
  return tokenOf(first)
}

/**
 * Creates the object at `parent`/`leaf` by renaming a prepared tree there; a folder that has an entry is never replaced by a rename.
 *
 * @throws The platform's errors before the rename, which are definite; of the rename and after it ours, `Unavailable` when the outcome is open.
 */
export async function publishTree(
  disk: Disk,
  temporary: { path: string; token: VersionToken },
  parent: string,
  leaf: string,
  step: FailedStep,
): Promise<Written> {
  const folder = join(parent, leaf)
  const [, from = '', to = ''] = TOKEN.exec(temporary.token) ?? []
  try {
    await disk.rename(temporary.path, folder)
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (!['ENOENT', 'EEXIST', 'ENOTEMPTY'].includes(errno)) throw atomicStepError(error, step)
    // As above: it may have been this very rename, repeated.
    if (!(await landed(disk, folder, { from, to }, step))) {
      return { result: errno === 'ENOENT' && !(await exists(disk, folder)) ? 'swept' : 'lost' }
    }
  }
  await syncAfter(disk, parent, step)
  return { result: 'written', token: temporary.token }
}

/** Whether `state` is, or was just before, the state of the object. */
async function landed(disk: Disk, folder: string, state: State, step: FailedStep): Promise<boolean> {
  try {
    const names = (await disk.entries(folder)).map((entry) => entry.name)
    return names.some((name) => name === currentName(state) || name.startsWith(`cur.${state.to}.`))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw fileError(error, { ...step, stage: 'after' })
  }
}

/** Contents that were replaced and candidates that lost. Best effort: what stays is removed by the next writer. */
async function removePast(disk: Disk, folder: string, state: State): Promise<void> {
  const inside = join(folder, currentName(state))
  try {
    for (const { name } of await disk.entries(inside)) {
      if (name !== tokenOf(state) && !name.startsWith(`${state.to}.`)) await disk.unlink(join(inside, name))
    }
  } catch {
    // Moved on by another writer, who does the same.
  }
}

async function syncAfter(disk: Disk, folder: string, step: FailedStep): Promise<void> {
  try {
    await disk.syncFolder(folder)
  } catch (error) {
    throw fileError(error, { ...step, stage: 'after' })
  }
}

async function exists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

function currentName(state: State): string {
  return `cur.${tokenOf(state)}`
}

function tokenOf(state: State): VersionToken {
  return `${state.from}.${state.to}`
}

function randomToken(): string {
  return randomBytes(16).toString('hex')
}
