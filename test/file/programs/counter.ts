// Adds one to a counter, so many times, by compare-and-swap: one of several processes.
import { KeelstateError } from '../../../src/core/errors.ts'
import { fileStore } from '../../../src/file/index.ts'

const [root = '', key = '', times = '0'] = process.argv.slice(2)
const store = fileStore({ root })
for (let done = 0; done < Number(times); ) {
  const found = await store.get(key)
  if (found === undefined || found === 'unchanged') throw new Error(`${key} is ${found}`)
  const next = Number(Buffer.from(found.bytes).toString()) + 1
  try {
    await store.put(key, Buffer.from(String(next)), { ifMatch: found.token })
    done += 1
  } catch (error) {
    if (!KeelstateError.is(error, 'PreconditionFailed')) throw error
  }
}
