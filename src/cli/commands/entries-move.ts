import { printable } from '../../core/errors.ts'
import { type EntryMove, moveEntries } from '../../deployments/entries.ts'
import { CHANGE_OPTIONS, type Changed, changeSnapshot } from '../change-entries.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'

async function move(call: Call<typeof CHANGE_OPTIONS>): Promise<Changed<EntryMove[]>> {
  const [, from = '', to = ''] = call.positionals
  return await changeSnapshot(call, 'entries move', `moved ${printable(from)} to ${printable(to)}`, (now) => {
    const { snapshot, moved } = moveEntries(now, from, to)
    return { snapshot, result: moved }
  })
}

export const command: Command = defineCommand({
  name: 'entries move',
  about:
    'Gives the entry at OLD in the snapshot NAME the address NEW, and takes along everything under OLD/. What depends on them follows. An occupied address is refused, exit 3.',
  positionals: ['NAME', 'OLD', 'NEW'],
  options: CHANGE_OPTIONS,
  examples: [
    ['entries move shop/prod web frontend --dry-run', 'what would move'],
    ['entries move shop/prod web frontend -m "renamed in the code"', 'move it'],
  ],
  run: move,
  async people({ name, dryRun, result, revision }, output) {
    for (const { from, to } of result)
      await output.talk(`${dryRun ? 'would move' : 'moved'} ${shown(from)} to ${shown(to)}`)
    if (revision) await output.talk(`${shown(name)} is ${revisionLine(revision)}`)
  },
  json: ({ name, dryRun, result, revision }) => ({
    name,
    dryRun,
    moved: result.map(({ from, to }) => ({ from, to })),
    revision: revision ? revisionJson(revision) : null,
  }),
})
