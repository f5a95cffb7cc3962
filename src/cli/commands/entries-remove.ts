import { printable } from '../../core/errors.ts'
import { removeEntry } from '../../deployments/entries.ts'
import { CHANGE_OPTIONS, type Changed, changeSnapshot } from '../change-entries.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'

interface Removed {
  address: string
  dependents: string[]
}

async function remove(call: Call<typeof CHANGE_OPTIONS>): Promise<Changed<Removed>> {
  const [, address = ''] = call.positionals
  return await changeSnapshot(call, 'entries remove', `removed ${printable(address)}`, (now) => {
    const { snapshot, dependents } = removeEntry(now, address)
    return { snapshot, result: { address, dependents } }
  })
}

export const command: Command = defineCommand({
  name: 'entries remove',
  about:
    'Forgets the entry at ADDRESS in the snapshot NAME. What it stands for is not touched, and entries under it stay.',
  positionals: ['NAME', 'ADDRESS'],
  options: CHANGE_OPTIONS,
  examples: [['entries remove shop/prod old-queue -m "handed over to the data team"', 'forget it']],
  run: remove,
  async people({ name, dryRun, result, revision }, output) {
    const { address, dependents } = result
    await output.talk(`${dryRun ? 'would remove' : 'removed'} ${shown(address)}`)
    if (dependents.length > 0)
      await output.talk(`warning: what depends on it stays: ${dependents.map((one) => shown(one)).join(', ')}`)
    if (revision) await output.talk(`${shown(name)} is ${revisionLine(revision)}`)
  },
  json: ({ name, dryRun, result, revision }) => ({
    name,
    dryRun,
    removed: result.address,
    dependents: result.dependents,
    revision: revision ? revisionJson(revision) : null,
  }),
})
