import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionRow } from '../revisions.ts'
import { columns, shown } from '../text.ts'

const DEFAULT_LIMIT = 20 // a screenful; each further 16 or so cost one request

const options = {
  limit: { type: 'string', value: 'N', help: `how many revisions; default ${DEFAULT_LIMIT}` },
} as const

interface History {
  name: string
  revisions: RevisionInfo[]
  more: boolean
}

async function history(call: Call<typeof options>): Promise<History> {
  const name = call.positionals[0]!
  const limit = wholeNumber(call.options.limit)
  const document = stateDocument(await call.open(), name)
  const revisions: RevisionInfo[] = []
  // One more than is shown, to know whether there is more.
  for await (const info of document.history({ limit: limit + 1, signal: call.signal })) revisions.push(info)
  // No revisions may mean that nothing has that name; its status tells, by `NotFound`.
  if (revisions.length === 0) await document.status({ signal: call.signal })
  return { name, revisions: revisions.slice(0, limit), more: revisions.length > limit }
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT
  const n = Number(text)
  if (/^\d+$/.test(text) && n >= 1 && Number.isSafeInteger(n + 1)) return n
  throw usage('history', `--limit must be a whole number from 1, not ${JSON.stringify(shown(text))}.`)
}

export const command: Command = defineCommand({
  name: 'history',
  about: 'Lists the revisions of NAME, newest first.',
  positionals: ['NAME'],
  options,
  examples: [['history shop/prod --limit 5', 'the newest five']],
  run: history,
  async people({ revisions, more }, output) {
    const header = ['REV', 'ID', 'AT', 'BY', 'SIZE', 'TYPE', 'MARKS', 'MESSAGE']
    if (revisions.length > 0) await output.data(columns([header, ...revisions.map(revisionRow)]))
    else await output.talk('no revisions')
    if (more) await output.talk(`there are older ones: --limit ${revisions.length * 5}`)
  },
  json: ({ name, revisions, more }) => ({ name, revisions: revisions.map(revisionJson), more }),
})
