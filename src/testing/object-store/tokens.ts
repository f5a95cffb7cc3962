import assert from 'node:assert/strict'
import { ABSENT, assertSameBytes, bytes, head, type ObjectStoreCase, object, stored } from './context.ts'

/** Tokens are only ever compared and handed back. */
export const tokenCases: readonly ObjectStoreCase[] = [
  {
    name: 'put and every later get name one state by one token, and another state by another',
    needs: ['conditionalPut'],
    async run({ store }) {
      const first = await store.put(head('doc'), bytes('one'), ABSENT)
      assert.ok(typeof first === 'string' && first.length > 0, 'a token is a string that says something')
      assert.equal((await stored(store, head('doc'))).token, first)
      assert.equal((await stored(store, head('doc'))).token, first)
      const second = await store.put(head('doc'), bytes('two'), { ifMatch: first })
      assert.notEqual(second, first)
      assert.equal((await stored(store, head('doc'))).token, second)
      const immutable = await store.put(object(['doc'], 1), bytes('content'), ABSENT)
      assert.equal((await stored(store, object(['doc'], 1))).token, immutable)
    },
  },
  {
    name: 'a token that was read works as well as one that put returned',
    needs: ['conditionalPut'],
    async run({ store }) {
      await store.put(head('doc'), bytes('one'), ABSENT)
      const read = await stored(store, head('doc'))
      await store.put(head('doc'), bytes('two'), { ifMatch: read.token })
      assertSameBytes((await stored(store, head('doc'))).bytes, bytes('two'), 'the new body')
    },
  },
  {
    name: 'a conditional read answers unchanged while the token stands, and with the body once it does not',
    needs: ['conditionalPut', 'conditionalGet'],
    async run({ store }) {
      const first = await store.put(head('doc'), bytes('one'), ABSENT)
      assert.equal(await store.get(head('doc'), { unlessToken: first }), 'unchanged')
      const second = await store.put(head('doc'), bytes('two'), { ifMatch: first })
      const found = await store.get(head('doc'), { unlessToken: first })
      assert.ok(found !== undefined && found !== 'unchanged', 'the object moved on')
      assertSameBytes(found.bytes, bytes('two'), 'the new body')
      assert.equal(found.token, second)
      assert.equal(await store.get(head('doc'), { unlessToken: second }), 'unchanged')
      assert.equal(await store.get(head('other'), { unlessToken: second }), undefined, 'absent stays absent')
      const immutable = await store.put(object(['doc'], 1), bytes('content'), ABSENT)
      assert.equal(await store.get(object(['doc'], 1), { unlessToken: immutable }), 'unchanged')
    },
  },
  {
    name: 'a driver without conditional reads sends the body whatever token is given',
    needs: ['conditionalPut'],
    unless: ['conditionalGet'],
    async run({ store }) {
      const token = await store.put(head('doc'), bytes('one'), ABSENT)
      const found = await store.get(head('doc'), { unlessToken: token })
      assert.ok(found !== undefined && found !== 'unchanged')
      assertSameBytes(found.bytes, bytes('one'), 'the body')
    },
  },
]
