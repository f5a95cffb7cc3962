import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bytes, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type CountedRequest, countingStore } from '../../src/testing/index.ts'
import { HEAD, STORE_ID } from './workbench.ts'

/** The request budget of design.md 3.4, request by request. */

const LARGE = randomBytes(20_000)

const said = (requests: readonly CountedRequest[]) => requests.map(({ call, outcome }) => `${call} ${outcome}`)

async function open(bucket = new MemoryBucket()) {
  const counted = countingStore(memoryStore({ bucket }))
  const store = await openStore({ store: counted, keys: 'plaintext', storeId: STORE_ID, memory: false })
  return { bucket, counted, store, doc: store.document('doc', bytes()) }
}

describe('requests', () => {
  it('opening a store and naming a document takes none', async () => {
    const counted = countingStore(memoryStore())
    const { total } = await counted.count(async () => {
      const store = await openStore({ store: counted, keys: 'plaintext' })
      store.document('doc', bytes())
      await store.close()
    })
    expect(total).toBe(0)
  })

  it('a store id that is not configured costs one read, once', async () => {
    const bucket = new MemoryBucket()
    await (await openStore({ store: memoryStore({ bucket }), keys: 'plaintext' })).init()
    const counted = countingStore(memoryStore({ bucket }))
    const store = await openStore({ store: counted, keys: 'plaintext' })
    const doc = store.document('doc', bytes())
    const first = await counted.count(() => doc.read())
    expect(first.requests.map(({ key, outcome }) => `${key} ${outcome}`)).toEqual(['store found', `${HEAD} absent`])
    expect(await counted.count(() => Promise.all([doc.read(), store.document('other', bytes()).read()]))).toMatchObject(
      { total: 2 },
    )
  })

  it('reading what is small takes one; unchanged, one without a body', async () => {
    const { bucket, doc } = await open()
    await doc.commit(Buffer.from('small'), { parent: 'none' })
    const reader = await open(bucket)
    expect(said((await reader.counted.count(() => reader.doc.read())).requests)).toEqual(['get found'])
    expect(said((await reader.counted.count(() => reader.doc.read())).requests)).toEqual(['get unchanged'])
    expect(said((await reader.counted.count(() => reader.doc.status())).requests)).toEqual(['get unchanged'])
  })

  it('reading what is large takes two, one after the other; unchanged, one without a body', async () => {
    const { bucket, doc } = await open()
    await doc.commit(LARGE, { parent: 'none' })
    const reader = await open(bucket)
    const first = await reader.counted.count(() => reader.doc.read())
    expect(said(first.requests)).toEqual(['get found', 'get found'])
    expect(first.sequential).toBe(2)
    expect(said((await reader.counted.count(() => reader.doc.read())).requests)).toEqual(['get unchanged'])
    await doc.label('v1', 'current') // the head moved, its content did not
    expect(said((await reader.counted.count(() => reader.doc.read())).requests)).toEqual(['get found'])
  })

  it('reading what does not exist takes one', async () => {
    const { counted, doc } = await open()
    expect(said((await counted.count(() => doc.read())).requests)).toEqual(['get absent'])
  })

  it('committing with the head known takes one, or two when it is large; the first of a process, one more', async () => {
    const { bucket, counted, doc } = await open()
    const cost = async (content: Uint8Array, at = { counted, doc }) => {
      const { requests, total, sequential } = await at.counted.count(() => at.doc.commit(content, { parent: 'any' }))
      expect(sequential).toBe(total)
      return said(requests)
    }
    expect(await cost(Buffer.from('first'))).toEqual(['get absent', 'put stored'])
    expect(await cost(Buffer.from('small'))).toEqual(['put stored'])
    expect(await cost(LARGE)).toEqual(['put stored', 'put stored'])
    expect(await cost(Buffer.from('small'), await open(bucket))).toEqual(['get found', 'put stored'])
    expect(await cost(LARGE, await open(bucket))).toEqual(['get found', 'put stored', 'put stored'])
    const parent = await doc.read()
    expect(said((await counted.count(() => doc.commit(LARGE, { parent: parent! }))).requests)).toHaveLength(2)
    expect(said((await counted.count(() => doc.update(() => Buffer.of(1)))).requests)).toEqual(['put stored'])
  })

  it('reading what this process has just written takes one, however large it is', async () => {
    const { counted, doc } = await open()
    await doc.commit(LARGE, { parent: 'none' })
    const { requests } = await counted.count(async () =>
      expect((await doc.read())!.value).toEqual(new Uint8Array(LARGE)),
    )
    expect(said(requests)).toEqual(['get unchanged'])
  })

  it('making a document with its first, large, content takes three', async () => {
    const { counted, doc } = await open()
    expect(said((await counted.count(() => doc.commit(LARGE, { parent: 'none' }))).requests)).toEqual([
      'get absent',
      'put stored',
      'put stored',
    ])
  })

  it.each([
    ['text', () => Buffer.from(randomBytes(262).toString('base64').slice(0, 350))],
    ['almost nothing', () => randomBytes(1)],
  ])(
    '350 bytes of %s spill the tail once in 16 commits at most, and every 16th time there is an index',
    async (_, content) => {
      const { counted, doc } = await open()
      await doc.commit(content(), { parent: 'none' })
      const commits = 16 * 16 * 3
      const { requests } = await counted.count(async () => {
        for (let n = 0; n < commits; n++) await doc.commit(content(), { parent: 'any' })
      })
      const heads = requests.filter(({ key }) => key === HEAD).length
      expect(heads).toBe(commits)
      const objects = requests.length - heads
      expect(objects).toBeLessThanOrEqual(commits / 16 + commits / 256)
      expect(objects).toBeGreaterThan(commits / 20)
      const stored = await counted.list('objects/state/doc/~/')
      expect(stored.objects).toHaveLength(objects)
    },
  )

  it('labels, deletes, and asking what became of a write take as many as they must', async () => {
    const { counted, doc } = await open()
    const { id } = await doc.commit(Buffer.from('1'), { parent: 'none' })
    expect(said((await counted.count(() => doc.label('v1', id))).requests)).toEqual(['get unchanged', 'put stored'])
    expect(said((await counted.count(() => doc.unlabel('v1'))).requests)).toEqual(['put stored'])
    expect(said((await counted.count(() => doc.outcome(`${'00'.repeat(16)}@1`))).requests)).toEqual(['get unchanged'])
    expect(said((await counted.count(() => doc.rollback('@1'))).requests)).toEqual(['get unchanged', 'put stored'])
    expect(said((await counted.count(() => doc.delete())).requests)).toEqual(['put stored'])
  })

  it('listing takes one for 1,000 heads and one for each, side by side', async () => {
    const { counted, store } = await open()
    const count = 1_050
    for (let n = 0; n < count; n++) await store.document(`d${n}`, bytes()).commit(Buffer.of(1), { parent: 'none' })
    let seen = 0
    const { requests, sequential } = await counted.count(async () => {
      for await (const _ of store.list()) seen++
    })
    expect(seen).toBe(count)
    expect(requests.filter(({ call }) => call === 'list')).toHaveLength(2)
    expect(requests.filter(({ call }) => call === 'get')).toHaveLength(count)
    expect(requests).toHaveLength(count + 2)
    expect(sequential).toBeLessThanOrEqual(2 + Math.ceil(1_000 / 16) + Math.ceil(50 / 16))
  })

  it('nothing but list, verify and collect lists anything, and nothing but collect deletes', async () => {
    const { counted, doc } = await open()
    const { requests } = await counted.count(async () => {
      for (let n = 0; n < 40; n++) await doc.commit(n % 10 === 0 ? LARGE : Buffer.of(n), { parent: 'any' })
      await doc.read()
      await doc.revision('@3')
      await doc.diff('@1', 'current')
      for await (const _ of doc.history());
      await doc.prune({ keepLast: 5 })
      await doc.label('v1', 'current')
      await doc.status()
      await doc.rollback('v1')
      await doc.delete()
    })
    expect(requests.filter(({ call }) => call === 'list' || call === 'delete')).toEqual([])
    const collecting = await counted.count(() => doc.collect({ graceMs: -1 }))
    expect(said(collecting.requests)).toEqual(['list listed', 'get unchanged', 'put stored', 'delete deleted'])
  })
})
