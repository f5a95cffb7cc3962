// Makes every kind of call to a service whose answers all break off, closes the store, and has nothing left to do.

import { gcsStore } from '../../../src/gcs/index.ts'
import { KeelstateError } from '../../../src/index.ts'

const store = gcsStore({ bucket: 'state', endpoint: process.argv[2] })
const calls = [
  () => store.put('heads/x', new Uint8Array(20_000), { ifAbsent: true }),
  () => store.get('heads/x'),
  () => store.list(''),
  () => store.delete(['objects/x']),
]
for (const call of calls) {
  const error = await call().catch((reason: unknown) => reason)
  process.stdout.write(`${KeelstateError.is(error) ? error.code : error}\n`)
}
await store.close()
process.stdout.write('closed\n')
