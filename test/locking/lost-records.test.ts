import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError, type LockedDocument } from '../../src/index.ts'
import type { LockRecord } from '../../src/locking/index.ts'
import { MemoryBucket } from '../../src/memory/index.ts'
import { MemoryLockTable } from '../../src/testing/index.ts'
import { HEAD, KEY, LOCK_OBJECT, objectsPlace, type Process, tablePlace, World } from './world.ts'

const operation = 'deploy'
const ERA = 2n ** 32n
const codeOf = (error: unknown) => (KeelstateError.is(error) ? error.code : String(error))

/** A place of which somebody can take the lock record away, or put an older one back. */
interface Kind {
  readonly name: string
  open(): { world: World; lose(): void; restore(record: LockRecord): void }
}

const kinds: readonly Kind[] = [
  {
    name: 'locks taken in one request',
    open() {
      const table = new MemoryLockTable()
      const world = new World(tablePlace(new MemoryBucket(), table))
      return { world, lose: () => table.remove(KEY), restore: (record) => table.overwrite(KEY, record) }
    },
  },
  {
    name: 'lock objects',
    open() {
      const bucket = new MemoryBucket()
      const world = new World(objectsPlace(bucket))
      const restore = (record: LockRecord) => {
        const json = { format: 'keelstate-lock/1', ...record, fence: record.fence.toString() }
        bucket.overwrite(LOCK_OBJECT, Buffer.from(JSON.stringify(json)))
      }
      return { world, lose: () => bucket.remove(LOCK_OBJECT), restore }
    },
  },
]

describe.each(kinds)('a lock record that is lost, with $name', ({ name, open }) => {
  const warnings: unknown[] = []
  const onWarning = (message: unknown) => void warnings.push(message)
  beforeEach(() => {
    warnings.length = 0
    subscribe('keelstate:lock-record-lost', onWarning)
  })
  afterEach(() => void unsubscribe('keelstate:lock-record-lost', onWarning))

  async function held(): Promise<ReturnType<Kind['open']> & { a: Process; b: Process; lock: LockedDocument<string> }> {
    const place = open()
    const [a, b] = [await place.world.process(), await place.world.process()]
    await place.world.finish(a.document.withLock({ operation }, (lock) => lock.commit('first')))
    const lock = await place.world.finish(a.document.lock({ operation }))
    await place.world.finish(lock.commit('second'))
    return { ...place, a, b, lock }
  }

  it('begins a new era above everything that was written, fences the holder before off, and is told about', async () => {
    const { world, lose, b, lock } = await held()
    const { epoch } = (await world.head())!
    lose()
    const next = await world.finish(b.document.lock({ operation }))
    expect(next.fence).toBe((epoch / ERA + 1n) * ERA)
    expect((await world.head())!.epoch).toBe(next.fence)
    expect(await world.record()).toMatchObject({ reset: false, prevClean: false, held: true })
    expect(next.current?.value).toBe('second')
    expect(warnings).toEqual([{ name: 'shop/prod', epoch, fence: next.fence }])
    await expect(world.finish(lock.commit('undead', { parent: 'any' }))).rejects.toMatchObject({ code: 'LeaseLost' })
    await world.time.advance(11_000)
    expect(lock.signal.aborted).toBe(true)
    await world.finish(lock.release())
    await world.finish(next.commit('third'))
    await world.finish(next.release())
    const third = await world.finish(b.document.lock({ operation }))
    expect(third.fence).toBe(next.fence + 1n)
    expect(warnings.length).toBe(1)
  })

  it('is noticed by the holder at its next renewal, when nobody else has come', async () => {
    const { world, lose, lock } = await held()
    lose()
    await world.time.advance(11_000)
    expect(lock.signal.aborted).toBe(true)
    expect(lock.signal.reason).toMatchObject({ code: 'LeaseLost' })
    expect(lock.signal.reason.message).toContain('its record is gone')
    expect(await world.record()).toBeUndefined()
  })

  it('again and again still begins higher eras', async () => {
    const { world, lose, b } = await held()
    let before = 0n
    for (let n = 0; n < 4; n++) {
      lose()
      const next = await world.finish(b.document.lock({ operation }))
      expect(next.fence).toBeGreaterThan(before)
      expect(next.fence % ERA).toBe(0n)
      before = next.fence
      await world.finish(next.commit(`${n}`))
      await world.finish(next.release())
    }
  })

  it('keeps its mark until somebody has begun the new era', async () => {
    const { world, lose, b } = await held()
    lose()
    const claim = world.network.faults.add(
      { method: 'put', key: HEAD },
      { do: 'status', status: 403, code: 'AccessDenied' },
    )
    const proof = name === 'lock objects' ? { method: 'put', key: LOCK_OBJECT, nth: 2 } : { method: 'write' }
    const proving = world.network.faults.add(proof, { do: 'status', status: 403, code: 'AccessDenied' })
    expect(await world.finish(b.document.lock({ operation })).catch(codeOf)).toBe('AccessDenied')
    expect(proving.fired).toBe(1)
    claim.remove()
    expect(await world.record()).toMatchObject({ held: false, reset: true, clean: false, fence: 1n })
    const next = await world.finish(b.document.lock({ operation }))
    expect(next.fence).toBeGreaterThanOrEqual(ERA)
    expect(await world.record()).toMatchObject({ reset: false })
  })

  it('restored from a backup in which all was clean counts as unclean, because the head is past it', async () => {
    const { world, restore, a, b, lock } = await held()
    await world.finish(lock.release())
    const backup = (await world.record())!
    for (let n = 0; n < 5; n++) await world.finish(b.document.withLock({ operation }, (each) => each.commit(`b ${n}`)))
    const zombie = await world.finish(a.document.lock({ operation }))
    await world.finish(zombie.commit('before the restore'))
    restore(backup)
    const { epoch } = (await world.head())!
    const next = await world.finish(b.document.lock({ operation }))
    expect(next.fence).toBeGreaterThan(epoch)
    expect((await world.head())!.epoch).toBe(next.fence)
    expect(next.current?.value).toBe('before the restore')
    await expect(world.finish(zombie.commit('undead', { parent: 'any' }))).rejects.toMatchObject({ code: 'LeaseLost' })
    await world.finish(next.commit('after'))
    expect(warnings.length).toBe(1)
  })

  it('never takes its fence back, though who began an era before never claimed the head', async () => {
    const { world, restore } = open()
    const [a, b] = [await world.process(), await world.process()]
    await world.finish(a.document.commit('without a lock', { parent: 'none' }))
    const claim = world.network.faults.add(
      { method: 'put', key: HEAD },
      { do: 'status', status: 403, code: 'AccessDenied' },
    )
    expect(await world.finish(a.document.lock({ operation })).catch(codeOf)).toBe('AccessDenied')
    claim.remove()
    const backup = (await world.record())!
    expect([backup.fence, (await world.head())!.epoch]).toEqual([ERA, 0n])
    restore({ ...backup, reset: true })
    const next = await world.finish(b.document.lock({ operation }))
    expect(next.fence).toBeGreaterThan(backup.fence)
    expect((await world.head())!.epoch).toBe(next.fence)
  })

  it('that never was, of a document that was written without locks, is seeded without a warning', async () => {
    const { world } = open()
    const a = await world.process()
    await world.finish(a.document.commit('without a lock', { parent: 'none' }))
    const lock = await world.finish(a.document.lock({ operation }))
    expect(lock.fence).toBe(ERA)
    expect(lock.current?.value).toBe('without a lock')
    expect((await world.head())!.epoch).toBe(ERA)
    expect(warnings).toEqual([])
  })

  it('while a document is created beside the first lock of it, is no way in for two', async () => {
    const { world } = open()
    const [a, b] = [await world.process(), await world.process()]
    const proof = name === 'lock objects' ? { method: 'put', key: LOCK_OBJECT, nth: 2 } : { method: 'write' }
    const proving = world.network.faults.hold(proof)
    const locking = a.document.lock({ operation })
    await world.finish(proving.arrived())
    await world.finish(b.document.commit('meanwhile', { parent: 'none' }))
    await world.finish(proving.releaseAll())
    const lock = await world.finish(locking)
    expect(lock.current?.value).toBe('meanwhile')
    expect((await world.head())!.epoch).toBe(lock.fence)
    await world.finish(lock.commit('mine'))
  })

  it('can be released though it is not known whether the new era was begun', async () => {
    const { world, lose, b } = await held()
    lose()
    const proof = name === 'lock objects' ? { method: 'put', key: LOCK_OBJECT, nth: 2 } : { method: 'write' }
    world.network.faults.add(proof, { do: 'drop-answer' })
    const reading = name === 'lock objects' ? { method: 'get', key: LOCK_OBJECT, nth: 2 } : { method: 'read' }
    const blind = world.network.faults.add({ ...reading, times: Number.POSITIVE_INFINITY }, { do: 'drop-request' })
    const locking = b.document.lock({ operation }).catch(codeOf)
    await world.time.advance(29_500)
    expect((await world.record())!.fence).toBe(ERA)
    const stillBlind = world.time.world.timer(700, () => blind.remove())
    expect(await world.finish(locking)).toBe('Unavailable')
    stillBlind()
    expect(await world.record()).toMatchObject({ held: false, clean: false })
    await world.finish(b.document.withLock({ operation }, (next) => next.commit('next')))
  })
})
