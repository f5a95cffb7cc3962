import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendContext } from '../backend.ts'
import type { SuiteCase } from '../suite.ts'
import { markOf, rejects, snapshotOf } from './revisions.ts'

const SOON_MS = 10_000 // a poll and a round trip take two seconds at most, and the machine may have other things to do

const PROD = { factory: 'shop', stack: 'prod' }

export const backendLockCases: readonly SuiteCase<BackendContext>[] = [
  {
    name: 'a lock keeps a second holder out, and says who holds it and how to break it',
    async run({ open }) {
      const place = await open()
      const lock = await (await place.backend(PROD)).lock({ operation: 'apply' })
      const other = await place.backend(PROD)
      await rejects(other.lock({ waitMs: 0 }), 'Locked', 'apply')
      const signal = AbortSignal.timeout(3_000) // of which the first answer takes one at most, on whatever machine
      await rejects(other.lock({ signal }), 'Aborted', 'is locked by')
      await assert.rejects(
        other.lock({ waitMs: 0 }),
        (error: { details: { owner: string; holder: string }; hint: string }) => {
          assert.equal(error.details.owner, lock.owner)
          assert.match(error.details.holder, /.@./)
          assert.match(error.hint, /unlock .*--owner/)
          return true
        },
      )
      await lock.unlock()
    },
  },
  {
    name: 'a lock of one deployment is none of another',
    async run({ open }) {
      const place = await open()
      const lock = await (await place.backend(PROD)).lock()
      const other = await (await place.backend({ factory: 'shop', stack: 'staging' })).lock({ waitMs: 0 })
      await other.unlock()
      await lock.unlock()
    },
  },
  {
    name: 'a lock that was given up is free again, and giving it up twice is fine',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      for (let n = 0; n < 3; n++) {
        const lock = await backend.lock({ waitMs: 0 })
        await lock.unlock()
        await lock.unlock()
      }
    },
  },
  {
    name: 'who waits gets the lock soon after it was given up',
    async run({ open }) {
      const place = await open()
      const lock = await (await place.backend(PROD)).lock()
      const waiting = (await place.backend(PROD)).lock()
      await sleep(400)
      const released = performance.now()
      await lock.unlock()
      const next = await waiting
      assert.ok(performance.now() - released < SOON_MS, 'it was taken too late')
      await next.unlock()
    },
  },
  {
    name: 'a forced unlock frees the lock, and without a lock it is fine',
    async run({ open }) {
      const place = await open()
      const backend = await place.backend(PROD)
      await backend.forceUnlock()
      const lock = await backend.lock()
      await (await place.backend(PROD)).forceUnlock()
      const next = await (await place.backend(PROD)).lock({ waitMs: 0 })
      await lock.unlock() // touches nothing: it is somebody else's now
      await rejects((await place.backend(PROD)).lock({ waitMs: 0 }), 'Locked')
      await next.unlock()
    },
  },
  {
    name: 'a forced unlock by owner breaks that owner and nobody else',
    async run({ open }) {
      const place = await open()
      const lock = await (await place.backend(PROD)).lock()
      const other = await place.backend(PROD)
      await rejects(other.forceUnlock({ owner: '0'.repeat(32) }), 'Conflict')
      await rejects(other.lock({ waitMs: 0 }), 'Locked')
      await other.forceUnlock({ owner: lock.owner })
      await (await other.lock({ waitMs: 0 })).unlock()
    },
  },
  {
    name: 'a holder whose lock was broken writes nothing after its successor started',
    async run({ open }) {
      const place = await open()
      const zombie = await place.backend(PROD)
      await zombie.lock({ operation: 'apply' })
      await zombie.commit(snapshotOf('zombie, while it held the lock'))
      const successor = await place.backend(PROD)
      await successor.forceUnlock()
      const lock = await successor.lock({ waitMs: 0 })
      await rejects(zombie.commit(snapshotOf('zombie')), 'LeaseLost')
      await rejects(zombie.write(snapshotOf('zombie')), 'LeaseLost')
      await successor.commit(snapshotOf('successor'))
      await rejects(zombie.commit(snapshotOf('zombie')), 'LeaseLost')
      await lock.unlock()
      assert.equal(markOf(await successor.current()), 'successor')
      assert.equal((await successor.list()).length, 2)
    },
  },
  {
    name: 'everything that a deployment does works under its lock',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const lock = await backend.lock()
      const first = await backend.write(snapshotOf('a'))
      await backend.setCurrent(first)
      const second = await backend.commit(snapshotOf('b'))
      const third = await backend.write(snapshotOf('c'))
      await backend.setCurrent(third)
      await backend.commit(snapshotOf('d'))
      await backend.delete(second)
      await lock.unlock()
      assert.equal(markOf(await backend.current()), 'd')
      assert.equal((await backend.list()).length, 3)
    },
  },
]
