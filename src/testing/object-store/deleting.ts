import assert from 'node:assert/strict'
import {
  ABSENT,
  assertAbsent,
  assertStored,
  bytes,
  forEach,
  head,
  listKeys,
  type ObjectStoreCase,
  object,
} from './context.ts'

/** Immutable objects go when the collector says so. */
export const deletingCases: readonly ObjectStoreCase[] = [
  {
    name: 'deleted objects are absent and unlisted, and everything else stays',
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = [0, 1, 2, 3, 4].map((n) => object(['doc'], n))
      const other = [object(['doc', 'below'], 1), object(['doc2'], 1), head('doc')]
      for (const key of [...keys, ...other]) await store.put(key, bytes(key), ABSENT)
      await store.delete([keys[1]!, keys[3]!])
      await assertAbsent(store, keys[1]!)
      await assertAbsent(store, keys[3]!)
      assert.deepEqual(await listKeys(store, 'objects/state/doc/~/'), [keys[0], keys[2], keys[4]])
      for (const key of [keys[0]!, keys[2]!, keys[4]!, ...other]) await assertStored(store, key, bytes(key))
    },
  },
  {
    name: 'deleting what is absent is fine, alone or among others, once or twice',
    needs: ['conditionalPut'],
    async run({ store }) {
      await store.delete([])
      await store.delete([object(['never'], 1)])
      await store.put(object(['doc'], 1), bytes('x'), ABSENT)
      await store.delete([object(['doc'], 0), object(['doc'], 1), object(['doc'], 2)])
      await store.delete([object(['doc'], 1)])
      assert.deepEqual(await listKeys(store, ''), [])
    },
  },
  {
    name: 'one call deletes 1,000 objects',
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = Array.from({ length: 1_000 }, (_, n) => object(['doc'], n))
      const present = keys.filter((_, n) => n % 40 === 0 || n === 999)
      await forEach(present, (key) => store.put(key, bytes('x'), ABSENT))
      await store.put(object(['doc'], 1_000), bytes('kept'), ABSENT)
      await store.delete(keys)
      assert.deepEqual(await listKeys(store, 'objects/'), [object(['doc'], 1_000)])
    },
  },
  {
    name: 'a deleted object can be created again',
    needs: ['conditionalPut'],
    async run({ store }) {
      const key = object(['doc'], 1)
      await store.put(key, bytes('first'), ABSENT)
      await store.delete([key])
      await store.put(key, bytes('second'), ABSENT)
      await assertStored(store, key, bytes('second'))
      assert.deepEqual(await listKeys(store, 'objects/'), [key])
    },
  },
]
