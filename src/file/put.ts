import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { KeelstateError } from '../core/errors.ts'
import type { VersionToken } from '../core/store.ts'
import type { Call } from './call.ts'
import { errnoOf } from './errors.ts'
import { publishFile, type Written } from './immutable.ts'
import { TEMPORARY } from './leftovers.ts'
import { folderOfToken, move, prepareTree, publishTree } from './mutable.ts'
import type { KeyPath } from './paths.ts'

/** Creates an immutable object: temporary file, exclusive link. */
export async function createImmutable(call: Call, path: KeyPath, body: Uint8Array): Promise<VersionToken> {
  const { disk, folders, step, stillWanted } = call
  const found = await folders.find(path.folders)
  if (found !== undefined && (await isThere(call, join(found, path.leaf)))) throw exists(call)
  const temporary = await newTemporary(call)
  try {
    const stat = await disk.writeFile(temporary, body, stillWanted)
    const folder = await folders.ensure(path.folders)
    stillWanted()
    return resultOf(call, await publishFile(disk, { path: temporary, stat }, folder, path.leaf, step))
  } catch (error) {
    throw await rootOrError(call, error)
  } finally {
    await disk.unlink(temporary).catch(() => undefined) // one name of two, or a leftover
  }
}

/** Creates a mutable object: a prepared tree, renamed into place. */
export async function createMutable(call: Call, path: KeyPath, body: Uint8Array): Promise<VersionToken> {
  const { disk, folders, step, stillWanted } = call
  if ((await folders.find([...path.folders, path.leaf])) !== undefined) throw exists(call)
  const temporary = await newTemporary(call)
  try {
    const token = await prepareTree(disk, temporary, body, stillWanted)
    const parent = await folders.ensure(path.folders)
    stillWanted()
    return resultOf(call, await publishTree(disk, { path: temporary, token }, parent, path.leaf, step))
  } catch (error) {
    const cause = await rootOrError(call, error)
    // After a rename of unknown outcome the tree stays whole: the rename may yet be made.
    if (!isOpen(cause)) await disk.removeTree(temporary).catch(() => undefined)
    throw cause
  }
}

/** Moves a mutable object on from `token`. */
export async function moveMutable(
  call: Call,
  path: KeyPath,
  token: VersionToken,
  body: Uint8Array,
): Promise<VersionToken> {
  const { disk, folders, step, stillWanted } = call
  const names = [...path.folders, path.leaf]
  const current = folderOfToken(token)
  if (current === undefined || (await folders.find([...names, current])) === undefined) {
    if ((await folders.find(names)) !== undefined) throw refused(call, 'is not what it was expected to be')
    throw new KeelstateError('NotFound', {
      operation: step.operation,
      ...(step.key === undefined ? {} : { key: step.key }),
      message: `${step.key}, which was to be replaced, does not exist.`,
      details: { subject: 'object' },
    })
  }
  const folder = join(await folders.ensure(names))
  return resultOf(call, await move(disk, folder, token, body, stillWanted, step))
}

function resultOf(call: Call, written: Written): VersionToken {
  if (written.result === 'written') return written.token
  if (written.result === 'lost') throw refused(call, 'was changed by another writer')
  throw new KeelstateError('Unavailable', {
    operation: call.step.operation,
    ...(call.step.key === undefined ? {} : { key: call.step.key }),
    message: `The temporary file of ${call.step.key} was removed before it could be put in place; nothing was written.`,
    details: { notExecuted: true },
  })
}

async function newTemporary(call: Call): Promise<string> {
  return join(await call.folders.ensure([TEMPORARY]), randomBytes(16).toString('hex'))
}

async function isThere(call: Call, path: string): Promise<boolean> {
  try {
    await call.disk.stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

/** `BucketMissing` when a step found nothing because the root is gone; else the error as it is. */
async function rootOrError(call: Call, error: unknown): Promise<unknown> {
  if (errnoOf(error) !== 'ENOENT') return error
  return await call.folders.find([]).then(
    () => error,
    (missing: unknown) => missing,
  )
}

function isOpen(error: unknown): boolean {
  return KeelstateError.is(error, 'Unavailable') && error.details.notExecuted !== true
}

function exists(call: Call): KeelstateError {
  return refused(call, 'exists already')
}

function refused(call: Call, says: string): KeelstateError {
  const { operation, key } = call.step
  return new KeelstateError('PreconditionFailed', {
    operation,
    ...(key === undefined ? {} : { key }),
    message: `${key} ${says}.`,
  })
}
