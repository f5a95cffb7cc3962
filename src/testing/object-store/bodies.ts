import assert from 'node:assert/strict'
import { STORE_KEY } from '../../core/names.ts'
import {
  ABSENT,
  assertAbsent,
  assertRejects,
  assertSameBytes,
  assertStored,
  bytes,
  forEach,
  head,
  listAll,
  listKeys,
  lock,
  noise,
  type ObjectStoreCase,
  object,
  sorted,
  stored,
} from './context.ts'

const CHECKABLE_LIMIT = 512 * 1024 * 1024 // bytes; a larger `maxBytes` is not worth the memory of a test

/** What goes in comes out. */
export const bodyCases: readonly ObjectStoreCase[] = [
  {
    name: 'bodies come back byte for byte, whatever their length',
    needs: ['conditionalPut'],
    async run({ store }) {
      const lengths = [1, 255, 4_096, 65_535, 65_536, 65_537, 200_001]
      await forEach(lengths, async (length) => {
        for (const key of [head(`of-${length}`), object([`of-${length}`], 1)]) {
          await store.put(key, noise(length, length), ABSENT)
          await assertStored(store, key, noise(length, length))
        }
      })
      const everyByte = Uint8Array.from({ length: 256 }, (_, value) => value)
      await store.put(STORE_KEY, everyByte, ABSENT)
      await assertStored(store, STORE_KEY, everyByte)
    },
  },
  {
    name: 'an empty body is stored, and is not the same as an absent object',
    needs: ['conditionalPut'],
    async run({ store }) {
      for (const key of [head('empty'), object(['empty'], 1)]) {
        await store.put(key, new Uint8Array(0), ABSENT)
        await assertStored(store, key, new Uint8Array(0))
        assert.deepEqual(await listAll(store, key.slice(0, key.lastIndexOf('/') + 1)), [{ key, size: 0 }])
      }
    },
  },
  {
    name: 'a big body comes back whole and is listed with its size',
    needs: ['conditionalPut'],
    async run({ store, bigBytes }) {
      const body = noise(bigBytes)
      const key = object(['big'], 1)
      await store.put(key, body, ABSENT)
      await assertStored(store, key, body)
      assert.deepEqual(await listAll(store, 'objects/state/big/'), [{ key, size: bigBytes }])
      const small = await store.put(head('big'), bytes('small'), ABSENT)
      await store.put(head('big'), body, { ifMatch: small })
      await assertStored(store, head('big'), body)
    },
  },
  {
    name: 'a body over maxBytes is refused with TooLarge, and one of exactly maxBytes is not too large',
    needs: ['conditionalPut'],
    async run({ store }) {
      const { maxBytes } = store.capabilities
      assert.ok(Number.isSafeInteger(maxBytes) && maxBytes > 0, 'maxBytes is a positive whole number')
      if (maxBytes > CHECKABLE_LIMIT) return
      const error = await assertRejects(
        store.put(object(['over'], 1), new Uint8Array(maxBytes + 1), ABSENT),
        'TooLarge',
      )
      assert.deepEqual(
        { ...error.details, notExecuted: undefined },
        { bytes: maxBytes + 1, maxBytes, notExecuted: undefined },
      )
      await assertAbsent(store, object(['over'], 1))
      if (maxBytes <= 64 * 1024 * 1024) {
        await store.put(object(['over'], 2), new Uint8Array(maxBytes), ABSENT)
        assert.equal((await stored(store, object(['over'], 2))).bytes.length, maxBytes)
      }
    },
  },
  {
    name: 'what a caller does to a body after put returned its promise does not reach the store',
    needs: ['conditionalPut'],
    async run({ store }) {
      for (const key of [head('mine'), object(['mine'], 1)]) {
        const body = noise(100_000)
        const writing = store.put(key, body, ABSENT)
        body.fill(0)
        await writing
        await assertStored(store, key, noise(100_000))
      }
      const token = (await stored(store, head('mine'))).token
      const next = noise(100_000, 2)
      const moving = store.put(head('mine'), next, { ifMatch: token })
      next.fill(0)
      await moving
      await assertStored(store, head('mine'), noise(100_000, 2))
    },
  },
  {
    name: 'what a caller does to bytes that it was given does not reach the store or another caller',
    needs: ['conditionalPut'],
    async run({ store }) {
      await store.put(head('out'), bytes('as written'), ABSENT)
      const first = await stored(store, head('out'))
      first.bytes.fill(0)
      await assertStored(store, head('out'), bytes('as written'))
      const [one, other] = await Promise.all([stored(store, head('out')), stored(store, head('out'))])
      one.bytes.fill(0)
      assertSameBytes(other.bytes, bytes('as written'), 'the other reader')
    },
  },
  {
    name: 'a body that is a part of a larger buffer is stored as that part alone',
    needs: ['conditionalPut'],
    async run({ store }) {
      const whole = bytes('before|the part|after')
      await store.put(head('part'), whole.subarray(7, 15), ABSENT)
      await assertStored(store, head('part'), bytes('the part'))
      await store.put(object(['part'], 1), Buffer.from(whole.buffer, 7, 8), ABSENT)
      await assertStored(store, object(['part'], 1), bytes('the part'))
    },
  },
  {
    name: 'an absent object reads as undefined, also beside and below existing ones',
    needs: ['conditionalPut'],
    async run({ store }) {
      const absent = [head('a'), head('a', 'b'), lock('a'), object(['a'], 1), object(['a', 'b'], 1), STORE_KEY]
      for (const key of absent) await assertAbsent(store, key)
      await store.put(head('a', 'c'), bytes('there'), ABSENT)
      await store.put(object(['a'], 2), bytes('there'), ABSENT)
      for (const key of absent) await assertAbsent(store, key)
      assert.equal(await store.get(head('a'), { unlessToken: (await stored(store, head('a', 'c'))).token }), undefined)
    },
  },
  {
    name: 'what was written is seen by the next read and the next list, through every handle',
    needs: ['conditionalPut'],
    async run({ store, handles }) {
      const all = await handles()
      let token = await store.put(head('seen'), bytes('0'), ABSENT)
      for (let n = 1; n <= 12; n += 1) {
        const writer = all[n % all.length]!
        token = await writer.put(head('seen'), bytes(String(n)), { ifMatch: token })
        await writer.put(object(['seen'], n), bytes(String(n)), ABSENT)
        for (const reader of all) {
          const found = await stored(reader, head('seen'))
          assertSameBytes(found.bytes, bytes(String(n)), 'the newest body')
          assert.equal(found.token, token, 'get and put name the same state by the same token')
          assert.equal(
            (await listKeys(reader, 'objects/state/seen/')).length,
            n,
            'a list shows what was created before it',
          )
        }
      }
    },
  },
  {
    name: 'every name that a document can have gives objects of their own',
    needs: ['conditionalPut'],
    async run({ store }) {
      const keys = HOSTILE_NAMES.flatMap((segments) => [head(...segments), lock(...segments), object(segments, 1)])
      assert.equal(new Set(keys).size, keys.length)
      await forEach(keys, (key) => store.put(key, bytes(key), ABSENT))
      await forEach(keys, (key) => assertStored(store, key, bytes(key)))
      assert.deepEqual(await listKeys(store, ''), sorted(keys))
      assert.deepEqual(await listKeys(store, '', { limit: 7 }), sorted(keys))
    },
  },
]

/** Names that collide, escape or vanish in a driver that treats them as paths of its platform. */
export const HOSTILE_NAMES: readonly (readonly string[])[] = [
  ['Shop'],
  ['shop'],
  ['SHOP'],
  ['shop', 'prod'],
  ['shop/prod'],
  ['shop%2Fprod'],
  ['shop%2fprod'],
  ['shop\\prod'],
  ['shop:prod'],
  ['..'],
  ['.'],
  ['...'],
  ['..', '..', 'etc', 'passwd'],
  ['.hidden'],
  ['trailing.'],
  ['trailing'],
  ['trailing '],
  [' leading'],
  ['CON'],
  ['con'],
  ['con.txt'],
  ['NUL'],
  ['nul.tar.gz'],
  ['COM1'],
  ['lpt9.log'],
  ['aux', 'prn'],
  ['~'],
  ['a~b'],
  ['a'],
  ['a-b'],
  ['a.b'],
  ['a', 'b'],
  ['a', '0'],
  ['a0'],
  ['a+b=c&d@e,f'],
  ['*?"<>|'],
  ['line\nfeed\ttab\u0000nul'],
  ['\u00e9'],
  ['e\u0301'],
  ['\u{1f680}', '\u65e5\u672c'],
  ['\u00e4\u00f6\u00fc'.repeat(11)],
  ['L'.repeat(200)],
  ['l'.repeat(200)],
  ['L'.repeat(199), 'L'.repeat(200)],
  ['-rf'],
  ['cur.0.1'],
  ['__proto__'],
  ['constructor'],
]
