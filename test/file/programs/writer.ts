// Creates and moves one head, and creates objects, without end, until it is killed. Prints `ready`, then what was
// acknowledged, one number a line.
import { writeSync } from 'node:fs'
import { KeelstateError } from '../../../src/core/errors.ts'
import { fileStore } from '../../../src/file/index.ts'
import { bodyOf, numberOf, objectKeyOf } from './numbered.ts'

const [root = '', key = ''] = process.argv.slice(2)
const store = fileStore({ root })
writeSync(1, 'ready\n')
for (;;) {
  try {
    const found = await store.get(key)
    const n = found === undefined || found === 'unchanged' ? 1 : numberOf(found.bytes) + 1
    await store.put(objectKeyOf(n, process.pid), bodyOf(n), { ifAbsent: true })
    await store.put(
      key,
      bodyOf(n),
      found === undefined || found === 'unchanged' ? { ifAbsent: true } : { ifMatch: found.token },
    )
    writeSync(1, `${n}\n`)
  } catch (error) {
    if (!KeelstateError.is(error, 'PreconditionFailed')) throw error
  }
}
