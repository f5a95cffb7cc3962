// Tries every call on a store where the file system refuses writes of `bytes` bytes, and prints what came of each as JSON.
// With `create` it only makes the store and its head.
import { KeelstateError } from '../../../src/core/errors.ts'
import { fileStore } from '../../../src/file/index.ts'

const HEAD = 'heads/state/there/~'
const [root = '', task = '', bytes = '0'] = process.argv.slice(2)
const store = fileStore({ root })
if (task === 'create') {
  await store.put(HEAD, Buffer.from('as it was'), { ifAbsent: true })
  await store.put('objects/state/there/~/1', Buffer.from('as it was'), { ifAbsent: true })
} else {
  const body = new Uint8Array(Number(bytes)).fill(7)
  const outcome = async (work: Promise<unknown>) => {
    try {
      return { value: await work }
    } catch (error) {
      if (!KeelstateError.is(error)) throw error
      return { code: error.code, message: error.message, details: error.details }
    }
  }
  const text = async () => {
    const found = await store.get(HEAD)
    return found === undefined || found === 'unchanged' ? String(found) : Buffer.from(found.bytes).toString()
  }
  const found = await store.get(HEAD)
  const token = found === undefined || found === 'unchanged' ? 'none' : found.token
  const results = {
    move: await outcome(store.put(HEAD, body, { ifMatch: token })),
    createHead: await outcome(store.put('heads/state/new/~', body, { ifAbsent: true })),
    createObject: await outcome(store.put('objects/state/new/~/1', body, { ifAbsent: true })),
    read: await outcome(text()),
    list: await outcome(store.list('')),
    deleted: await outcome(store.delete(['objects/state/there/~/1'])),
    smallMove: await outcome(store.put(HEAD, Buffer.from('small'), { ifMatch: token })),
    readAgain: await outcome(text()),
  }
  process.stdout.write(JSON.stringify(results))
}
