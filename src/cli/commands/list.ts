import type { HeadStatus, UnreadableHead } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { headJson } from '../revisions.ts'
import { byteCount, columns, shown } from '../text.ts'

const options = {
  all: { type: 'boolean', help: 'also deleted documents, and those that have no current revision' },
} as const

interface Listed {
  heads: HeadStatus[]
  unreadable: UnreadableHead[]
}

async function list(call: Call<typeof options>): Promise<Listed> {
  const store = await call.open({ keys: 'none' })
  const listed: Listed = { heads: [], unreadable: [] }
  for await (const head of store.list({ all: call.options.all, signal: call.signal })) {
    if ('problem' in head) listed.unreadable.push(head)
    else listed.heads.push(head)
    call.progress.update(listed.heads.length, 'documents')
  }
  return listed
}

export const command: Command = defineCommand({
  name: 'list',
  about:
    'Lists the documents of the store by what their heads say in clear. Needs no key, so nothing here is verified.',
  positionals: [],
  options,
  examples: [
    ['list', 'what has a current revision'],
    ['list --all --json', 'everything, for a program'],
  ],
  run: list,
  async people({ heads, unreadable }, output) {
    const rows = heads.map((head) => [
      shown(head.name),
      `${head.seq}`,
      byteCount(head.headBytes),
      head.hasCurrent ? 'current' : 'no current',
      head.recipients.map(({ provider, keyId }) => `${shown(provider)}:${shown(keyId)}`).join(' ') || 'plaintext',
    ])
    if (rows.length > 0) await output.data(columns([['NAME', 'WRITES', 'HEAD', 'STATE', 'KEYS'], ...rows]))
    else await output.talk('no documents')
    for (const { name, problem } of unreadable)
      await output.talk(`unreadable: ${shown(name)}: ${shown(problem.message)}`)
  },
  json: ({ heads, unreadable }) => ({
    documents: heads.map(headJson),
    unreadable: unreadable.map(({ name, kind, problem }) => ({
      name,
      kind,
      code: problem.code,
      message: problem.message,
    })),
  }),
})
