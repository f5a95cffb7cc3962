import type { LockStatus } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { lockJson, lockRow } from '../locks.ts'
import { columns } from '../text.ts'

const options = {
  all: { type: 'boolean', help: 'also locks that nobody holds: who had them last' },
} as const

async function locks(call: Call<typeof options>): Promise<LockStatus[]> {
  const store = await call.open({ keys: 'none' })
  const found: LockStatus[] = []
  for await (const lock of store.locks({ signal: call.signal })) {
    if (lock.held || call.options.all) found.push(lock)
    call.progress.update(found.length, 'locks')
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export const command: Command = defineCommand({
  name: 'locks',
  about: 'Lists the locks of the store that are held, as their records say: they are not verified. Needs no key.',
  positionals: [],
  options,
  examples: [
    ['locks', 'who holds what'],
    ['locks --all --json', 'everything, for a program'],
  ],
  run: locks,
  async people(found, output) {
    const header = ['NAME', 'STATE', 'BY', 'SINCE', 'LEASE', 'FOR']
    if (found.length > 0) await output.data(columns([header, ...found.map(lockRow)]))
    else await output.talk('no locks')
  },
  json: (found) => ({ locks: found.map((lock) => ({ name: lock.name, kind: lock.kind, ...lockJson(lock) })) }),
})
