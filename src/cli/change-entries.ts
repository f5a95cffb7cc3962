import { KeelstateError } from '../core/errors.ts'
import type { Snapshot } from '../deployments/snapshot.ts'
import { snapshotDocument } from '../deployments/snapshot-document.ts'
import type { RevisionInfo } from '../index.ts'
import type { Call } from './command.ts'
import { LOCK_OPTIONS, underLock } from './under-lock.ts'

/** Options of commands that change a snapshot's entries. */
export const CHANGE_OPTIONS: typeof LOCK_OPTIONS & {
  readonly message: { readonly type: 'string'; readonly short: 'm'; readonly value: string; readonly help: string }
  readonly 'dry-run': { readonly type: 'boolean'; readonly help: string }
} = {
  message: { type: 'string', short: 'm', value: 'TEXT', help: 'why; kept in the new revision' },
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
  ...LOCK_OPTIONS,
}

/** What a change made of the current snapshot. */
export interface Changed<R> {
  readonly name: string
  readonly dryRun: boolean
  readonly result: R
  /** The new revision; absent in a dry run. */
  readonly revision?: RevisionInfo
}

/** Makes the current snapshot of a document into the next, under its lock. */
export async function changeSnapshot<R>(
  call: Call<typeof CHANGE_OPTIONS>,
  operation: string,
  defaultMessage: string,
  change: (snapshot: Snapshot) => { snapshot: Snapshot; result: R },
): Promise<Changed<R>> {
  const { signal, positionals } = call
  const { message = defaultMessage, 'dry-run': dryRun } = call.options
  const name = positionals[0]!
  const document = snapshotDocument(await call.open(), name)
  // What is not there is said before a lock is taken, which would make a document of that name.
  const now = await document.revision('current', { signal })
  if (dryRun) return { name, dryRun, result: change(now.value).result }
  return await underLock(call, document, { operation }, async (held) => {
    if (held.current === undefined) throw gone(name)
    const { snapshot, result } = change(held.current.value)
    return { name, dryRun, result, revision: await held.commit(snapshot, { message, signal }) }
  })
}

function gone(name: string): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    key: name,
    message: `${name} was deleted while its lock was waited for.`,
    hint: `See what happened: keelstate status ${name}`,
  })
}
