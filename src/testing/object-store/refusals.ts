import assert from 'node:assert/strict'
import type { ErrorCode } from '../../core/errors.ts'
import type { ObjectStore } from '../../core/store.ts'
import { ABSENT, assertRejects, assertStored, bytes, head, listKeys, type ObjectStoreCase, object } from './context.ts'

/** A place that is not there, not allowed or given up must never look like an empty one. */
export const refusalCases: readonly ObjectStoreCase[] = [
  {
    name: 'the store names its place and its limits',
    async run({ store }) {
      assert.ok(store.address.length > 0, 'an address is there for messages')
      assert.ok(Number.isSafeInteger(store.capabilities.maxBytes) && store.capabilities.maxBytes > 0)
    },
  },
  {
    name: 'a missing bucket is BucketMissing in every call, never an empty store',
    needs: ['missingBucket', 'conditionalPut'],
    async run({ openMissingBucket }) {
      const store = await openMissingBucket()
      await everyCallRejects(store, 'BucketMissing')
      await everyCallRejects(store, 'BucketMissing')
    },
  },
  {
    name: 'a place without permission is AccessDenied in every call, never an empty store',
    needs: ['denied', 'conditionalPut'],
    async run({ openDenied }) {
      await everyCallRejects(await openDenied(), 'AccessDenied')
    },
  },
  {
    name: 'after close every call is Closed, and closing twice is fine',
    needs: ['conditionalPut'],
    async run({ store }) {
      await store.put(head('doc'), bytes('x'), ABSENT)
      await store.close()
      await store.close()
      await everyCallRejects(store, 'Closed')
    },
  },
  {
    name: 'what was written is there after the handle was closed',
    needs: ['durable', 'conditionalPut'],
    async run({ store, openAgain }) {
      const token = await store.put(head('doc'), bytes('one'), ABSENT)
      await store.put(object(['doc'], 1), bytes('content'), ABSENT)
      await store.close()
      const again = await openAgain()
      await assertStored(again, head('doc'), bytes('one'))
      await assertStored(again, object(['doc'], 1), bytes('content'))
      assert.deepEqual(await listKeys(again, ''), [head('doc'), object(['doc'], 1)])
      await again.put(head('doc'), bytes('two'), { ifMatch: token })
      await assertStored(again, head('doc'), bytes('two'))
    },
  },
  {
    name: 'several handles on one place see one place',
    needs: ['again', 'conditionalPut'],
    async run({ store, openAgain }) {
      const other = await openAgain()
      const token = await store.put(head('doc'), bytes('one'), ABSENT)
      await assertRejects(other.put(head('doc'), bytes('mine'), ABSENT), 'PreconditionFailed')
      await other.put(head('doc'), bytes('two'), { ifMatch: token })
      await assertRejects(store.put(head('doc'), bytes('three'), { ifMatch: token }), 'PreconditionFailed')
      await assertStored(store, head('doc'), bytes('two'))
      await other.close()
      await assertStored(store, head('doc'), bytes('two'))
      assert.equal(other.address, store.address)
    },
  },
]

async function everyCallRejects(store: ObjectStore, code: ErrorCode): Promise<void> {
  await assertRejects(store.get(head('doc')), code)
  await assertRejects(store.get(object(['doc'], 1)), code)
  await assertRejects(store.get(head('doc'), { unlessToken: 'token' }), code)
  await assertRejects(store.put(head('doc'), bytes('x'), ABSENT), code)
  await assertRejects(store.put(object(['doc'], 1), bytes('x'), ABSENT), code)
  await assertRejects(store.delete([object(['doc'], 1)]), code)
  await assertRejects(store.list(''), code)
  await assertRejects(store.list('heads/state/'), code)
}
