import { describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import { MemoryBucket } from '../../src/memory/index.ts'
import { MemoryLockTable } from '../../src/testing/index.ts'
import { HEAD, LEASE_MS, MARGIN_MS, objectsPlace, type Process, tablePlace, World } from './world.ts'

const operation = 'deploy'
const headWrites = { method: 'put', key: HEAD }
const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

const kinds = [
  {
    name: 'locks taken in one request',
    acquire: { method: 'acquire' },
    place: (bucket: MemoryBucket) => tablePlace(bucket, new MemoryLockTable()),
  },
  {
    name: 'lock objects',
    acquire: { method: 'put', key: /^locks/ },
    place: (bucket: MemoryBucket) => objectsPlace(bucket),
  },
]

describe.each(kinds)('handing a lock over, with $name', ({ name, acquire, place }) => {
  const proof = name === 'lock objects' ? { ...acquire, nth: 2 } : { method: 'write' }

  async function opened(): Promise<{ world: World; bucket: MemoryBucket; a: Process; b: Process }> {
    const bucket = new MemoryBucket()
    const world = new World(place(bucket))
    const [a, b] = [await world.process(), await world.process()]
    await world.finish(a.document.withLock({ operation }, (held) => held.commit('first')))
    return { world, bucket, a, b }
  }

  /** Whether the next holder claims the head before it is let in. */
  async function claims(world: World, next: Process): Promise<boolean> {
    const before = (await world.head())!
    const held = await world.finish(next.document.lock({ operation, waitMs: 60_000 }))
    const after = (await world.head())!
    if (after.seq === before.seq) {
      expect(after.epoch).toBeLessThan(held.fence)
    } else {
      expect(after.seq).toBe(before.seq + 1)
      expect(after.epoch).toBe(held.fence)
    }
    await world.finish(held.commit('next'))
    expect((await world.head())!.epoch).toBe(held.fence)
    await world.finish(held.release())
    expect(await world.record()).toMatchObject({ held: false, clean: true, lastSeq: (await world.head())!.seq })
    return after.seq !== before.seq
  }

  describe('a head is claimed before any work, unless the holder before left nothing behind', () => {
    it('not after a release with all commits known', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.withLock({ operation }, (held) => held.commit('second')))
      expect(await claims(world, b)).toBe(false)
    })

    it('not after holders who did nothing', async () => {
      const { world, a, b } = await opened()
      for (let n = 0; n < 3; n++) await world.finish(a.document.withLock({ operation }, async () => {}))
      expect(await claims(world, b)).toBe(false)
    })

    it('not after a commit that was refused for certain', async () => {
      const { world, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation }))
      await world.finish(b.document.commit('between', { parent: 'any' }))
      await expect(world.finish(held.commit('second'))).rejects.toMatchObject({ code: 'Conflict' })
      await world.finish(held.release())
      expect(await claims(world, b)).toBe(false)
    })

    it('by the first holder ever', async () => {
      const world = new World(place(new MemoryBucket()))
      const a = await world.process()
      const held = await world.finish(a.document.lock({ operation }))
      expect(held.current).toBeUndefined()
      expect(await world.head()).toMatchObject({ seq: 1, epoch: held.fence, hasCurrent: false })
    })

    it('after a holder that died', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      expect(await claims(world, b)).toBe(true)
    })

    it('after one whose lease ran out, though it released then', async () => {
      const { world, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation, heartbeat: false }))
      await world.time.advance(LEASE_MS)
      await world.finish(held.release())
      expect(await claims(world, b)).toBe(true)
    })

    it('after a forced release', async () => {
      const { world, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation }))
      await world.finish(b.document.forceUnlock(held.owner))
      expect(await claims(world, b)).toBe(true)
    })

    it('after a commit of unknown outcome, which then can land no more', async () => {
      const { world, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation }))
      const late = world.network.faults.hold(headWrites)
      const reads = world.network.faults.add(
        { method: 'get', key: HEAD, times: Number.POSITIVE_INFINITY },
        { do: 'drop-request' },
      )
      await expect(world.finish(held.commit('perhaps'))).rejects.toMatchObject({ code: 'OutcomeUnknown' })
      reads.remove()
      await world.finish(held.release())
      expect(await world.record()).toMatchObject({ held: false, clean: false })
      expect(await claims(world, b)).toBe(true)
      const { seq } = (await world.head())!
      await world.finish(late.releaseAll())
      expect((await world.head())!.seq).toBe(seq)
    })

    it('after a commit that nobody waited for, which then can land no more', async () => {
      const { world, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation }))
      const late = world.network.faults.hold(headWrites)
      const forgotten = held.commit('forgotten').catch(codeOf)
      await world.finish(late.arrived())
      await world.finish(held.release())
      expect(await claims(world, b)).toBe(true)
      await world.finish(late.releaseAll())
      expect(['LeaseLost', 'Conflict', 'OutcomeUnknown']).toContain(await world.finish(forgotten))
      expect((await world.finish(b.document.read()))?.value).toBe('next')
    })

    it('after a commit that found the document rolled back', async () => {
      const { world, bucket, a, b } = await opened()
      const old = bucket.peek(HEAD)!.bytes
      const held = await world.finish(a.document.lock({ operation }))
      await world.finish(held.commit('second'))
      const now = bucket.peek(HEAD)!.bytes
      bucket.overwrite(HEAD, old)
      await expect(world.finish(held.commit('third'))).rejects.toMatchObject({ code: 'RolledBack' })
      bucket.overwrite(HEAD, now)
      await world.finish(held.release())
      expect(await claims(world, b)).toBe(true)
    })

    it('after one that could not claim it itself', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      world.network.faults.add(headWrites, { do: 'status', status: 403, code: 'AccessDenied' })
      const c = await world.process()
      await expect(world.finish(c.document.lock({ operation, waitMs: 60_000 }))).rejects.toMatchObject({
        code: 'AccessDenied',
      })
      expect(await world.record()).toMatchObject({ held: false, clean: false })
      expect(await claims(world, b)).toBe(true)
    })

    it('after one whose claim is of unknown outcome', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      const c = await world.process({ limits: { operationMs: 12_000 } })
      const late = world.network.faults.hold(headWrites)
      const reading = c.document.lock({ operation, waitMs: 60_000 }).catch(codeOf)
      await world.finish(late.arrived())
      const reads = world.network.faults.add(
        { method: 'get', key: HEAD, times: Number.POSITIVE_INFINITY },
        { do: 'drop-request' },
      )
      expect(await world.finish(reading)).toBe('OutcomeUnknown')
      reads.remove()
      expect(await world.record()).toMatchObject({ held: false, clean: false })
      expect(await claims(world, b)).toBe(true)
      const { seq } = (await world.head())!
      await world.finish(late.releaseAll())
      expect((await world.head())!.seq).toBe(seq)
    })

    it('but not by one who cannot prove that it still holds the lock', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      const proving = world.network.faults.hold(proof)
      const c = await world.process()
      const locking = c.document.lock({ operation, waitMs: 60_000 }).catch(codeOf)
      await world.finish(proving.arrived())
      const { seq } = (await world.head())!
      await world.finish(b.document.forceUnlock((await world.record())!.owner))
      await world.finish(proving.releaseAll())
      expect(await world.finish(locking)).toBe('LeaseLost')
      expect((await world.head())!.seq).toBe(seq)
      expect(await claims(world, b)).toBe(true)
    })
  })

  describe('the claim', () => {
    it('goes in its order: a head, a proof after it was answered, the claim after that', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      const began = world.time.elapsed
      await world.finish(b.document.lock({ operation, waitMs: 60_000 }))
      const sent = world.network.requests.filter(({ machine, sentAt }) => machine === b.machine && sentAt >= began)
      const last = sent.slice(-3).map(({ method, key, sentAt }) => ({ what: `${method} ${key.split('/')[0]}`, sentAt }))
      const write = name === 'lock objects' ? 'put locks' : 'write state'
      expect(last.map(({ what }) => what)).toEqual(['get heads', write, 'put heads'])
      expect(last[1]!.sentAt - last[0]!.sentAt).toBe(100)
      expect(last[2]!.sentAt - last[1]!.sentAt).toBe(100)
    })

    it('repeats all three when writers without a lock come between, and hands out what they wrote', async () => {
      const { world, a, b } = await opened()
      await world.finish(a.document.lock({ operation }))
      a.machine.stop()
      const c = await world.process()
      const proving = world.network.faults.hold({ ...proof, times: 3 })
      const locking = c.document.lock({ operation, waitMs: 60_000 })
      for (let n = 1; n <= 3; n++) {
        await world.finish(proving.arrived(n))
        await world.finish(b.document.commit(`between ${n}`, { parent: 'any' }))
        await world.finish(proving.releaseAll())
      }
      const held = await world.finish(locking)
      expect(held.current?.value).toBe('between 3')
      const mine = world.network.requests.filter(({ machine }) => machine === c.machine)
      const changes = mine.filter(
        ({ method, key }) => method === 'write' || (method === 'put' && !key.startsWith('heads')),
      )
      expect(changes.length).toBe(name === 'lock objects' ? 5 : 4)
      expect(mine.filter(({ method, key }) => method === 'put' && key === HEAD).length).toBe(4)
      await world.finish(held.commit('mine'))
    })

    it('makes the store refuse the holder before, whatever that one believes', async () => {
      const { world, a, b } = await opened()
      const zombie = await world.finish(a.document.lock({ operation }))
      await world.finish(zombie.commit('second'))
      a.machine.stop({ monotonic: true, wall: true }) // it will not know that it slept
      const held = await world.finish(b.document.lock({ operation, waitMs: 60_000 }))
      a.machine.resume()
      expect(zombie.signal.aborted).toBe(false)
      await expect(world.finish(zombie.commit('undead', { parent: 'any' }))).rejects.toMatchObject({
        code: 'LeaseLost',
      })
      expect(held.current?.value).toBe('second')
      await world.finish(held.commit('third'))
      expect((await world.finish(b.document.read()))?.value).toBe('third')
    })
  })

  describe('the read beside the acquisition', () => {
    /** B reads the head at once; its acquisition is executed after A has committed and left. */
    async function staleRead(): Promise<{
      world: World
      bucket: MemoryBucket
      b: Process
      locking: Promise<LockedDocument<string>>
    }> {
      const { world, bucket, a, b } = await opened()
      const held = await world.finish(a.document.lock({ operation }))
      const taking = world.network.faults.hold(name === 'lock objects' ? { method: 'get', key: /^locks/ } : acquire)
      const locking = b.document.lock({ operation })
      await world.finish(taking.arrived())
      await world.time.advance(200) // its read of the head is answered
      await world.finish(held.commit('second'))
      await world.finish(held.release())
      await world.finish(taking.releaseAll())
      return { world, bucket, b, locking }
    }

    it('counts only when it shows what the holder before saw last; else the head is read again', async () => {
      const { world, b, locking } = await staleRead()
      const held = await world.finish(locking)
      expect(held.current?.value).toBe('second')
      const reads = world.network.requests.filter(
        ({ machine, key, method }) => machine === b.machine && key === HEAD && method === 'get',
      )
      expect(reads.length).toBe(2)
    })

    it('is no excuse for a head that went back: RolledBack, and the lock is given up', async () => {
      const { world, bucket, a } = await opened()
      const old = bucket.peek(HEAD)!.bytes
      await world.finish(a.document.withLock({ operation }, (held) => held.commit('second')))
      const now = bucket.peek(HEAD)!.bytes
      bucket.overwrite(HEAD, old)
      const c = await world.process() // it has never seen the document
      await expect(world.finish(c.document.lock({ operation }))).rejects.toMatchObject({ code: 'RolledBack' })
      expect(await world.record()).toMatchObject({ held: false, clean: true })
      bucket.remove(HEAD)
      await expect(world.finish(c.document.lock({ operation }))).rejects.toMatchObject({ code: 'RolledBack' })
      bucket.overwrite(HEAD, now)
      const held = await world.finish(c.document.lock({ operation }))
      expect(held.current?.value).toBe('second')
    })

    it('notices a fork of equal length by the id that the holder before saw', async () => {
      const { world, bucket, a, b } = await opened()
      const old = bucket.peek(HEAD)!.bytes
      await world.finish(a.document.withLock({ operation }, (held) => held.commit('second')))
      bucket.overwrite(HEAD, old)
      await world.finish((await world.process()).document.commit('fork', { parent: 'any' }))
      await world.finish((await world.process()).document.commit('fork on', { parent: 'any' }))
      await expect(world.finish(b.document.lock({ operation }))).rejects.toMatchObject({ code: 'RolledBack' })
      expect(await world.record()).toMatchObject({ held: false })
    })

    it('gives the lock up when the head cannot be read', async () => {
      const { world, b } = await opened()
      const rule = world.network.faults.add(
        { method: 'get', key: HEAD, times: Number.POSITIVE_INFINITY },
        { do: 'drop-request' },
      )
      await expect(world.finish(b.document.lock({ operation }))).rejects.toMatchObject({ code: 'Unavailable' })
      rule.remove()
      expect(await world.record()).toMatchObject({ held: false, clean: true })
      await world.finish(b.document.withLock({ operation }, (held) => held.commit('second')))
    })
  })

  it('a commit without a lock lands between two of the holder’s as a Conflict that says who, and overwrites nothing', async () => {
    const { world, a, b } = await opened()
    const held = await world.finish(a.document.lock({ operation }))
    await world.finish(held.commit('second'))
    await world.finish(b.document.commit('between', { parent: 'any', by: 'intruder' }))
    await expect(world.finish(held.commit('third'))).rejects.toMatchObject({
      code: 'Conflict',
      details: { by: 'intruder' },
    })
    expect((await world.finish(b.document.read()))?.value).toBe('between')
    expect((await world.head())!.epoch).toBe(held.fence)
    await world.time.advance(LEASE_MS + MARGIN_MS)
    expect(held.signal.aborted).toBe(false)
  })
})
