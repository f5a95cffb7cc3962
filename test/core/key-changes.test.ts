import { beforeEach, describe, expect, it } from 'vitest'
import { decodeHeader, hex } from '../../src/core/header.ts'
import { makeSealer, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { json, type ObjectStore, openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore, faultyStore } from '../../src/testing/index.ts'
import { storeWith } from '../store-with.ts'
import { contents, failure, HEAD, STORE_ID, WRITES } from './workbench.ts'

const OBJECTS = 'objects/state/doc/~/'
const MINE = Buffer.alloc(32, 1)
const THEIRS = Buffer.alloc(32, 2)
const LARGE = 'x'.repeat(20_000)

let bucket: MemoryBucket

beforeEach(() => {
  bucket = new MemoryBucket()
})

type Doc = VersionedDocument<string>

/** A process of its own, which has these keys. */
async function start(keys: readonly Buffer[] = [MINE], store: ObjectStore = memoryStore({ bucket })): Promise<Doc> {
  const opened = await openStore({
    store,
    keys: keys.map((key) => new StaticKeyProvider({ key })),
    storeId: STORE_ID,
    memory: false,
  })
  return opened.document('doc', json<string>())
}

const keyOf = (key: string) => hex(decodeHeader(bucket.peek(key)!.bytes, key).header.keyId)
const headKey = () => keyOf(HEAD)
const objects = () => bucket.keys().filter((key) => key.startsWith(OBJECTS))

/** A store whose puts of the head, or of objects, wait until `go` is called. */
function holding(prefix: string): { store: ObjectStore; arrived: Promise<void>; go: () => void } {
  const inner = memoryStore({ bucket })
  let go = () => {}
  let come = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const arrived = new Promise<void>((resolve) => {
    come = resolve
  })
  const store = storeWith(inner, {
    async put(key, body, condition, options) {
      if (key.startsWith(prefix)) {
        come()
        await gate
      }
      return await inner.put(key, body, condition, options)
    },
  })
  return { store, arrived, go }
}

describe('a change of a document’s key', () => {
  it('is one conditional write, and touches no object', async () => {
    const counted = countingStore(memoryStore({ bucket }))
    const doc = await start([MINE], counted)
    await doc.commit(LARGE, { parent: 'none' })
    const [before, stored] = [headKey(), objects()]
    const { requests } = await counted.count(() => doc.rotateKeys())
    expect(requests.map(({ call, key }) => `${call} ${key}`)).toEqual([`put ${HEAD}`])
    expect(headKey()).not.toBe(before)
    expect(objects()).toEqual(stored)
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 1, objects: 1 })
  })

  it('leaves all history open to a process that knows nothing of before', async () => {
    const doc = await start()
    for (let n = 1; n <= 40; n++) {
      await doc.commit(n % 5 === 0 ? `${n} ${LARGE}` : `${n}`, { parent: 'any' })
      if (n % 9 === 0) await doc.rotateKeys()
    }
    const reader = await start()
    expect(await contents(reader)).toEqual(await contents(doc))
    expect(await reader.verify()).toMatchObject({ ok: true, revisions: 40, problems: [] })
    expect(new Set(objects().map(keyOf)).size).toBeGreaterThan(3)
    await reader.prune({ keepLast: 12 })
    await reader.collect({ graceMs: 0 })
    expect(await (await start()).verify()).toMatchObject({ ok: true, revisions: 12, problems: [] })
  })

  it('is noticed by who knew the document: a reader reads on, a writer writes on', async () => {
    const doc = await start()
    await doc.commit('1', { parent: 'none' })
    const [reader, writer] = [await start(), await start()]
    await reader.read()
    const seen = await writer.read()
    await doc.rotateKeys()
    expect(await reader.read()).toMatchObject({ value: '1', number: 1 })
    expect(await writer.commit('2', { parent: seen! })).toMatchObject({ number: 2 }) // nobody moved it
    await writer.commit(LARGE, { parent: 'any' })
    expect(objects().map(keyOf)).toEqual([headKey()])
    expect(await (await start()).verify()).toMatchObject({ ok: true, revisions: 3 })
  })

  it('makes a writer seal again what it uploaded under the former key', async () => {
    const doc = await start()
    await doc.commit('1', { parent: 'none' })
    const slow = holding(HEAD)
    const writer = await start([MINE], slow.store)
    const committing = writer.commit(LARGE, { parent: 'any' }) // its content is uploaded, its head on the way
    await slow.arrived
    const [uploaded] = objects()
    await doc.rotateKeys()
    slow.go()
    await committing
    expect(keyOf(uploaded!)).not.toBe(headKey())
    await doc.collect()
    expect(objects()).toHaveLength(1)
    expect(objects().map(keyOf)).toEqual([headKey()])
    expect((await (await start()).read())?.value).toBe(LARGE)
  })

  it('travels with the changes of other callers', async () => {
    const counted = countingStore(memoryStore({ bucket }))
    const doc = await start([MINE], counted)
    await doc.commit('1', { parent: 'none' })
    const { requests } = await counted.count(() =>
      Promise.all([
        doc.update((now) => `${now}2`),
        doc.rotateKeys(),
        doc.update((now) => `${now}3 ${LARGE}`),
        doc.label('v', 'current'),
      ]),
    )
    expect(requests.filter(({ call, key }) => call === 'put' && key === HEAD).length).toBeLessThanOrEqual(2)
    expect(await contents(await start())).toEqual(['1', '12', `123 ${LARGE}`])
    expect(await (await start()).labels()).toHaveProperty('v')
  })

  it('by several at once happens for each, and none forgets the key of another', async () => {
    const doc = await start()
    await doc.commit(LARGE, { parent: 'none' })
    const before = headKey()
    const others = await Promise.all([1, 2, 3].map(() => start()))
    await Promise.all(others.map((other) => other.read()))
    const seen = new Set<string>([before])
    await Promise.all(
      others.map(async (other) => {
        await other.rotateKeys()
        await other.commit(`${LARGE}${seen.size}`, { parent: 'any' })
        for (const key of objects()) seen.add(keyOf(key))
      }),
    )
    seen.add(headKey())
    expect(seen.size).toBe(4)
    expect(await (await start()).verify()).toMatchObject({ ok: true, revisions: 4, problems: [] })
  })

  it('whose answer is lost has happened once', async () => {
    const faulty = faultyStore(memoryStore({ bucket }))
    const doc = await start([MINE], faulty)
    await doc.commit('1', { parent: 'none' })
    faulty.faults.add(WRITES, { do: 'drop-answer' })
    await doc.rotateKeys()
    const status = await doc.status()
    expect(status.seq).toBe(2)
    await doc.commit(LARGE, { parent: 'any' })
    expect(await contents(await start())).toEqual(['1', LARGE])
  })

  it('changes the recipients to those that are configured', async () => {
    const doc = await start()
    await doc.commit('1', { parent: 'none' })
    const theirs = await start([THEIRS])
    expect((await failure(theirs.read())).code).toBe('DecryptFailed')
    await (await start([MINE, THEIRS])).rotateKeys()
    expect(await contents(theirs)).toEqual(['1'])
    expect((await doc.status()).recipients).toHaveLength(2)

    await doc.rotateKeys()
    expect((await doc.status()).recipients).toHaveLength(1)
    const error = await failure(theirs.read())
    expect(error).toMatchObject({ code: 'DecryptFailed', details: { differs: 'recipients' } })
    expect(await contents(doc)).toEqual(['1'])
  })

  it('that takes a key from a writer lets none of its later writes land', async () => {
    const doc = await start()
    await doc.commit('1', { parent: 'none' })
    await (await start([MINE, THEIRS])).rotateKeys()
    const theirs = await start([THEIRS])
    await theirs.read()
    await doc.rotateKeys()
    const error = await failure(theirs.commit('2', { parent: 'any' }))
    // It sent its write and can read nothing of what became of it.
    expect(error).toMatchObject({ code: 'OutcomeUnknown', cause: expect.objectContaining({ code: 'DecryptFailed' }) })
    expect(await doc.outcome((error.details as { write: string }).write)).toBe('not-landed')
    expect(await contents(doc)).toEqual(['1'])
  })

  it('survives that the document is deleted, and begins no document', async () => {
    const doc = await start()
    expect(await failure(doc.rotateKeys())).toMatchObject({ code: 'NotFound', details: { subject: 'document' } })
    await doc.commit(LARGE, { parent: 'none' })
    await doc.rotateKeys()
    await doc.delete()
    await doc.rotateKeys()
    await doc.commit('again', { parent: 'none' })
    const reader = await start()
    expect(await reader.read()).toMatchObject({ value: 'again', number: 2 })
    expect(await reader.verify()).toMatchObject({ ok: true })
  })

  it('that a key service refuses leaves the document and its other callers alone', async () => {
    const doc = await start()
    await doc.commit('1', { parent: 'none' })
    const before = headKey()
    const refusing = new StaticKeyProvider({ key: THEIRS, address: 'theirs' })
    refusing.wrap = async () => {
      throw new Error('no permission')
    }
    const store = await openStore({
      store: memoryStore({ bucket }),
      keys: [new StaticKeyProvider({ key: MINE }), refusing],
      storeId: STORE_ID,
      memory: false,
    })
    const other = store.document('doc', json<string>())
    const [refused, written] = await Promise.allSettled([other.rotateKeys(), other.update((now) => `${now}2`)])
    expect(refused).toMatchObject({ status: 'rejected', reason: { message: 'no permission' } })
    expect(written).toMatchObject({ status: 'fulfilled' })
    expect(headKey()).toBe(before)
    expect(await contents(doc)).toEqual(['1', '12'])
  })

  it('is refused for a document in the clear', async () => {
    const store = await openStore({
      store: memoryStore({ bucket }),
      keys: 'plaintext',
      storeId: STORE_ID,
      memory: false,
    })
    const doc = store.document('doc', json<string>())
    await doc.commit('1', { parent: 'none' })
    expect((await failure(doc.rotateKeys())).code).toBe('Unsupported')
    expect(makeSealer(['plaintext'], { salt: async () => new Uint8Array(16) }).recipients(new Uint8Array(0))).toEqual(
      [],
    )
  })
})
