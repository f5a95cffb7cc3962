import { type Call, type Command, defineCommand } from '../command.ts'
import { count, shown } from '../text.ts'

const options = {
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
} as const

interface Reset {
  dryRun: boolean
  names: string[]
}

async function reset(call: Call<typeof options>): Promise<Reset> {
  const store = await call.open({ keys: 'none' })
  const { 'dry-run': dryRun } = call.options
  const marked = await store.resetLocks({ dryRun, signal: call.signal })
  return { dryRun, names: marked.map(({ name }) => name).sort() }
}

export const command: Command = defineCommand({
  name: 'locks reset',
  about:
    'Marks every lock of the store as restored. To be run after its table or objects were brought back from a backup: the next holder of each begins above the fencing token of whoever held it since. Locks that are held stay held.',
  positionals: [],
  options,
  examples: [
    ['locks reset --dry-run', 'which locks'],
    ['locks reset', 'after a restore, before anybody works again'],
  ],
  run: reset,
  async people({ dryRun, names }, output) {
    for (const name of names) await output.data(`${shown(name)}\n`)
    await output.talk(`${dryRun ? 'would mark' : 'marked'} ${count(names.length, 'lock')} as restored`)
  },
  json: ({ dryRun, names }) => ({ dryRun, names }),
})
