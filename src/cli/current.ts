import { KeelstateError } from '../core/errors.ts'
import { ulidRevisionIds } from '../core/revision-id.ts'
import { isTimeName } from '../deployments/revisions.ts'
import type { RevisionInfo, VersionedDocument } from '../index.ts'
import { revisionLine } from './revisions.ts'
import { shown } from './text.ts'

/** What is current, without its content; `undefined` when the document has no current revision. */
export async function currentInfo(
  document: VersionedDocument<unknown>,
  signal: AbortSignal,
): Promise<RevisionInfo | undefined> {
  try {
    return await document.info('current', { signal })
  } catch (error) {
    const absent = KeelstateError.is(error, 'NotFound') && ['document', 'revision'].includes(error.details.subject)
    if (absent) return undefined
    throw error
  }
}

/**
 * Refuses a change whose `--parent` is not what is current. Asks the store only about names that what is current does not answer to.
 *
 * @param ref What was typed; nothing when any revision may be replaced.
 * @throws {KeelstateError} `Conflict`; `NotFound` for a name that no revision has. An id that no revision has may have been pruned: it is a conflict
 *   like any other that is not current.
 */
export async function refuseOtherParent(
  operation: string,
  document: VersionedDocument<unknown>,
  now: RevisionInfo | undefined,
  ref: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (ref === undefined || (ref === 'none' ? now === undefined : now !== undefined && isNamed(now, ref))) return
  if (!isParentId(ref) && (await document.info(ref, { signal })).id === now?.id) return
  throw notCurrent(operation, document.name, now)
}

/** Whether it names one revision, or none, whatever is stored. */
export function isParentId(ref: string): boolean {
  return ref === 'none' || ulidRevisionIds.has(ref) || isTimeName(ref)
}

function isNamed(now: RevisionInfo, ref: string): boolean {
  return ref === 'current' || ref === now.id || ref === `@${now.number}` || now.labels.includes(ref)
}

function notCurrent(operation: string, name: string, now: RevisionInfo | undefined): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    operation,
    key: name,
    message: `The parent given is not current in ${shown(name)}: ${now === undefined ? 'nothing is' : `${revisionLine(now)} is`}.`,
    ...(now && { details: { current: now.id, by: now.by, at: now.at } }),
    hint: `Look at what came in between (keelstate history ${shown(name)}), then say --parent ${now?.id ?? 'none'}.`,
  })
}
