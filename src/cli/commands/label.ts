import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  remove: { type: 'boolean', help: 'take the label away; the revision stays' },
  ...LOCK_OPTIONS,
} as const

interface Labelled {
  name: string
  label: string
  removed: boolean
  revision?: RevisionInfo
}

async function label(call: Call<typeof options>): Promise<Labelled> {
  const { signal, positionals } = call
  const { remove } = call.options
  const [name = '', text = '', ref] = positionals
  if (remove && ref !== undefined) throw usage('label', '--remove takes no REV: a label is on one revision only.')
  const document = stateDocument(await call.open(), name)
  // What is not there is said before a lock is taken, which would make a document of that name.
  if (!remove) await document.info(ref ?? 'current', { signal })
  else if (!Object.hasOwn(await document.labels({ signal }), text)) await document.unlabel(text, { signal })
  return await underLock(call, document, { operation: 'label', content: false }, async (held) => {
    if (!remove)
      return { name, label: text, removed: false, revision: await held.label(text, ref ?? 'current', { signal }) }
    await held.unlabel(text, { signal })
    return { name, label: text, removed: true }
  })
}

export const command: Command = defineCommand({
  name: 'label',
  about:
    'Names revision REV (default current) LABEL, moving the label if another revision has it; or removes the label.',
  positionals: ['NAME', 'LABEL', 'REV?'],
  options,
  examples: [
    ['label shop/prod stable', 'name what is current'],
    ['label shop/prod stable --remove', 'take the name away'],
  ],
  run: label,
  async people({ name, label: text, revision }, output) {
    if (revision) await output.talk(`${shown(name)}: ${shown(text)} is ${revisionLine(revision)}`)
    else await output.talk(`${shown(name)}: ${shown(text)} removed`)
  },
  json: ({ name, label: text, removed, revision }) => ({
    name,
    label: text,
    removed,
    revision: revision ? revisionJson(revision) : null,
  }),
})
