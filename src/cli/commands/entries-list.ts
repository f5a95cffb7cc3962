import { type EntryJson, entriesJson } from '../../deployments/entries.ts'
import { snapshotDocument } from '../../deployments/snapshot-document.ts'
import type { RevisionInfo } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { entryKind } from '../snapshots.ts'
import { columns, count, shown } from '../text.ts'

const options = {
  rev: { type: 'string', value: 'REV', help: 'of another revision than current' },
} as const

interface Listed {
  name: string
  revision: RevisionInfo
  entries: EntryJson[]
}

async function list(call: Call<typeof options>): Promise<Listed> {
  const name = call.positionals[0]!
  const document = snapshotDocument(await call.open(), name)
  const revision = await document.revision(call.options.rev ?? 'current', { signal: call.signal })
  return { name, revision, entries: entriesJson(revision.value) }
}

export const command: Command = defineCommand({
  name: 'entries list',
  about: 'Lists the entries of the snapshot in NAME: their addresses, and what each is.',
  positionals: ['NAME'],
  options,
  examples: [['entries list shop/prod', 'what is deployed']],
  run: list,
  async people({ name, revision, entries }, output) {
    await output.data(columns(entries.map((entry) => [shown(String(entry.address)), entryKind(entry)])))
    await output.talk(`${count(entries.length, 'entry', 'entries')} in ${shown(name)}: ${revisionLine(revision)}`)
  },
  json: ({ name, revision, entries }) => ({
    name,
    revision: revisionJson(revision),
    entries: entries.map(({ address, type, kind = null, library = null, 'library-type': libraryType = null }) => ({
      address,
      type,
      kind,
      library,
      'library-type': libraryType,
    })),
  }),
})
