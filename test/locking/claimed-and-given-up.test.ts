import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import type { LockKey, LockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/memory-lock-store.ts'
import { storeWith } from '../store-with.ts'

const LEASE_MS = 1_000

// Found by the simulation, seed 400,228 of everything: the successor's read had been sent beside its acquisition, and was answered before the claim.
it('who claims the head and then cannot be let in leaves a record that names that head: a successor does not start from an older one', async () => {
  const table = new MemoryLockTable()
  const locks = memoryLockStore(table)
  const abort = new AbortController()
  let claimed = false
  let key: LockKey | undefined
  const lock: LockStore = {
    ...locks,
    async write(...args) {
      key = args[0]
      if (claimed && args[2].held) abort.abort() // its caller gives up
      return await locks.write(...args)
    },
  }
  const strict = memoryStore()
  const slow = storeWith(strict, {
    async put(at, body, condition) {
      const token = await strict.put(at, body, condition)
      claimed = at.startsWith('heads/')
      if (claimed) await sleep(0.9 * LEASE_MS) // too little of the lease is left then
      return token
    },
  })
  await using writing = await openStore({ store: strict, keys: 'plaintext', memory: false })
  await writing.document('shop/prod', json<number>()).commit(1, { parent: 'none' })
  const store = await openStore({ store: slow, lock, keys: 'plaintext', memory: false })
  const document = store.document('shop/prod', json<number>())
  const { signal } = abort
  const taking = document.lock({ operation: 'x', leaseMs: LEASE_MS, heartbeat: false, signal })
  await expect(taking).rejects.toMatchObject({ code: 'Aborted' })
  await store.close() // which waits for the release
  expect(table.peek(key!)).toMatchObject({ held: false, clean: true, lastSeq: 2 })
})
