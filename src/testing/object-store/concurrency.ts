import assert from 'node:assert/strict'
import type { ObjectStore } from '../../core/store.ts'
import { ABSENT, assertRejects, bytes, head, noise, type ObjectStoreCase, object, stored, turn } from './context.ts'

const SETTLE_MS = 5_000 // what a caller who gave up may have to wait at most

/** Readers beside writers, and calls that are given up. */
export const concurrencyCases: readonly ObjectStoreCase[] = [
  {
    name: 'readers beside a writer see whole bodies only, and never an older one than before',
    needs: ['conditionalPut'],
    async run({ store, handles, rounds }) {
      const key = head('busy')
      const body = (version: number) => new Uint8Array(60_000 + version * 997).fill(version)
      let token = await store.put(key, body(1), ABSENT)
      let done = false
      const reader = async (handle: ObjectStore) => {
        let newest = 1
        while (!done) {
          await turn()
          const found = (await stored(handle, key)).bytes
          const version = found[0]!
          assert.ok(version >= newest, `a reader saw version ${newest} and then ${version}`)
          assert.equal(Buffer.compare(found, body(version)), 0, `the body of version ${version} is torn`)
          newest = version
        }
      }
      const write = async () => {
        for (let version = 2; version < Math.min(rounds + 2, 250); version += 1) {
          await turn()
          token = await store.put(key, body(version), { ifMatch: token })
        }
      }
      const writing = write().finally(() => {
        done = true
      })
      await Promise.all([writing, ...(await handles()).map(reader)])
    },
  },
  {
    name: 'a call whose signal has fired sends nothing and is Aborted',
    needs: ['conditionalPut'],
    async run({ store }) {
      const token = await store.put(head('doc'), bytes('one'), ABSENT)
      await store.put(object(['doc'], 1), bytes('kept'), ABSENT)
      const signal = AbortSignal.abort(new Error('given up'))
      await assertRejects(store.get(head('doc'), { signal }), 'Aborted')
      await assertRejects(store.put(head('new'), bytes('x'), ABSENT, { signal }), 'Aborted')
      await assertRejects(store.put(object(['new'], 1), bytes('x'), ABSENT, { signal }), 'Aborted')
      await assertRejects(store.put(head('doc'), bytes('two'), { ifMatch: token }, { signal }), 'Aborted')
      await assertRejects(store.delete([object(['doc'], 1)], { signal }), 'Aborted')
      await assertRejects(store.list('', { signal }), 'Aborted')
      const keys = (await store.list('')).objects.map((entry) => entry.key)
      assert.deepEqual(keys, [head('doc'), object(['doc'], 1)])
      assert.equal((await stored(store, head('doc'))).token, token)
    },
  },
  {
    name: 'a write that is given up half-way settles soon and leaves the old body or the new one, whole',
    needs: ['conditionalPut'],
    async run({ store, bigBytes }) {
      const old = noise(1_000)
      const next = noise(bigBytes, 2)
      for (const [n, afterMs] of [0, 0, 1, 2, 5, 10, 20, 50].entries()) {
        const mutable = head(`given-up-${n}`)
        const token = await store.put(mutable, old, ABSENT)
        await giveUp(afterMs, (signal) => store.put(mutable, next, { ifMatch: token }, { signal }))
        const found = (await stored(store, mutable)).bytes
        assert.ok(
          Buffer.compare(found, old) === 0 || Buffer.compare(found, next) === 0,
          'neither the old nor the new body',
        )
        const immutable = object(['given-up'], n)
        await giveUp(afterMs, (signal) => store.put(immutable, next, ABSENT, { signal }))
        const created = await store.get(immutable)
        if (created !== undefined && created !== 'unchanged')
          assert.equal(Buffer.compare(created.bytes, next), 0, 'a torn body')
      }
    },
  },
  {
    name: 'a read or a list that is given up half-way settles soon',
    needs: ['conditionalPut'],
    async run({ store, bigBytes }) {
      await store.put(head('big'), noise(bigBytes), ABSENT)
      for (const afterMs of [0, 1, 5]) {
        await giveUp(afterMs, (signal) => store.get(head('big'), { signal }))
        await giveUp(afterMs, (signal) => store.list('', { signal }))
      }
    },
  },
  {
    name: 'a call that the service never answers is Aborted soon after its signal fires',
    needs: ['conditionalPut', 'stall'],
    async run({ store, stall }) {
      const token = await store.put(head('doc'), bytes('one'), ABSENT)
      await stall()
      const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => store.get(head('doc'), { signal }),
        (signal) => store.put(head('doc'), bytes('two'), { ifMatch: token }, { signal }),
        (signal) => store.put(object(['doc'], 1), bytes('x'), ABSENT, { signal }),
        (signal) => store.delete([object(['doc'], 1)], { signal }),
        (signal) => store.list('', { signal }),
      ]
      const outcomes = await Promise.all(calls.map((call) => giveUp(100, call)))
      assert.deepEqual(new Set(outcomes), new Set(['aborted']), 'a stalled service cannot have answered')
    },
  },
]

/** Aborts a call after `afterMs`; it must then resolve, or reject with `Aborted`, within five seconds. */
async function giveUp(afterMs: number, call: (signal: AbortSignal) => Promise<unknown>): Promise<'aborted' | 'done'> {
  const abort = new AbortController()
  const work = call(abort.signal).then(
    () => 'done' as const,
    async (error: unknown) => {
      await assertRejects(Promise.reject(error), 'Aborted')
      return 'aborted' as const
    },
  )
  if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs))
  abort.abort(new Error('given up'))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), SETTLE_MS)
  })
  const outcome = await Promise.race([work, late])
  clearTimeout(timer)
  if (outcome === 'late') return assert.fail(`the call did not settle within ${SETTLE_MS} ms of its abort`)
  return outcome
}
