import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { refuseOtherParent } from '../current.ts'
import { confirm } from '../prompt.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  parent: { type: 'string', value: 'REV', help: 'delete only if this revision is current: exit 3 otherwise' },
  yes: { type: 'boolean', help: 'do not ask' },
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
  ...LOCK_OPTIONS,
} as const

interface Deleted {
  name: string
  dryRun: boolean
  deleted: boolean
  /** What was current. */
  revision: RevisionInfo
}

async function remove(call: Call<typeof options>): Promise<Deleted> {
  const { signal, host } = call
  const name = call.positionals[0]!
  const { parent: ref, yes, 'dry-run': dryRun } = call.options
  const document = stateDocument(await call.open(), name)
  const now = await document.info('current', { signal })
  await refuseOtherParent('delete', document, now, ref, signal)
  if (dryRun) return { name, dryRun, deleted: false, revision: now }
  call.progress.stop()
  const asked = `Delete ${shown(name)} with its history? Current is ${revisionLine(now)}.`
  const deleted = yes || (await confirm(host, 'delete', asked, '--yes'))
  // What was shown is what is deleted: a revision that came meanwhile is a conflict.
  if (deleted)
    await underLock(call, document, { operation: 'delete', content: false }, (held) =>
      held.delete({ parent: now.id, signal }),
    )
  return { name, dryRun, deleted, revision: now }
}

export const command: Command = defineCommand({
  name: 'delete',
  about: 'Deletes NAME with its history and labels. Asks on a terminal; without one --yes is needed.',
  positionals: ['NAME'],
  options,
  examples: [
    ['delete shop/review-42 --yes', 'without being asked'],
    ['delete shop/review-42 --dry-run', 'what would be deleted'],
  ],
  run: remove,
  async people({ name, dryRun, deleted, revision }, output) {
    const what = `${shown(name)}; current ${deleted ? 'was' : 'is'} ${revisionLine(revision)}`
    await output.talk(deleted ? `deleted ${what}` : dryRun ? `would delete ${what}` : `not deleted: ${what}`)
  },
  json: ({ name, dryRun, deleted, revision }) => ({ name, dryRun, deleted, revision: revisionJson(revision) }),
})
