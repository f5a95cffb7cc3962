import { KeelstateError } from '../core/errors.ts'
import type { RevisionInfo, VersionedDocument } from '../index.ts'
import { revisionLine } from './revisions.ts'
import { shown } from './text.ts'

const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/

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

/** The refusal of a change whose `--parent` is not what a fresh read found current. */
export function notCurrent(operation: string, name: string, now: RevisionInfo | undefined): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    operation,
    key: name,
    message: `The parent given is not current in ${shown(name)}: ${now === undefined ? 'nothing is' : `${revisionLine(now)} is`}.`,
    ...(now && { details: { current: now.id, by: now.by, at: now.at } }),
    hint: `Look at what came in between (keelstate history ${shown(name)}), then say --parent ${now?.id ?? 'none'}.`,
  })
}

/**
 * The id that `--parent` names, to be compared with what is current.
 *
 * An id is taken as it is: one that was pruned since is a conflict like any other that is not current, not a `NotFound`.
 */
export async function parentId(
  document: VersionedDocument<unknown>,
  ref: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (ref === undefined || ref === 'none' || ULID.test(ref)) return ref
  return (await document.info(ref, { signal })).id
}
