import { type EntryJson, entriesJson, findEntryJson } from '../../deployments/entries.ts'
import { snapshotDocument } from '../../deployments/snapshot-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { safeJson, shown } from '../text.ts'

const options = {
  rev: { type: 'string', value: 'REV', help: 'of another revision than current' },
  'show-sensitive': { type: 'boolean', help: 'also the values that the entry marks as sensitive' },
} as const

interface Shown {
  name: string
  revision: RevisionInfo
  entry: EntryJson
}

async function show(call: Call<typeof options>): Promise<Shown> {
  const [name = '', address = ''] = call.positionals
  const { rev = 'current', 'show-sensitive': showSensitive } = call.options
  const revision = await snapshotDocument(await call.open(), name).revision(rev, { signal: call.signal })
  return { name, revision, entry: findEntryJson(entriesJson(revision.value, { showSensitive }), address) }
}

export const command: Command = defineCommand({
  name: 'entries show',
  about: 'Shows the entry at ADDRESS of the snapshot in NAME as JSON, sensitive values masked.',
  positionals: ['NAME', 'ADDRESS'],
  options,
  examples: [
    ['entries show shop/prod db', 'what is recorded of it'],
    ['entries show shop/prod db --show-sensitive', 'with its secrets'],
  ],
  run: show,
  async people({ name, revision, entry }, output) {
    await output.data(`${safeJson(entry, 2)}\n`)
    await output.talk(`${shown(String(entry.address))} in ${shown(name)}: ${revisionLine(revision)}`)
  },
  json: ({ name, revision, entry }) => ({ name, revision: revisionJson(revision), entry }),
})
