import { diffSnapshots, type SnapshotDiff } from '../../deployments/snapshot-diff.ts'
import { snapshotDocument } from '../../deployments/snapshot-document.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionDiff } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { changeJson, changeText, entryChangeText } from '../snapshots.ts'
import { byteCount, count, shown } from '../text.ts'

const options = {
  'show-sensitive': { type: 'boolean', help: 'of snapshots: also the values that they mark as sensitive' },
} as const

type Compared = Omit<RevisionDiff, 'changes'> & Partial<Pick<RevisionDiff, 'changes'>> & { snapshots?: SnapshotDiff }

async function diff(call: Call<typeof options>): Promise<Compared> {
  const { signal, positionals } = call
  const [name = '', from = 'current~1', to = 'current'] = positionals
  const store = await call.open()
  const compared = await stateDocument(store, name).diff(from, to, { signal })
  const both = compared.from.type === 'snapshot' && compared.to.type === 'snapshot'
  if (!both || compared.changes === undefined) return compared
  // By id, so that it is the revisions that were named just now. Their contents are at hand.
  const document = snapshotDocument(store, name)
  const [before, after] = [
    await document.revision(compared.from.id, { signal }),
    await document.revision(compared.to.id, { signal }),
  ]
  const snapshots = diffSnapshots(before.value, after.value, { showSensitive: call.options['show-sensitive'] })
  return { ...compared, changes: [...snapshots.others], snapshots }
}

export const command: Command = defineCommand({
  name: 'diff',
  about:
    'Shows what changed from revision FROM (default current~1) to TO (default current): by entry for snapshots, member by member for other JSON, sizes and digests otherwise.',
  positionals: ['NAME', 'FROM?', 'TO?'],
  options,
  examples: [
    ['diff shop/prod', 'what the last push changed'],
    ['diff shop/prod @1 stable', 'from the first revision to a label'],
  ],
  run: diff,
  async people({ from, to, equal, changes, snapshots }, output) {
    const talk = `from ${revisionLine(from)}\nto   ${revisionLine(to)}`
    await output.talk(equal ? `${talk}\nno difference` : talk)
    if (equal) return
    if (changes === undefined) {
      const side = (mark: string, info: typeof from) =>
        `${mark} ${shown(info.type)}, ${byteCount(info.bytes)}, sha256 ${info.digest}\n`
      return await output.data(side('-', from) + side('+', to))
    }
    const entries = snapshots?.entries ?? []
    const text = [...entries.map(entryChangeText), ...changes.map((change) => changeText(change))].join('')
    if (text !== '') await output.data(text)
    const total = [
      ...(entries.length > 0 ? [count(entries.length, 'changed entry', 'changed entries')] : []),
      ...(changes.length > 0 ? [count(changes.length, entries.length > 0 ? 'other change' : 'change')] : []),
    ]
    await output.talk(total.length === 0 ? 'only the way it is written differs' : total.join(', '))
  },
  json: ({ from, to, equal, changes, snapshots }) => ({
    from: revisionJson(from),
    to: revisionJson(to),
    equal,
    changes: changes?.map(changeJson) ?? null,
    entries: snapshots?.entries.map((entry) => ({ ...entry, changes: entry.changes.map(changeJson) })) ?? null,
  }),
})
