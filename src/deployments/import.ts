import { createHash } from 'node:crypto'
import type { VersionedDocument } from '../core/document.ts'
import { KeelstateError, printable, throwIfAborted } from '../core/errors.ts'
import type { LockedDocument } from '../core/locked-document.ts'
import type { RevisionInfo } from '../core/revision.ts'
import type { CallOptions } from '../core/store.ts'
import { decodeSnapshot } from './codec.ts'
import { type Encrypter, noop } from './encrypter.ts'
import { type OriginalStack, originalLocked, readIfThere, revisionFile, treeError } from './original-tree.ts'
import { compareRevisions, timeOfRevision } from './revisions.ts'

export interface ImportOptions extends CallOptions {
  /** What the original was configured with; default `noop`, as the original. */
  encrypter?: Encrypter
  /** Go on although somebody holds the original's lock. */
  force?: boolean
  /** Recorded with each revision; default `imported`. */
  message?: string
  /** Called for each snapshot that was checked, then for each that was written. */
  onProgress?: (done: number, total: number) => void
}

/** What an import does, or would do. */
export interface ImportPlan {
  /** Names of the revisions that the document does not have yet, oldest first. */
  readonly missing: readonly string[]
  /** How many of the tree's it has. */
  readonly present: number
  /** What will be current; absent when nothing is in the tree and in the document. */
  readonly current?: string
}

/**
 * Compares a stack of an original tree with a document, and reads and checks every snapshot of it. Writes nothing.
 *
 * @param document As `stateDocument` opens it.
 * @param current What is current in the document.
 * @throws {KeelstateError} `Locked` when the original's lock is held and `force` was not given; `Conflict` when the document has another content
 *   under a name of the tree, or has moved on by itself while the tree has too; `Corrupt` when `current` names a snapshot that is not there;
 *   `DecryptFailed`; `InvalidInput` for a file that is no snapshot.
 */
export async function planImport(
  tree: OriginalStack,
  document: VersionedDocument<Uint8Array>,
  current: RevisionInfo | undefined,
  options: ImportOptions = {},
): Promise<ImportPlan> {
  if (tree.lock !== undefined && options.force !== true)
    throw originalLocked(tree, tree.lock, 'Wait until it is done. If nobody is at work any more, add --force.')
  if (tree.current !== undefined && !tree.revisions.includes(tree.current)) throw dangling(tree)
  const present = new Map<string, RevisionInfo>()
  for await (const info of document.history(options)) present.set(info.id, info)
  const missing: string[] = []
  for (const [done, revision] of tree.revisions.entries()) {
    throwIfAborted(options.signal, 'import', document.name)
    const digest = digestOf(await readSnapshot(tree, revision, options.encrypter))
    const known = present.get(revision)
    if (known === undefined) missing.push(revision)
    else if ((await contentDigest(document, known, options)) !== digest) throw differs(document.name, revision)
    options.onProgress?.(done + 1, tree.revisions.length)
  }
  const movedOn = current !== undefined && !tree.revisions.includes(current.id)
  if (movedOn && missing.length > 0) throw bothMoved(document.name, current, missing.at(-1)!)
  // Nothing is new: whatever was made current here since the last import stays.
  const next = missing.length === 0 ? (current?.id ?? tree.current) : (tree.current ?? current?.id)
  return { missing, present: tree.revisions.length - missing.length, ...(next === undefined ? {} : { current: next }) }
}

/**
 * Brings a stack of an original tree into a document: its revisions with their names, order and times, and what is current. Bodies are taken as
 * the original wrote them, decrypted; the store seals them. What the document has already is left out, so an import that was interrupted goes on
 * where it stopped.
 *
 * @param held The document's lock.
 * @throws {KeelstateError} As `planImport`; `LeaseLost`.
 */
export async function importStack(
  tree: OriginalStack,
  document: VersionedDocument<Uint8Array>,
  held: LockedDocument<Uint8Array>,
  options: ImportOptions = {},
): Promise<ImportPlan> {
  const plan = await planImport(tree, document, held.currentInfo, options)
  const { message = 'imported', signal } = options
  for (const [done, id] of plan.missing.entries()) {
    const body = await readSnapshot(tree, id, options.encrypter)
    const change = { made: { id, at: timeOfRevision(id)! }, message, type: 'snapshot', ...(signal && { signal }) }
    // Each was current in its turn, up to the one that is: so each has the one before it as its parent.
    const wasCurrent = tree.current !== undefined && compareRevisions(id, tree.current) <= 0
    const newest = held.currentInfo === undefined || compareRevisions(held.currentInfo.id, id) < 0
    if (wasCurrent && newest) await held.commit(body, change)
    else await held.add(body, change)
    options.onProgress?.(done + 1, plan.missing.length)
  }
  if (plan.current !== undefined && held.currentInfo?.id !== plan.current)
    await held.setCurrent(plan.current, signal && { signal })
  return plan
}

/** SHA-256 of a revision's whole content, hex. That of one that is stored as a change must be made. */
export async function contentDigest(
  document: VersionedDocument<Uint8Array>,
  info: RevisionInfo,
  { signal }: CallOptions,
): Promise<string> {
  if (info.base === undefined) return info.digest
  return digestOf((await document.revision(info.id, signal && { signal })).value)
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}

/** A snapshot's plain bytes, checked. */
async function readSnapshot(tree: OriginalStack, revision: string, encrypter: Encrypter = noop): Promise<Uint8Array> {
  const path = revisionFile(tree.folder, revision)
  if (timeOfRevision(revision) === undefined) {
    throw new KeelstateError('InvalidInput', {
      key: path,
      message: `${printable(path, 1_000)} is not named by a time, as the original names its revisions.`,
      hint: 'Move it out of the folder if it is none.',
    })
  }
  const sealed = await readIfThere(path)
  if (sealed === undefined) throw treeError('read', path, { code: 'ENOENT' })
  try {
    const plain = await encrypter.decrypt(sealed)
    decodeSnapshot(plain)
    return plain
  } catch (error) {
    if (!KeelstateError.is(error)) throw error
    const encrypted = encrypter === noop && sealed[0] !== 0x7b // no JSON object
    throw new KeelstateError(error.code, {
      key: path,
      message: `${printable(path, 1_000)} cannot be read: ${error.message}`,
      details: error.details,
      hint: encrypted
        ? 'It looks encrypted: name the variable that holds its key (--env-key UB_STATE_KEY).'
        : (error.hint ?? 'Nothing was written.'),
      cause: error,
    })
  }
}

function dangling(tree: OriginalStack): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key: tree.folder,
    message: `${printable(tree.folder, 1_000)}/current names ${printable(tree.current ?? '')}, and there is no such snapshot.`,
    hint: 'Write the name of the snapshot that is meant into the file current, and import again.',
  })
}

function differs(name: string, revision: string): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    key: name,
    message: `${name} has a revision ${printable(revision)} already, and its content is another one. Nothing was written.`,
    hint: 'These are two histories. Import under another name, or find out which is the right one.',
  })
}

function bothMoved(name: string, current: RevisionInfo, newest: string): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    key: name,
    message: `${name} and the tree have both moved on: ${printable(current.id)} by ${printable(current.by)} is current here, and the tree has ${printable(newest)}. Nothing was written.`,
    details: { current: current.id, by: current.by, at: current.at },
    hint: 'Somebody still works on the tree. Make up your mind which of the two goes on; push the content that shall be current.',
  })
}
