import { stateDocument } from '../../deployments/state-document.ts'
import type { CompactReport } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { count, shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
  ...LOCK_OPTIONS,
} as const

interface Compacted extends CompactReport {
  name: string
  dryRun: boolean
}

async function compact(call: Call<typeof options>): Promise<Compacted> {
  const { signal } = call
  const name = call.positionals[0]!
  const { 'dry-run': dryRun } = call.options
  const document = stateDocument(await call.open(), name)
  await document.info('current', { signal }) // says by `NotFound` when there is nothing of that name
  if (dryRun) return { name, dryRun, ...(await document.compact({ dryRun, signal })) }
  const report = await underLock(call, document, { operation: 'compact', content: false }, (held) =>
    held.compact({ signal }),
  )
  return { name, dryRun, ...report }
}

export const command: Command = defineCommand({
  name: 'compact',
  about:
    'Stores the current revision of NAME whole where it is stored as a change, and lets go of pruned revisions that others stood on. Changes no revision.',
  positionals: ['NAME'],
  options,
  examples: [
    ['compact shop/prod', 'after a run that was killed'],
    ['compact shop/prod --dry-run --json', 'what would be done, for a program'],
  ],
  run: compact,
  async people({ name, dryRun, stored, released }, output) {
    if (stored.length + released === 0) return await output.talk(`nothing to do: ${shown(name)}`)
    const verb = dryRun ? 'would compact' : 'compacted'
    const done = `${count(stored.length, 'revision')} stored whole, ${count(released, 'pruned one')} let go of`
    await output.talk(`${verb} ${shown(name)}: ${done}`)
  },
  json: ({ name, dryRun, stored, released }) => ({ name, dryRun, stored, released }),
})
