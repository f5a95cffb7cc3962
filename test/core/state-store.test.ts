import { describe, expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore, faultyStore } from '../../src/testing/index.ts'
import { failure, STORE_ID } from './workbench.ts'

const on = (bucket: MemoryBucket, storeId?: string) => {
  const counted = countingStore(memoryStore({ bucket }))
  const options = {
    store: counted,
    keys: 'plaintext',
    memory: false,
    ...(storeId === undefined ? {} : { storeId }),
  } as const
  return { counted, open: () => openStore(options) }
}

/** A store that is there, and a process that has sent for its marker and gets no answer until it is let go. */
async function withMarkerHeld() {
  const bucket = new MemoryBucket()
  await (await on(bucket).open()).init()
  const faulty = faultyStore(memoryStore({ bucket }))
  const store = await openStore({ store: faulty, keys: 'plaintext', memory: false })
  return { store, hold: faulty.faults.hold({ method: 'get', key: 'store' }) }
}

describe('a store', () => {
  it('is made once; whoever makes it again gets the same', async () => {
    const bucket = new MemoryBucket()
    const stores = await Promise.all(Array.from({ length: 8 }, () => on(bucket).open()))
    const made = await Promise.all(stores.map((store) => store.init()))
    expect(made.filter(({ created }) => created)).toHaveLength(1)
    expect(new Set(made.map(({ storeId }) => storeId)).size).toBe(1)
    expect(made[0]!.storeId).toMatch(/^[0-9a-f]{32}$/)
    expect(await stores[0]!.id()).toBe(made[0]!.storeId)
    expect(await stores[0]!.init()).toEqual({ storeId: made[0]!.storeId, created: false })
  })

  it('lists its documents by kind, without those that have no current revision unless asked', async () => {
    const store = await on(new MemoryBucket(), STORE_ID).open()
    for (const name of ['b', 'a', 'a/b', 'ledger:main'])
      await store.document(name, json()).commit(name, { parent: 'none' })
    await store.document('dead', json()).commit('x', { parent: 'none' })
    await store.document('dead', json()).delete()
    await store.document('bare', json()).add('x')
    const names = async (options?: Parameters<typeof store.list>[0]) => {
      const all: string[] = []
      for await (const { name } of store.list(options)) all.push(name)
      return all
    }
    expect(await names()).toEqual(['a/b', 'a', 'b'])
    expect(await names({ kind: 'ledger' })).toEqual(['ledger:main'])
    expect((await names({ all: true })).sort()).toEqual(['a', 'a/b', 'b', 'bare', 'dead'])
    expect((await store.list({ kind: 'ledger' }).next()).value).toMatchObject({
      kind: 'ledger',
      seq: 1,
      epoch: 0n,
      hasCurrent: true,
      recipients: [],
    })
  })

  it('reads its marker for all who ask: one of them who gives up is not kept waiting, and does not stop the others', async () => {
    const { store, hold } = await withMarkerHeld()
    const abort = new AbortController()
    const [impatient, reading] = [store.id({ signal: abort.signal }), store.document('a', json()).read()]
    await hold.arrived()
    abort.abort()
    expect(await failure(impatient)).toMatchObject({ code: 'Aborted' })
    await hold.releaseAll()
    expect(await reading).toBeUndefined()
  })

  it('lets go of whoever gives up on a document while the marker is being read, and says that nothing was sent', async () => {
    const { store, hold } = await withMarkerHeld()
    const abort = new AbortController()
    const { signal } = abort
    const document = store.document<number>('a', json())
    const calls = [
      document.read({ signal }),
      document.commit(1, { parent: 'any', signal }),
      document.update(() => 1, { signal }),
      document.history({ signal }).next(),
      document.lock({ operation: 'test', signal }),
      document.verify({ signal }),
    ].map(failure)
    await hold.arrived()
    abort.abort()
    for (const refused of await Promise.all(calls))
      expect(refused).toMatchObject({ code: 'Aborted', details: { notExecuted: true } })
    await hold.releaseAll()
    expect(await document.read()).toBeUndefined()
    await store.close()
  })

  it('stops a listing whose caller gives up', async () => {
    const store = await on(new MemoryBucket(), STORE_ID).open()
    await store.document('a', json()).commit(1, { parent: 'none' })
    const list = store.list({ signal: AbortSignal.abort() })
    expect(await failure(list.next())).toMatchObject({ code: 'Aborted' })
  })

  it('that was closed refuses everything, and may be closed again', async () => {
    const store = await on(new MemoryBucket(), STORE_ID).open()
    const doc = store.document('a', json())
    await doc.commit(1, { parent: 'none' })
    await store.close()
    await store.close()
    for (const work of [
      () => doc.read(),
      () => doc.commit(2, { parent: 'any' }),
      () => store.id(),
      () => store.init(),
      () => store.list().next(),
    ])
      expect(await failure((async () => await work())())).toMatchObject({ code: 'Closed' })
  })

  it('keeps what it knows of the documents used last, and gives up the rest', async () => {
    const { counted, open } = on(new MemoryBucket(), STORE_ID)
    const store = await open()
    const commit = (n: number) => store.document(`d${n}`, json()).commit(n, { parent: 'any' })
    await commit(0)
    expect(await counted.count(() => commit(0))).toMatchObject({ total: 1 })
    for (let n = 1; n <= 1_100; n++) await commit(n)
    expect(await counted.count(() => commit(1_100))).toMatchObject({ total: 1 })
    expect(await counted.count(() => commit(0))).toMatchObject({ total: 2 }) // the head is read again
  })
})
