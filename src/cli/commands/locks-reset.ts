import type { UnreadableLock } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { tellUnreadable, unreadableJson, unreadableLocks } from '../locks.ts'
import { count, shown } from '../text.ts'

const options = {
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
} as const

interface Reset {
  dryRun: boolean
  names: string[]
  unreadable: UnreadableLock[]
}

async function reset(call: Call<typeof options>): Promise<Reset> {
  const store = await call.open({ keys: 'none' })
  const { 'dry-run': dryRun } = call.options
  const result: Reset = { dryRun, names: [], unreadable: [] }
  for (const lock of await store.resetLocks({ dryRun, signal: call.signal })) {
    if ('problem' in lock) result.unreadable.push(lock)
    else result.names.push(lock.name)
  }
  result.names.sort()
  return result
}

export const command: Command = defineCommand({
  name: 'locks reset',
  about:
    'Marks every lock of the store as restored. To be run after its table or objects were brought back from a backup: the next holder of each begins above the fencing token of whoever held it since. Locks that are held stay held. Records that cannot be read are named and left as they are, exit 6.',
  positionals: [],
  options,
  examples: [
    ['locks reset --dry-run', 'which locks'],
    ['locks reset', 'after a restore, before anybody works again'],
  ],
  run: reset,
  async people({ dryRun, names, unreadable }, output) {
    for (const name of names) await output.data(`${shown(name)}\n`)
    await output.talk(`${dryRun ? 'would mark' : 'marked'} ${count(names.length, 'lock')} as restored`)
    await tellUnreadable(unreadable, output)
  },
  json: ({ dryRun, names, unreadable }) => ({ dryRun, names, unreadable: unreadable.map(unreadableJson) }),
  failure: ({ unreadable }) => unreadableLocks('locks reset', unreadable),
})
