// Does what its script says to one document and tells each step, until it is killed; when all is done it waits for that.
import { writeSync } from 'node:fs'
import { bytes, openStore, type VersionedDocument } from '../../../src/index.ts'
import { contentOf, type Line, type Operation, type Task } from '../script.ts'
import { MortalStore } from './mortal-store.ts'

const task: Task = JSON.parse(process.argv[2]!)
const tell = (line: Line) => void writeSync(1, `${JSON.stringify(line)}\n`)

const { keys, memory, dieAt } = task
const mortal = await MortalStore.at(task.store, dieAt)
const store = await openStore({ store: mortal, keys, memory, by: 'killed', ...(dieAt && { cache: false }) })
const document = store.document(task.document, bytes())

if (task.init) {
  tell({ say: 'ready' })
  mortal.live()
  const { storeId } = await store.init()
  tell({ say: 'initialised', storeId })
} else {
  await document.read()
  tell({ say: 'ready' })
  mortal.live()
}
for (const [index, operation] of task.script.entries()) {
  tell({ say: 'begin', operation: index })
  tell({ say: 'ack', operation: index, ...(await perform(document, operation)) })
}
tell({ say: 'done' })
setInterval(() => {}, 60_000)

async function perform(
  document: VersionedDocument<Uint8Array>,
  operation: Operation,
): Promise<{ id: string; number: number } | undefined> {
  switch (operation.do) {
    case 'commit': {
      const { message } = operation
      return idOf(await document.commit(contentOf(message, operation.bytes), { parent: 'any', message }))
    }
    case 'rollback':
      return idOf(await document.rollback(`@${operation.to}`, { message: operation.message }))
    case 'label':
      await document.label(operation.label, `@${operation.to}`)
      return undefined
    case 'prune':
      await document.prune({ keepLast: operation.keepLast })
      return undefined
    case 'collect':
      await document.collect({ graceMs: 0 })
      return undefined
  }
}

function idOf({ id, number }: { id: string; number: number }): { id: string; number: number } {
  return { id, number }
}
