import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { json, KeelstateError, openStore, type Store, type VersionedDocument } from '../../src/index.ts'
import { objectLockStore } from '../../src/locking/index.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')
const NAME = 'shop/prod'
const HEAD = 'heads/state/shop/prod/~'
const LOCK = { storeId: '', name: { kind: 'state', segments: ['shop', 'prod'] }, identity: 'state/shop/prod' }
const operation = 'deploy'

let folder: string
let stores: Store[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelstate-accept-'))
  process.env.ACCEPT_TEST_KEY = KEY
  stores = []
})
afterEach(async () => {
  for (const store of stores) await store.close()
  await rm(folder, { recursive: true, force: true })
})

const raw = () => fileStore({ root: join(folder, 'store') })

/** A process of its own; those with one `machine` share what they remember. */
async function start(machine: string | false): Promise<VersionedDocument<string>> {
  const memory = machine && join(folder, machine)
  const store = await openStore({ store: raw(), keys: 'env:ACCEPT_TEST_KEY', memory })
  stores.push(store)
  await store.init()
  return store.document(NAME, json<string>())
}

async function end(): Promise<void> {
  for (const store of stores.splice(0)) await store.close()
}

async function failure(work: Promise<unknown>): Promise<KeelstateError> {
  try {
    await work
  } catch (error) {
    if (KeelstateError.is(error)) return error
  }
  throw new Error('it did not fail as it should')
}

async function stored(): Promise<{ bytes: Uint8Array; token: string }> {
  const found = await raw().get(HEAD)
  if (typeof found !== 'object') throw new Error('there is no head')
  return found
}

async function restore(bytes: Uint8Array): Promise<void> {
  await raw().put(HEAD, bytes, { ifMatch: (await stored()).token })
}

/** A history of five commits under locks, seen by two machines, and restored to its third head. */
async function restored(): Promise<{ copies: Uint8Array[]; seq: number }> {
  const doc = await start('laptop')
  const copies: Uint8Array[] = []
  for (const value of ['1', '2', '3', '4', '5']) {
    await doc.withLock({ operation }, (held) => held.commit(value))
    copies.push((await stored()).bytes)
  }
  await (await start('desktop')).read()
  await end()
  await restore(copies[2]!)
  const seq = (await failure((await start('laptop')).read())).details as { seenSeq: number }
  await end()
  return { copies, seq: seq.seenSeq }
}

describe('a document that was restored on purpose', () => {
  it('is named by the error with the command that accepts it', async () => {
    const { seq } = await restored()
    const error = await failure((await start('laptop')).read())
    expect(error).toMatchObject({ code: 'RolledBack', details: { seenSeq: seq } })
    expect(error.hint).toContain(`keelstate accept shop/prod@${seq}`)
  })

  it('can be worked on again once it is accepted, by this machine and by the next holder of its lock', async () => {
    const { seq } = await restored()
    const doc = await start('laptop')
    expect(await failure(doc.read())).toMatchObject({ code: 'RolledBack' })
    expect(await doc.accept(seq)).toMatchObject({ seq, lock: true, remembered: seq + 2, current: { number: 3 } })
    expect((await doc.read())?.value).toBe('3')
    await end()
    const next = await start('laptop')
    expect(await next.withLock({ operation }, (held) => held.commit('4 again'))).toMatchObject({ number: 4 })
    expect(await next.accept(seq + 2)).toEqual(expect.objectContaining({ seq: seq + 2 })) // the commit, and its claim of the head
  })

  it('is refused by a machine that did not accept it, until it does', async () => {
    const { seq } = await restored()
    await (await start('laptop')).accept(seq)
    const other = await start('desktop')
    expect(await failure(other.read())).toMatchObject({ code: 'RolledBack' })
    expect(await other.accept(seq)).toMatchObject({ lock: false })
    expect((await other.read())?.value).toBe('3')
  })

  it('is claimed by the next holder, so that nothing late of an earlier one fits the restored head', async () => {
    const { seq } = await restored()
    const doc = await start('laptop')
    await doc.accept(seq)
    const locks = objectLockStore(raw())
    expect((await locks.read(LOCK))?.record).toMatchObject({ clean: false, lastSeq: seq })
    const { epoch } = await doc.status()
    await doc.withLock({ operation }, async (held) => {
      expect(await doc.status()).toMatchObject({ seq: seq + 1, epoch: held.fence })
      expect(held.fence).toBeGreaterThan(epoch)
    })
  })

  it('is accepted at exactly the head that was named, and at no other', async () => {
    const { seq, copies } = await restored()
    const doc = await start('laptop')
    for (const wrong of [0, seq - 1, seq + 1]) {
      expect(await failure(doc.accept(wrong))).toMatchObject({ code: 'Conflict' })
      expect(await failure(doc.read())).toMatchObject({ code: 'RolledBack' })
    }
    await doc.accept(seq)
    await restore(copies[1]!)
    expect(await failure(doc.read())).toMatchObject({ code: 'RolledBack' })
    for (const wrong of [-1, 1.5, Number.NaN]) {
      expect(await failure(doc.accept(wrong))).toMatchObject({ code: 'InvalidInput' })
    }
  })

  it('is not accepted when it does not open', async () => {
    const { seq, copies } = await restored()
    const forged = Uint8Array.from(copies[2]!)
    forged[forged.length - 1]! ^= 1
    await restore(forged)
    expect(await failure((await start('laptop')).accept(seq))).toMatchObject({ code: 'Corrupt' })
    await restore(copies[2]!)
    expect(await failure((await start('laptop')).read())).toMatchObject({ code: 'RolledBack' })
  })

  it('is only looked at in a dry run', async () => {
    const { seq } = await restored()
    const doc = await start('laptop')
    expect(await doc.accept(seq, { dryRun: true })).toMatchObject({ lock: true, remembered: seq + 2 })
    expect(await failure(doc.read())).toMatchObject({ code: 'RolledBack' })
    expect((await objectLockStore(raw()).read(LOCK))?.record.lastSeq).toBe(seq + 2)
  })

  it('waits for the holder of its lock, who knows the later head', async () => {
    const doc = await start('laptop')
    await doc.withLock({ operation }, (held) => held.commit('1'))
    const { bytes } = await stored()
    const { seq } = await doc.status()
    await doc.withLock({ operation }, (held) => held.commit('2'))
    const held = await doc.lock({ operation })
    await restore(bytes)
    const refused = await failure((await start(false)).accept(seq))
    expect(refused).toMatchObject({ code: 'Locked', details: { owner: held.owner } })
    await held.release()
    expect(await (await start('laptop')).accept(seq)).toMatchObject({ lock: true })
  })

  it('may be gone, which is accepted as @0', async () => {
    const doc = await start('laptop')
    await doc.withLock({ operation }, (held) => held.commit('1'))
    await end()
    await rm(join(folder, 'store', 'heads'), { recursive: true })
    const gone = await start('laptop')
    const error = await failure(gone.read())
    expect(error.hint).toContain('keelstate accept shop/prod@0')
    expect(await gone.accept(0)).toEqual({ seq: 0, lock: true, remembered: 1 + 1 })
    expect(await gone.read()).toBeUndefined()
    expect(await gone.withLock({ operation }, (held) => held.commit('anew'))).toMatchObject({ number: 1 })
  })

  it('needs no acceptance when nothing later was seen, and stays as it is', async () => {
    const doc = await start('laptop')
    await doc.commit('1', { parent: 'none' })
    expect(await doc.accept(1)).toMatchObject({ seq: 1, lock: false })
    expect(await doc.commit('2', { parent: 'any' })).toMatchObject({ number: 2 })
  })
})
