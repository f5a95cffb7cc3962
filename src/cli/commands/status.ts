import { KeelstateError } from '../../core/errors.ts'
import type { Snapshot } from '../../deployments/snapshot.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { DocumentStatus, LockHolder, Store } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { lockJson } from '../locks.ts'
import { headJson, revisionJson, revisionLine } from '../revisions.ts'
import { entryCounts } from '../snapshots.ts'
import { byteCount, columns, shown } from '../text.ts'
import { holderLine } from '../under-lock.ts'

const options = {} as const

interface Status {
  head: DocumentStatus
  /** Who holds the lock; absent when nobody does. */
  holder?: LockHolder
  /** What is current, when that is a snapshot. */
  snapshot?: Snapshot
}

async function status(call: Call<typeof options>): Promise<Status> {
  const { signal } = call
  const name = call.positionals[0]!
  const store = await call.open()
  const document = stateDocument(store, name)
  const [head, holder] = await Promise.all([document.status({ signal }), document.holder({ signal })])
  const snapshot = head.current?.type === 'snapshot' ? await currentSnapshot(store, name, signal) : undefined
  return { head, ...(holder?.held && { holder }), ...(snapshot && { snapshot }) }
}

/** A body that was pushed as a snapshot and does not read as one has no entries to show. */
async function currentSnapshot(store: Store, name: string, signal: AbortSignal): Promise<Snapshot | undefined> {
  // Loaded here: a status of anything else need not know how Go reads JSON.
  const { snapshotDocument } = await import('../../deployments/snapshot-document.ts')
  try {
    return (await snapshotDocument(store, name).read({ signal }))?.value
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidInput')) return undefined
    throw error
  }
}

function snapshotRows(snapshot: Snapshot): string[][] {
  const { factory, generatedAt } = snapshot
  const counts = Object.entries(entryCounts(snapshot)).flatMap(([type, n]) => (n > 0 ? [`${n} ${type}`] : []))
  const program = [factory.name, factory.version, factory.contentRevision].filter((part) => part !== '')
  return [
    ['factory', `${shown(program.join(' '))}, at ${shown(generatedAt)}`],
    ['entries', `${snapshot.entries?.length ?? 0}${counts.length > 0 ? `: ${counts.join(', ')}` : ''}`],
  ]
}

export const command: Command = defineCommand({
  name: 'status',
  about: 'Shows what is current in NAME, who holds its lock, its labels, and which keys open it.',
  positionals: ['NAME'],
  options,
  examples: [['status shop/prod', 'what is current, and who wrote it']],
  run: status,
  async people({ head, holder, snapshot }, output) {
    const { current, tombstone } = head
    const labels = Object.entries(head.labels).map(([label, id]) => `${shown(label)} = ${shown(id)}`)
    const keys = head.recipients.map(({ provider, keyId }) => `${shown(provider)}:${shown(keyId)}`)
    const rows = [
      ['document', shown(head.name)],
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
      ...(snapshot ? snapshotRows(snapshot) : []),
      ['revisions', `${head.lastNumber} committed so far`],
      ['labels', labels.join(', ') || 'none'],
      ['lock', holder ? `held by ${holderLine(holder)}` : 'free'],
      ['keys', keys.join(', ') || 'plaintext'],
      ['head', `${byteCount(head.headBytes)}, write ${head.seq}, epoch ${head.epoch}`],
    ]
    await output.data(columns(rows))
  },
  json: ({ head, holder, snapshot }) => ({
    ...headJson(head),
    current: head.current ? revisionJson(head.current) : null,
    lastNumber: head.lastNumber,
    labels: { ...head.labels },
    lock: holder ? lockJson(holder) : null,
    snapshot: snapshot
      ? {
          factory: {
            name: snapshot.factory.name,
            version: snapshot.factory.version,
            contentRevision: snapshot.factory.contentRevision,
          },
          stack: snapshot.stack,
          generatedAt: snapshot.generatedAt,
          entries: entryCounts(snapshot),
        }
      : null,
    deleted: head.tombstone ? { at: head.tombstone.at, by: head.tombstone.by, message: head.tombstone.message } : null,
  }),
})
