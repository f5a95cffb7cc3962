import assert from 'node:assert/strict'
import { KeelstateError } from '../../core/errors.ts'
import { STORE_KEY } from '../../core/names.ts'
import type { ObjectKey, ObjectStore, PutCondition } from '../../core/store.ts'
import {
  ABSENT,
  assertAbsent,
  assertRejects,
  assertStored,
  bytes,
  head,
  lock,
  noise,
  type ObjectStoreCase,
  object,
  stored,
  turn,
} from './context.ts'

const RACERS = 16

/** The condition and the write are one step. */
export const preconditionCases: readonly ObjectStoreCase[] = [
  {
    name: 'an object is created once; a second creation fails its precondition and changes nothing',
    needs: ['conditionalPut'],
    async run({ store }) {
      for (const key of [head('doc'), lock('doc'), object(['doc'], 1), STORE_KEY]) {
        const token = await store.put(key, bytes('first'), ABSENT)
        await assertRejects(store.put(key, bytes('second'), ABSENT), 'PreconditionFailed')
        await assertRejects(store.put(key, bytes('first'), ABSENT), 'PreconditionFailed')
        await assertStored(store, key, bytes('first'))
        assert.equal((await stored(store, key)).token, token)
      }
    },
  },
  {
    name: 'a write on a token that is no longer current fails its precondition and changes nothing',
    needs: ['conditionalPut'],
    async run({ store }) {
      const first = await store.put(head('doc'), bytes('one'), ABSENT)
      const second = await store.put(head('doc'), bytes('two'), { ifMatch: first })
      await assertRejects(store.put(head('doc'), bytes('three'), { ifMatch: first }), 'PreconditionFailed')
      await assertStored(store, head('doc'), bytes('two'))
      await store.put(head('doc'), bytes('three'), { ifMatch: second })
      await assertRejects(store.put(head('doc'), bytes('four'), { ifMatch: second }), 'PreconditionFailed')
      await assertStored(store, head('doc'), bytes('three'))
    },
  },
  {
    name: 'the token of one object does not open another',
    needs: ['conditionalPut'],
    async run({ store }) {
      const mine = await store.put(head('mine'), bytes('mine'), ABSENT)
      await store.put(head('other'), bytes('other'), ABSENT)
      await assertRejects(store.put(head('other'), bytes('taken'), { ifMatch: mine }), 'PreconditionFailed')
      await assertStored(store, head('other'), bytes('other'))
    },
  },
  {
    name: 'a write on a token creates nothing where nothing is',
    needs: ['conditionalPut'],
    async run({ store }) {
      const token = await store.put(head('there'), bytes('there'), ABSENT)
      for (const key of [head('not-there'), head('there', 'below'), lock('there')]) {
        const error = await assertRejects(
          store.put(key, bytes('x'), { ifMatch: token }),
          'PreconditionFailed',
          'NotFound',
        )
        if (KeelstateError.is(error, 'NotFound')) assert.equal(error.details.subject, 'object')
        await assertAbsent(store, key)
      }
    },
  },
  {
    name: `one of ${RACERS} racing creators wins, each time`,
    needs: ['conditionalPut'],
    async run({ handles, rounds }) {
      const all = await handles()
      for (let round = 0; round < rounds; round += 1) {
        await race(all, head('race', String(round)), ABSENT, round)
        await race(all, object(['race'], round), ABSENT, round)
      }
    },
  },
  {
    name: `one of ${RACERS} racing writers on one token wins, each time`,
    needs: ['conditionalPut'],
    async run({ store, handles, rounds }) {
      const all = await handles()
      await store.put(head('race'), bytes('start'), ABSENT)
      for (let round = 0; round < rounds; round += 1) {
        const { token } = await stored(store, head('race'))
        await race(all, head('race'), { ifMatch: token }, round)
      }
    },
  },
  {
    name: 'of concurrent additions to one object none is lost and none is doubled',
    needs: ['conditionalPut'],
    async run({ store, handles, rounds }) {
      const key = head('list')
      await store.put(key, bytes('start'), ABSENT)
      const all = await handles()
      const each = Array.from({ length: Math.min(rounds, 25) }, (_, n) => n)
      const append = (handle: ObjectStore, writer: number) => {
        const entries = each.map((n) => `${writer}:${n}`)
        return appendAll(handle, key, entries, (all.length - 1) * each.length)
      }
      await Promise.all(all.map(append))
      const expected = all.flatMap((_, writer) => each.map((n) => `${writer}:${n}`))
      const found = Buffer.from((await stored(store, key)).bytes)
        .toString()
        .split(',')
      assert.deepEqual(found.sort(), ['start', ...expected].sort())
    },
  },
  {
    name: 'a driver without conditional writes refuses them as Unsupported',
    unless: ['conditionalPut'],
    async run({ store }) {
      await assertRejects(store.put(head('doc'), bytes('x'), ABSENT), 'Unsupported')
      await assertRejects(store.put(head('doc'), bytes('x'), { ifMatch: 'token' }), 'Unsupported')
      await assertAbsent(store, head('doc'))
    },
  },
]

/**
 * Lets 16 writers with bodies of their own loose at once and checks that exactly one landed.
 *
 * A service may leave a loser's outcome open (409, 429), so the winner may be one whose answer did not say so; never two, and never a loser.
 */
async function race(
  handles: readonly ObjectStore[],
  key: ObjectKey,
  condition: PutCondition,
  round: number,
): Promise<void> {
  const bodies = Array.from({ length: RACERS }, (_, racer) => noise(1_000 + racer, round * RACERS + racer + 1))
  const outcomes = await Promise.allSettled(
    bodies.map((body, racer) => handles[racer % handles.length]!.put(key, body, condition)),
  )
  const found = await stored(handles[0]!, key)
  const winner = bodies.findIndex((body) => Buffer.compare(body, found.bytes) === 0)
  assert.notEqual(winner, -1, `round ${round}: what is stored is none of the bodies that were sent`)
  for (const [racer, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') {
      assert.equal(racer, winner, `round ${round}: a writer was told that it won, and another one's body is stored`)
      assert.equal(found.token, outcome.value)
    } else if (KeelstateError.is(outcome.reason, 'PreconditionFailed')) {
      assert.notEqual(racer, winner, `round ${round}: a writer was told that it lost, and its body is stored`)
    } else {
      await assertRejects(Promise.reject(outcome.reason), 'Unavailable', 'Throttled', 'Timeout')
    }
  }
}

/**
 * Adds each entry to the list at `key` by compare-and-swap. An answer that left the outcome open is settled by reading the list.
 *
 * @param others How many writes others make at most: each refusal means that one of them was made in between.
 */
async function appendAll(
  store: ObjectStore,
  key: ObjectKey,
  entries: readonly string[],
  others: number,
): Promise<void> {
  for (const entry of entries) {
    let refusals = 0
    let allowed = others
    for (;;) {
      await turn()
      const { bytes: body, token } = await stored(store, key)
      const list = Buffer.from(body).toString().split(',')
      if (list.includes(entry)) break
      try {
        await store.put(key, bytes([...list, entry].join(',')), { ifMatch: token })
        break
      } catch (error) {
        if (KeelstateError.is(error, 'Throttled')) await new Promise((resolve) => setTimeout(resolve, 200))
        else await assertRejects(Promise.reject(error), 'PreconditionFailed', 'Unavailable')
        if (KeelstateError.is(error, 'PreconditionFailed')) refusals += 1
        else allowed += 1 // this attempt may land yet
        assert.ok(refusals <= allowed, 'a writer was refused more often than others wrote')
      }
    }
  }
}
