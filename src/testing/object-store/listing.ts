import assert from 'node:assert/strict'
import { STORE_KEY } from '../../core/names.ts'
import type { ObjectStore } from '../../core/store.ts'
import {
  ABSENT,
  bytes,
  forEach,
  head,
  listAll,
  listKeys,
  lock,
  type ObjectStoreCase,
  object,
  PREFIXES,
  sorted,
  stored,
  turn,
} from './context.ts'

const MANY = 1_005 // just over the page of the port

/** Which keys are there. */
export const listingCases: readonly ObjectStoreCase[] = [
  {
    name: 'a list shows the keys below its prefix with their sizes, and no neighbours',
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = [
        head('a'),
        head('a', 'b'),
        head('ab'),
        head('a-b'),
        head('a.b'),
        lock('a'),
        object(['a'], 1),
        object(['ab'], 1),
      ]
      for (const key of keys) await store.put(key, bytes(key), ABSENT)
      await store.put(STORE_KEY, bytes('marker'), ABSENT)
      const below = (prefix: string) =>
        sorted(keys.filter((key) => key.startsWith(prefix))).map((key) => ({ key, size: key.length }))
      for (const prefix of [
        'heads/state/a/',
        'heads/state/ab/',
        'objects/state/a/~/',
        'heads/',
        'locks/',
        'objects/state/',
      ]) {
        assert.deepEqual(await listAll(store, prefix), below(prefix), prefix)
      }
      assert.deepEqual(await listKeys(store, ''), sorted([...keys, STORE_KEY]), 'the empty prefix shows everything')
    },
  },
  {
    name: 'a list of a prefix that nothing has is an empty page',
    needs: ['conditionalPut'],
    async run({ store }) {
      const empty = async (prefix: string) => assert.deepEqual(await store.list(prefix), { objects: [] }, prefix)
      for (const prefix of ['', 'heads/', 'heads/state/nothing/', 'objects/state/nothing/~/']) await empty(prefix)
      await store.put(head('something'), bytes('x'), ABSENT)
      for (const prefix of [
        'heads/state/some/',
        'heads/state/something/below/',
        'heads/state/something/~/',
        'objects/',
      ]) {
        await empty(prefix)
      }
    },
  },
  {
    name: 'keys come in ascending order of their bytes, across folders and capitals',
    needs: ['conditionalPut'],
    async run({ store }) {
      const names = [
        ['a'],
        ['a', 'z'],
        ['a-'],
        ['a.'],
        ['a0'],
        ['A'],
        ['B', 'a'],
        ['Z'],
        ['_'],
        ['%'],
        ['a', 'A'],
        ['a', 'a'],
        ['aa'],
      ]
      const keys = names.map((segments) => head(...segments))
      await forEach(keys, (key) => store.put(key, bytes('x'), ABSENT))
      assert.deepEqual(await listKeys(store, PREFIXES.heads), sorted(keys))
      assert.deepEqual(await listKeys(store, ''), sorted(keys))
    },
  },
  {
    name: 'pages of any size add up to the whole list',
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = [0, 1, 2, 3].flatMap((n) => [head(`doc-${n}`), head(`doc-${n}`, 'sub'), object(['doc'], n)])
      await forEach(keys, (key) => store.put(key, bytes('x'), ABSENT))
      for (const limit of [1, 2, 3, 4, 5, 11, 12, 13]) {
        assert.deepEqual(await listKeys(store, '', { limit }), sorted(keys), `limit ${limit}`)
        assert.deepEqual(
          await listKeys(store, PREFIXES.heads, { limit }),
          sorted(keys.filter((key) => key.startsWith('heads/'))),
        )
      }
      const first = await store.list('', { limit: 5 })
      assert.ok(
        first.objects.length > 0 && first.cursor !== undefined,
        'the first page of several has keys and a cursor',
      )
      assert.deepEqual(await store.list('', { limit: 5 }), first, 'asking again from the start gives the same page')
    },
  },
  {
    name: `a list of ${MANY} objects comes in pages of at most 1,000`,
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = Array.from({ length: MANY }, (_, n) => object(['many'], n))
      await forEach(keys, (key) => store.put(key, bytes('x'), ABSENT))
      const first = await store.list('objects/state/many/')
      assert.ok(first.objects.length <= 1_000)
      assert.notEqual(first.cursor, undefined)
      assert.deepEqual(await listKeys(store, 'objects/state/many/'), keys)
    },
  },
  {
    name: 'objects that come and go beside a listing do not hide or double the others',
    needs: ['conditionalPut'],
    async run({ store }) {
      const stay = Array.from({ length: 20 }, (_, n) => object(['doc'], 2 * n))
      const passing = Array.from({ length: 20 }, (_, n) => object(['doc'], 2 * n + 1))
      await forEach(stay, (key) => store.put(key, bytes('stays'), ABSENT))
      const stop = new AbortController()
      const churn = comeAndGo(store, passing, stop.signal)
      try {
        for (let round = 0; round < 5; round += 1) {
          const seen = await listKeys(store, 'objects/state/doc/', { limit: 3 })
          assert.deepEqual(
            seen.filter((key) => stay.includes(key)),
            stay,
          )
          assert.deepEqual(seen, sorted([...new Set(seen)]))
        }
      } finally {
        stop.abort()
        await churn
      }
    },
  },
  {
    name: 'an object that is being moved is in every list, once',
    needs: ['conditionalPut'],
    async run({ store, handles, rounds }) {
      const keys = [head('before'), head('moving'), head('moving', 'below')]
      for (const key of keys) await store.put(key, bytes('start'), ABSENT)
      const [writer, reader] = [store, (await handles()).at(-1)!]
      let moved = false
      const move = async () => {
        for (let n = 0; n < rounds; n += 1) {
          await turn()
          await writer.put(keys[1]!, bytes(`move ${n}`), { ifMatch: (await stored(writer, keys[1]!)).token })
        }
      }
      const watch = async () => {
        while (!moved) {
          await turn()
          assert.deepEqual(await listKeys(reader, PREFIXES.heads), sorted(keys))
        }
      }
      const moving = move().finally(() => {
        moved = true
      })
      await Promise.all([moving, watch()])
    },
  },
]

async function comeAndGo(store: ObjectStore, keys: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await turn()
    await forEach(keys, (key) => store.put(key, bytes('passes'), ABSENT))
    await turn()
    await store.delete(keys)
  }
}
