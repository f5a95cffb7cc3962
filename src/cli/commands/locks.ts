import type { LockStatus, UnreadableLock } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { lockJson, lockRow, tellUnreadable, unreadableJson, unreadableLocks } from '../locks.ts'
import { columns } from '../text.ts'

const options = {
  all: { type: 'boolean', help: 'also locks that nobody holds: who had them last' },
} as const

interface Locks {
  locks: LockStatus[]
  unreadable: UnreadableLock[]
}

async function locks(call: Call<typeof options>): Promise<Locks> {
  const store = await call.open({ keys: 'none' })
  const found: Locks = { locks: [], unreadable: [] }
  for await (const lock of store.locks({ signal: call.signal })) {
    if ('problem' in lock) found.unreadable.push(lock)
    else if (lock.held || call.options.all) found.locks.push(lock)
    call.progress.update(found.locks.length, 'locks')
  }
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  return { locks: found.locks.sort(byName), unreadable: found.unreadable.sort(byName) }
}

export const command: Command = defineCommand({
  name: 'locks',
  about:
    'Lists the locks of the store that are held, as their records say: they are not verified. Needs no key. Records that cannot be read are named, exit 6.',
  positionals: [],
  options,
  examples: [
    ['locks', 'who holds what'],
    ['locks --all --json', 'everything, for a program'],
  ],
  run: locks,
  async people({ locks: found, unreadable }, output) {
    const header = ['NAME', 'STATE', 'BY', 'SINCE', 'LEASE', 'FOR']
    if (found.length > 0) await output.data(columns([header, ...found.map(lockRow)]))
    else if (unreadable.length === 0) await output.talk('no locks')
    await tellUnreadable(unreadable, output)
  },
  json: ({ locks: found, unreadable }) => ({
    locks: found.map((lock) => ({ name: lock.name, kind: lock.kind, ...lockJson(lock) })),
    unreadable: unreadable.map(unreadableJson),
  }),
  failure: ({ unreadable }) => unreadableLocks('locks', unreadable),
})
