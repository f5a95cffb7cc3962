import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { VersionedDocument } from '../core/document.ts'
import { KeelstateError, printable } from '../core/errors.ts'
import type { RevisionInfo } from '../core/revision.ts'
import type { CallOptions } from '../core/store.ts'
import { decodeSnapshot } from './codec.ts'
import type { DeploymentName } from './deployment.ts'
import { type Encrypter, noop } from './encrypter.ts'
import { contentDigest } from './import.ts'
import {
  createFile,
  makeSnapshotsFolder,
  originalLocked,
  readIfThere,
  readOriginalLock,
  revisionFile,
  stackFolder,
} from './original-tree.ts'
import { isTimeName, nextRevisionId } from './revisions.ts'

export interface ExportOptions extends CallOptions {
  /** What the original will be configured with; default `noop`. */
  encrypter?: Encrypter
  onProgress?: (done: number, total: number) => void
}

export interface ExportReport {
  /** Where it was written. */
  readonly folder: string
  /** Names of the revisions that were written, oldest first. */
  readonly written: readonly string[]
  /** How many were there already, with the same content. */
  readonly present: number
  /** What the file `current` names; absent when nothing is current. */
  readonly current?: string
}

/**
 * Writes a document as a stack of an original tree, which release v0.4.0 of the contract reads: every kept revision, and at last `current`.
 *
 * Revisions keep their names if those are times, as those of deployments are; others are named by their time. No file is ever replaced: one that is
 * there must have the same content.
 *
 * @param document As `stateDocument` opens it.
 * @throws {KeelstateError} `NotFound` when it has no revisions; `InvalidInput` when one of them is no snapshot; `AlreadyExists` for a file with
 *   other content, before anything is written; `Locked` when the original's lock is held there.
 */
export async function exportStack(
  document: VersionedDocument<Uint8Array>,
  root: string,
  name: DeploymentName,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const { encrypter = noop, signal } = options
  const folder = stackFolder(root, name)
  const revisions = await namedRevisions(document, signal)
  const lock = await readOriginalLock(folder)
  if (lock !== undefined)
    throw originalLocked({ ...name, folder }, lock, 'Wait until it is done, or write into another folder.')
  const missing: typeof revisions = []
  for (const one of revisions)
    if (!(await isThere(revisionFile(folder, one.name), document, one.info, options))) missing.push(one)
  const current = revisions.find(({ info }) => info.current)?.name
  const pointer = join(folder, 'current')
  const found = (await readIfThere(pointer))?.toString()
  if (found !== undefined && found !== `${current}\n`) throw different(pointer)

  await makeSnapshotsFolder(folder)
  for (const [done, one] of missing.entries()) {
    const { value } = await document.revision(one.info.id, signal && { signal })
    decodeSnapshot(value)
    await createFile(revisionFile(folder, one.name), await encrypter.encrypt(value, signal && { signal }))
    options.onProgress?.(done + 1, missing.length)
  }
  if (current !== undefined && found === undefined) await createFile(pointer, Buffer.from(`${current}\n`))
  return {
    folder,
    written: missing.map((one) => one.name),
    present: revisions.length - missing.length,
    ...(current === undefined ? {} : { current }),
  }
}

/** The kept revisions, oldest first, each with its name in the tree. */
async function namedRevisions(
  document: VersionedDocument<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<{ info: RevisionInfo; name: string }[]> {
  const infos: RevisionInfo[] = []
  for await (const info of document.history(signal && { signal })) infos.push(info)
  infos.reverse()
  if (infos.length === 0) await document.info('current', signal && { signal }) // says by `NotFound` what is missing
  const stranger = infos.find(({ type }) => type !== 'snapshot')
  if (stranger !== undefined) {
    throw new KeelstateError('InvalidInput', {
      key: document.name,
      message: `Revision @${stranger.number} of ${document.name} is no snapshot: its type is ${printable(stranger.type)}. Nothing was written.`,
      hint: 'The original reads snapshots only.',
    })
  }
  const taken = new Set(infos.map(({ id }) => id))
  let before: string | undefined
  return infos.map((info) => {
    let name = info.id
    if (!isTimeName(name))
      for (name = nextRevisionId(Date.parse(info.at), before); taken.has(name); ) name = nextRevisionId(0, name)
    before = name
    return { info, name }
  })
}

/** @throws {KeelstateError} `AlreadyExists` when another content is there. */
async function isThere(
  path: string,
  document: VersionedDocument<Uint8Array>,
  info: RevisionInfo,
  { encrypter = noop, signal }: ExportOptions,
): Promise<boolean> {
  const sealed = await readIfThere(path)
  if (sealed === undefined) return false
  const plain = await encrypter.decrypt(sealed).catch(() => undefined) // under another key: another content
  const digest = plain && createHash('sha256').update(plain).digest('hex')
  if (digest !== (await contentDigest(document, info, signal ? { signal } : {}))) throw different(path)
  return true
}

function different(path: string): KeelstateError<'AlreadyExists'> {
  return new KeelstateError('AlreadyExists', {
    key: path,
    message: `${printable(path, 1_000)} is there already with another content. Nothing was written.`,
    hint: 'No file is ever replaced. Export into a new folder.',
  })
}
