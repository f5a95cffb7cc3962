// Adds one to a number in a document, so many times, by each of so many writers at once: one of several processes that do.
import { json, openStore } from '../../../src/index.ts'

const [store = '', keys = '', memory = '', document = '', times = '', writers = '1'] = process.argv.slice(2)
await using opened = await openStore({ store, keys, memory })
const counter = opened.document(document, json<number>())
const write = async () => {
  for (let done = 0; done < Number(times); done++) await counter.update((now) => now! + 1)
}
await Promise.all(Array.from({ length: Number(writers) }, write))
