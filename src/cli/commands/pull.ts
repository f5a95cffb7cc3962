import { stateDocument } from '../../deployments/state-document.ts'
import type { Revision } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { replaceFile } from '../local-files.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { byteCount, shown } from '../text.ts'

const options = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FILE',
    help: 'write there instead of stdout: mode 0600, replaced in one step',
  },
  rev: { type: 'string', value: 'REV', help: 'another revision than current' },
} as const

interface Pulled {
  name: string
  revision: Revision<Uint8Array>
  file?: string
}

async function pull(call: Call<typeof options>): Promise<Pulled> {
  const name = call.positionals[0]!
  const { output: file, rev = 'current' } = call.options
  const document = stateDocument(await call.open(), name)
  const revision = await document.revision(rev, { signal: call.signal })
  if (file === undefined || file === '-') return { name, revision }
  await replaceFile(file, revision.value, call.host.cwd)
  return { name, revision, file }
}

export const command: Command = defineCommand({
  name: 'pull',
  about:
    'Writes the exact body of a revision to standard output or FILE; the revision is named on stderr. Exit 5 when there is none.',
  positionals: ['NAME'],
  options,
  examples: [
    ['pull network/terraform -o terraform.tfstate', 'the current state'],
    ['pull shop/prod --rev current~1 | jq .entries', 'the one before it'],
  ],
  run: pull,
  async people({ name, revision, file }, output) {
    if (file === undefined) await output.data(revision.value)
    const where = file === undefined ? '' : ` to ${shown(file)}`
    await output.talk(
      `pulled ${shown(name)} (${shown(revision.type)}, ${byteCount(revision.bytes)})${where}: ${revisionLine(revision)}`,
    )
  },
  json: ({ name, revision, file }) => ({
    name,
    revision: revisionJson(revision),
    file: file ?? null,
    contentBase64: file === undefined ? Buffer.from(revision.value).toString('base64') : null,
  }),
})
