// The conformance suite under node:test, on a driver that lacks one promise and breaks another.
import { describe, it } from 'node:test'
import { memoryStore } from '../../../src/memory/index.ts'
import { registerSuite, testObjectStore } from '../../../src/testing/index.ts'

const open = async () => {
  const store = memoryStore({ maxBytes: 1_000_000 })
  const list = async (prefix: string) => ({ objects: (await store.list(prefix)).objects.reverse() })
  return Object.assign(Object.create(store), process.argv.includes('--broken') ? { list } : {})
}
const bound = async () => {
  const store = await open()
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, Object.getPrototypeOf(target))
      return typeof value === 'function' ? value.bind(Object.getPrototypeOf(target)) : value
    },
  })
}
registerSuite(testObjectStore({ name: 'memory under node:test', open: bound }, { rounds: 3, bigBytes: 100_000 }), {
  describe,
  it,
})
