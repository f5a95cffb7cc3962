import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { currentInfo } from '../current.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  message: { type: 'string', short: 'm', value: 'TEXT', help: 'why; kept in the new revision' },
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
  ...LOCK_OPTIONS,
} as const

interface RolledBack {
  name: string
  dryRun: boolean
  target: RevisionInfo
  revision?: RevisionInfo
  replaced?: RevisionInfo
}

async function rollback(call: Call<typeof options>): Promise<RolledBack> {
  const { signal, positionals } = call
  const { message, 'dry-run': dryRun } = call.options
  const [name = '', ref = ''] = positionals
  const document = stateDocument(await call.open(), name)
  const target = await document.info(ref, { signal })
  if (dryRun) {
    const now = await currentInfo(document, signal)
    return { name, dryRun, target, ...(now && { replaced: now }) }
  }
  // By id: `current~1` means the revision that was shown, also when somebody pushes meanwhile.
  return await underLock(call, document, { operation: 'rollback', content: false }, async (held) => {
    const change = { signal, parent: held.currentInfo ?? 'none', ...(message !== undefined && { message }) }
    const revision = await held.rollback(target.id, change)
    return { name, dryRun, target, revision, ...(revision.replaced && { replaced: revision.replaced }) }
  })
}

export const command: Command = defineCommand({
  name: 'rollback',
  about: 'Makes the content of revision REV current again, as a new revision: history says who went back and why.',
  positionals: ['NAME', 'REV'],
  options,
  examples: [
    ['rollback shop/prod current~1 -m "the move was wrong"', 'one back'],
    ['rollback shop/prod stable --dry-run', 'what would happen'],
  ],
  run: rollback,
  async people({ name, dryRun, target, revision, replaced }, output) {
    if (dryRun) await output.talk(`would roll ${shown(name)} back to ${revisionLine(target)}`)
    else
      await output.talk(
        `rolled ${shown(name)} back to @${target.number} ${shown(target.id)}, as ${revisionLine(revision!)}`,
      )
    if (replaced) await output.talk(`${dryRun ? 'would replace' : 'replaced'} ${revisionLine(replaced)}`)
  },
  json: ({ name, dryRun, target, revision, replaced }) => ({
    name,
    dryRun,
    target: revisionJson(target),
    revision: revision ? revisionJson(revision) : null,
    replaced: replaced ? revisionJson(replaced) : null,
  }),
})
