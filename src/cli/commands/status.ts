import { bytes, type DocumentStatus } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { headJson, revisionJson, revisionLine } from '../revisions.ts'
import { byteCount, columns, shown } from '../text.ts'

const options = {} as const

function status(call: Call<typeof options>): Promise<DocumentStatus> {
  return call.open().then((store) => store.document(call.positionals[0]!, bytes()).status({ signal: call.signal }))
}

export const command: Command = defineCommand({
  name: 'status',
  about: 'Shows what is current in NAME, its labels, and which keys open it.',
  positionals: ['NAME'],
  options,
  examples: [['status shop/prod', 'what is current, and who wrote it']],
  run: status,
  async people(found, output) {
    const { current, tombstone } = found
    const labels = Object.entries(found.labels).map(([label, id]) => `${shown(label)} = ${shown(id)}`)
    const keys = found.recipients.map(({ provider, keyId }) => `${shown(provider)}:${shown(keyId)}`)
    const rows = [
      ['document', shown(found.name)],
      [
        'current',
        current
          ? revisionLine(current)
          : tombstone
            ? `none: deleted by ${shown(tombstone.by)} at ${shown(tombstone.at)}`
            : 'none',
      ],
      ...(current
        ? [
            ['message', shown(current.message)],
            ['body', `${shown(current.type)}, ${byteCount(current.bytes)}`],
          ]
        : []),
      ['revisions', `${found.lastNumber} committed so far`],
      ['labels', labels.join(', ') || 'none'],
      ['keys', keys.join(', ') || 'plaintext'],
      ['head', `${byteCount(found.headBytes)}, write ${found.seq}, epoch ${found.epoch}`],
    ]
    await output.data(columns(rows))
  },
  json: (found) => ({
    ...headJson(found),
    current: found.current ? revisionJson(found.current) : null,
    lastNumber: found.lastNumber,
    labels: { ...found.labels },
    deleted: found.tombstone
      ? { at: found.tombstone.at, by: found.tombstone.by, message: found.tombstone.message }
      : null,
  }),
})
