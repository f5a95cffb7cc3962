// Adds one to a number in a document, so many times: one of several processes that do.
import { json, openStore } from '../../../src/index.ts'

const [store = '', keys = '', memory = '', document = '', times = ''] = process.argv.slice(2)
await using opened = await openStore({ store, keys, memory })
const counter = opened.document(document, json<number>())
for (let done = 0; done < Number(times); done++) await counter.update((now) => now! + 1)
