// Brings home what is kept of one document, and may die at one of its requests. Says what became of each save, line by line.
import { bytes, openStore } from '../../../src/index.ts'
import type { Doom } from '../script.ts'
import { MortalStore } from './mortal-store.ts'

interface Task {
  readonly store: string
  readonly keys: string
  readonly memory: string
  readonly spool: string
  readonly document: string
  readonly dieAt: Doom
}

const { dieAt, document, store, ...parts } = JSON.parse(process.argv[2]!) as Task
const mortal = await MortalStore.at(store, dieAt)
await using opened = await openStore({ store: mortal, cache: false, ...parts })
await opened.id()
mortal.live()
for await (const save of opened.spooled({ name: document })) {
  if ('problem' in save) throw save.problem
  const { outcome } = await opened.document(document, bytes()).recover(save)
  process.stdout.write(`${outcome}\n`)
}
