import type { ObjectStore } from '../src/index.ts'

/** A store that does some things in its own way, and all else as `store` does. What is optional in the port it has only if `own` has it. */
export function storeWith(store: ObjectStore, own: Partial<ObjectStore> = {}): ObjectStore {
  return {
    address: store.address,
    capabilities: store.capabilities,
    get: (key, options) => store.get(key, options),
    put: (key, body, condition, options) => store.put(key, body, condition, options),
    delete: (keys, options) => store.delete(keys, options),
    list: (prefix, options) => store.list(prefix, options),
    close: () => store.close(),
    ...own,
  }
}
