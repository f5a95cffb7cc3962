import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment, type Entry, newSnapshot, type Snapshot } from '../../src/deployments/index.ts'
import { stateDocument } from '../../src/deployments/state-document.ts'
import { KeelstateError, openStore, type Store } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type FaultyStore, faultyStore } from '../../src/testing/index.ts'
import { kept } from '../core/saves.ts'

const NAME = { factory: 'shop', stack: 'prod' }
const STORE_ID = '00112233445566778899aabbccddeeff'

let folder: string
let bucket: MemoryBucket
let faulty: FaultyStore
let store: Store

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keelstate-saves-'))
  bucket = new MemoryBucket()
  faulty = faultyStore(memoryStore({ bucket }))
  store = await open(faulty)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (objects = memoryStore({ bucket })): Promise<Store> =>
  openStore({ store: objects, keys: 'plaintext', storeId: STORE_ID, memory: false, spool: folder })
const entry = (n: number): Entry => ({ address: `node-${n}`, type: 'leaf', kind: 'k', outputs: { n } })
const snapshot = (entries: number): Snapshot => ({
  ...newSnapshot({ name: 'shop', version: '1', contentRevision: 'c' }, 'prod', new Date(0)),
  entries: Array.from({ length: entries }, (_, n) => entry(n)),
})
const refuse = (): void =>
  void faulty.faults.add(
    { operation: 'PutObject', times: Number.POSITIVE_INFINITY },
    { do: 'status', status: 401, code: 'ExpiredToken' },
  )

async function failing(work: Promise<unknown>): Promise<KeelstateError> {
  const error = await work.catch((reason: unknown) => reason)
  if (!KeelstateError.is(error, 'Unauthenticated')) throw error
  return error
}

describe('what a deployment could not save', () => {
  it('is a change where it was one, and brought home as that by who only knows bodies', async () => {
    const prod = deployment(store, NAME)
    await using lock = await prod.lock()
    await prod.commit(snapshot(200))
    refuse()
    const change = { put: [entry(500), { ...entry(7), kind: 'other' }], delete: ['node-3'], outputs: { url: 'x' } }
    const error = await failing(prod.commit(change, { message: 'while away' }))
    expect(error.hint).toMatch(/keelstate recover shop\/prod$/)
    faulty.faults.clear()
    await lock.unlock()

    const later = await open()
    const [save] = await kept(later)
    expect(save!.bytes).toBeLessThan(1_000)
    const document = stateDocument(later, { kind: 'state', segments: ['shop', 'prod'] })
    const whole = await document.openSave(save!)
    expect(await document.recover(save!)).toMatchObject({
      outcome: 'committed',
      revision: { base: 1, type: 'snapshot', message: 'while away' },
    })
    const now = await deployment(await open(), NAME).current()
    expect(now.entries).toHaveLength(200)
    expect(now.entries!.find(({ address }) => address === 'node-7')).toMatchObject({ kind: 'other' })
    expect(now.outputs).toEqual({ url: 'x' })
    expect((await document.read())!.value).toEqual(Uint8Array.from(whole.body))
  })

  it('of a first snapshot, or of one that is not to be current yet, is kept as well', async () => {
    const prod = deployment(store, NAME)
    refuse()
    await failing(prod.commit(snapshot(3)))
    faulty.faults.clear()
    const later = await open()
    expect((await stateDocument(later, 'shop/prod').recover((await kept(later))[0]!)).outcome).toBe('committed')
    refuse()
    await failing(prod.write(snapshot(4)))
    const document = stateDocument(later, 'shop/prod')
    expect(await document.recover((await kept(later))[0]!)).toMatchObject({
      outcome: 'committed',
      revision: { number: 2, current: false },
    })
    expect((await deployment(later, NAME).current()).entries).toHaveLength(3)
    expect(await deployment(later, NAME).list()).toHaveLength(2)
  })

  it('is said to be lost when it is a change of what was never read', async () => {
    await deployment(await open(), NAME).commit(snapshot(3))
    faulty.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status: 401, code: 'ExpiredToken' })
    const error = await failing(deployment(store, NAME).commit({ put: [entry(9)] }))
    expect(error.details.notSpooled).toContain('was not read')
    expect(await kept(await open())).toEqual([])
  })
})
