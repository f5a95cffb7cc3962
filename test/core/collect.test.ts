import { beforeEach, describe, expect, it } from 'vitest'
import { systemEnvironment } from '../../src/core/environment.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { json, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { ALWAYS, contents, failure, STORE_ID, UPLOADS, type Workbench, WRITES, workbench } from './workbench.ts'

const HOUR = 3_600_000
const large = (text: string) => text.repeat(Math.ceil(20_000 / text.length))
const DELETES = { operation: 'DeleteObjects' }
const CONTENT_READS = { operation: 'GetObject', key: 'objects/*' }

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
})

const objects = () => bench.bucket.keys().filter((key) => key.startsWith('objects/'))

/** A process with a clock of its own that is this many ms off. */
async function collector(offMs = 0, store: ObjectStore = memoryStore({ bucket: bench.bucket })) {
  const environment = { ...systemEnvironment, now: () => Date.now() + offMs }
  const opened = await openStore({ store, keys: 'plaintext', storeId: STORE_ID, memory: false, environment })
  return opened.document('doc', json<string>())
}

const intact = async () => {
  const doc = await bench.elsewhere()
  const report = await doc.verify()
  expect(report.problems).toEqual([])
  return report
}

describe.each([
  ['a clock that is right', 0],
  ['a clock an hour ahead', HOUR],
  ['a clock an hour behind', -HOUR],
])('a collector with %s', (_, offMs) => {
  it('leaves alone what a slow writer has uploaded and refers to afterwards', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const commit = doc.commit(large('slow'), { parent: 'any' })
    await hold.arrived()
    const [uploaded] = objects()
    const report = await (await collector(offMs)).collect()
    expect(report.deleted).toEqual([uploaded]) // nothing says yet that somebody will want it
    await hold.release()
    await time.until(commit)
    expect(await commit).toMatchObject({ number: 2 })
    expect((await (await bench.elsewhere()).read())?.value).toBe(large('slow'))
    expect(objects()).toHaveLength(1)
    expect(objects()).not.toEqual([uploaded])
    await intact()
  })

  it('leaves alone what is still on its way up while it collects', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold(UPLOADS)
    const commit = doc.commit(large('slow'), { parent: 'any' })
    await hold.arrived()
    expect((await (await collector(offMs)).collect()).deleted).toEqual([])
    await hold.release()
    await time.until(commit)
    expect((await (await bench.elsewhere()).read())?.value).toBe(large('slow'))
    await intact()
    // The first upload is nobody's now: the next collector takes it.
    expect(objects()).toHaveLength(2)
    expect((await (await collector(offMs)).collect()).deleted).toHaveLength(1)
    expect(await intact()).toMatchObject({ revisions: 2, unreachable: 0 })
  })

  it('takes the uploads of writers that died, lost, or were refused', async () => {
    const { doc, faulty, elsewhere, time } = bench
    const base = await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold({ ...WRITES, ...ALWAYS })
    const controller = new AbortController()
    const died = failure(doc.commit(large('died'), { parent: 'any', signal: controller.signal }))
    await hold.arrived()
    controller.abort()
    await time.until(died)
    expect(await died).toMatchObject({ code: 'OutcomeUnknown' })
    await hold.drop() // it never reached the store
    faulty.faults.clear()
    const other = await elsewhere()
    await other.commit('theirs', { parent: 'any' })
    expect(await failure(doc.commit(large('lost'), { parent: base }))).toMatchObject({ code: 'Conflict' })
    faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'status', status: 403, code: 'AccessDenied' })
    expect(await failure(doc.commit(large('denied'), { parent: 'any' }))).toMatchObject({ code: 'AccessDenied' })
    faulty.faults.clear()
    const kept = await other.commit(large('kept'), { parent: 'any' })
    expect(objects()).toHaveLength(4)
    expect(await intact()).toMatchObject({ unreachable: 3 })
    const dry = await (await collector(offMs)).collect({ dryRun: true })
    expect(dry).toMatchObject({ kept: 1, condemned: 0 })
    expect(dry.deleted).toHaveLength(3)
    expect(objects()).toHaveLength(4)
    const report = await (await collector(offMs)).collect()
    expect(report.deleted.sort()).toEqual(dry.deleted.sort())
    expect(report.deletedBytes).toBeGreaterThan(60_000)
    expect(objects()).toHaveLength(1)
    expect((await other.revision(kept.id)).value).toBe(large('kept'))
    expect(await intact()).toMatchObject({ unreachable: 0 })
  })
})

describe('a writer', () => {
  it('does not upload again because somebody set a label meanwhile', async () => {
    const { doc, faulty, elsewhere, time } = bench
    await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const commit = doc.commit(large('big'), { parent: 'any' })
    await hold.arrived()
    const other = await elsewhere()
    for (let n = 0; n < 5; n++) await other.label('v1', 'current')
    await hold.release()
    await time.until(commit)
    expect(objects()).toHaveLength(1)
    await intact()
  })

  it('does not trust a head that it came to know while its upload was under way', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold(UPLOADS, { when: 'after' })
    const commit = doc.commit(large('big'), { parent: 'any' })
    await hold.arrived()
    expect((await (await collector()).collect()).deleted).toHaveLength(1)
    expect((await doc.read())?.value).toBe('small') // now this process knows the head with the barrier
    await hold.release()
    await time.until(commit)
    expect((await (await bench.elsewhere()).read())?.value).toBe(large('big'))
    await intact()
  })

  it('whose upload arrives late, after it was uploaded again, used, pruned and collected, leaves only garbage', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('small', { parent: 'none' })
    const hold = faulty.faults.hold(UPLOADS)
    const commit = doc.commit(large('big'), { parent: 'any' })
    await hold.arrived()
    await time.until(commit)
    await doc.commit('next', { parent: 'any' })
    await doc.prune({ keepLast: 1 })
    await doc.collect({ graceMs: -1 })
    expect(objects()).toEqual([])
    await hold.release()
    expect(objects()).toHaveLength(1)
    await intact()
    expect((await doc.collect()).deleted).toHaveLength(1)
    expect(await intact()).toMatchObject({ revisions: 1, unreachable: 0 })
  })
})

describe('a collector', () => {
  it('whose deletes arrive hours later deletes nothing that came into use since', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('small', { parent: 'none' })
    for (const text of ['a', 'b', 'c']) await doc.commit(large(text), { parent: 'any' })
    await doc.prune({ keepLast: 2 })
    const hold = faulty.faults.hold({ ...DELETES, ...ALWAYS })
    const collecting = failure(doc.collect({ graceMs: -1 }))
    await hold.arrived()
    await time.until(collecting)
    expect(await collecting).toMatchObject({ code: 'Timeout' })
    for (const text of ['d', 'e', 'f']) await doc.commit(large(text), { parent: 'any' })
    await doc.rollback('@3')
    await hold.releaseAll()
    expect(await intact()).toMatchObject({ unreachable: 0 })
    expect(await contents(await bench.elsewhere())).toEqual(['b', 'c', 'd', 'e', 'f', 'b'].map(large))
  })

  it('does not delete what was uploaded by somebody who knew its barrier already, however late its listing is answered', async () => {
    const { doc, faulty, elsewhere, time } = bench
    const writing = await elsewhere()
    await writing.commit('small', { parent: 'none' })
    // Held: the listing of the collector, and then the head write of whoever uploads meanwhile.
    const listing = faulty.faults.hold({ operation: 'ListObjectsV2' })
    const collecting = doc.collect()
    await listing.arrived()
    const slow = faultyStore(memoryStore({ bucket: bench.bucket }))
    const writer = await collector(0, slow)
    await writer.read()
    const hold = slow.faults.hold(WRITES)
    const commit = writer.commit(large('slow'), { parent: 'any' })
    await hold.arrived()
    await listing.release()
    await time.until(collecting)
    await hold.release()
    await commit
    expect((await (await elsewhere()).read())?.value).toBe(large('slow'))
    await intact()
  })

  it('that dies between its barrier and its deletes leaves everything to the next', async () => {
    const { doc, faulty } = bench
    for (const text of ['a', 'b', 'c']) await doc.commit(large(text), { parent: 'any' })
    await doc.prune({ keepLast: 1 })
    faulty.faults.add(DELETES, { do: 'status', status: 403, code: 'AccessDenied' })
    expect(await failure(doc.collect({ graceMs: -1 }))).toMatchObject({ code: 'AccessDenied' })
    expect(objects()).toHaveLength(3)
    expect((await doc.collect()).deleted).toHaveLength(2)
    expect(await intact()).toMatchObject({ unreachable: 0 })
  })

  it('beside another one deletes the same', async () => {
    const { doc } = bench
    for (let n = 0; n < 30; n++) await doc.commit(large(`${n}`), { parent: 'any' })
    await doc.prune({ keepLast: 3 })
    const collectors = await Promise.all([bench.elsewhere(), bench.elsewhere(), bench.elsewhere()])
    await Promise.all(collectors.map((one) => one.collect({ graceMs: -1 })))
    expect(await intact()).toMatchObject({ revisions: 3, unreachable: 0 })
  })

  it('keeps what was pruned for its grace period, by the clocks as they are', async () => {
    const { doc } = bench
    for (const text of ['a', 'b', 'c']) await doc.commit(large(text), { parent: 'any' })
    const other = await collector()
    await other.prune({ keepLast: 1 })
    expect(await other.collect()).toMatchObject({ deleted: [], kept: 1, condemned: 2 })
    expect(await (await collector(23 * HOUR)).collect()).toMatchObject({ deleted: [], condemned: 2 })
    expect(await (await collector(-1_000 * HOUR)).collect()).toMatchObject({ deleted: [], condemned: 2 })
    expect((await (await collector(25 * HOUR)).collect()).deleted).toHaveLength(2)
  })

  it('keeps a content as long as one revision shares it', async () => {
    const { doc } = bench
    const first = await doc.commit(large('shared'), { parent: 'none' })
    await doc.commit(large('other'), { parent: 'any' })
    await doc.rollback(first.id)
    await doc.prune({ keepLast: 1 })
    await doc.collect({ graceMs: -1 })
    expect(objects()).toHaveLength(1)
    expect((await doc.read())?.value).toBe(large('shared'))
    await intact()
  })

  it('takes lists of what was condemned that are too long for the head, and the lists themselves', async () => {
    const { doc } = bench
    for (let n = 0; n < 60; n++) await doc.commit(large(`${n}`), { parent: 'any' })
    await doc.prune({ keepLast: 2 })
    const before = objects().length
    const early = await doc.collect()
    expect(early.deleted).toEqual([])
    expect(early.condemned).toBeGreaterThan(58) // contents and segments
    expect(objects()).toHaveLength(before)
    expect(await intact()).toMatchObject({ revisions: 2 })
    await doc.collect({ graceMs: -1 })
    expect(await intact()).toMatchObject({ revisions: 2, unreachable: 0 })
    expect(objects()).toHaveLength(2 + 1) // two contents, and a segment with the write ids
  })

  it('of a deleted document keeps all of it for the grace period, and then nothing; the next revisions are not touched', async () => {
    const { doc } = bench
    for (let n = 0; n < 20; n++) await doc.commit(large(`${n}`), { parent: 'any' })
    await doc.delete()
    expect((await doc.collect()).deleted).toEqual([])
    await doc.commit(large('anew'), { parent: 'none' })
    expect((await doc.collect()).deleted).toEqual([])
    expect((await doc.collect({ graceMs: -1 })).deleted.length).toBeGreaterThanOrEqual(20)
    expect(objects()).toHaveLength(1)
    expect((await doc.read())?.value).toBe(large('anew'))
    expect(await intact()).toMatchObject({ revisions: 1, unreachable: 0 })
  })

  it('of a document that does not exist does nothing', async () => {
    const { doc, counted } = bench
    const { requests } = await counted.count(async () => {
      expect(await doc.collect()).toEqual({ deleted: [], deletedBytes: 0, kept: 0, condemned: 0 })
    })
    expect(requests.filter(({ call }) => call === 'put' || call === 'delete')).toEqual([])
  })

  it('of one document does not see the objects of another', async () => {
    const { doc, store } = bench
    await doc.commit(large('mine'), { parent: 'none' })
    const below = store.document('doc/below', json<string>())
    await below.commit(large('theirs'), { parent: 'none' })
    await doc.delete()
    expect((await doc.collect({ graceMs: -1 })).deleted).toHaveLength(1)
    expect(await below.verify()).toMatchObject({ ok: true, revisions: 1 })
  })
})

describe('a reader of a revision that is being replaced', () => {
  /** A reader that has read the head and is about to read the content; then the content is pruned and collected. */
  async function overtaken(read: (doc: Workbench['doc']) => Promise<unknown>) {
    const { doc, faulty, elsewhere, time } = bench
    const writer = await elsewhere()
    await writer.commit(large('old'), { parent: 'none' })
    const hold = faulty.faults.hold(CONTENT_READS)
    const reading = read(doc)
    reading.catch(() => {})
    await hold.arrived()
    await writer.commit(large('new'), { parent: 'any' })
    await writer.prune({ keepLast: 1 })
    expect((await writer.collect({ graceMs: -1 })).deleted).toHaveLength(1)
    await hold.release()
    await time.until(reading)
    return reading
  }

  it('reads the next one', async () => {
    expect(await overtaken((doc) => doc.read())).toMatchObject({ value: large('new'), number: 2 })
  })

  it('is told NotFound when it asked for that very one, and never Corrupt', async () => {
    expect(await failure(overtaken((doc) => doc.revision('@1')))).toMatchObject({
      code: 'NotFound',
      details: { subject: 'revision' },
    })
  })

  it('updates the next one', async () => {
    expect(await overtaken((doc) => doc.update((now) => now!.slice(0, 3)))).toMatchObject({ value: 'new', number: 3 })
  })

  it('gets to the end of the history that it began to read', async () => {
    const { elsewhere } = bench
    const [reader, writer] = [await elsewhere(), await elsewhere()]
    for (let n = 1; n <= 100; n++) await writer.commit(`${n}`, { parent: 'any' })
    const seen: number[] = []
    for await (const { number } of reader.history()) {
      seen.push(number)
      if (number === 90) {
        await writer.commit('101', { parent: 'any' })
        await writer.prune({ keepLast: 61 })
        await writer.collect({ graceMs: -1 })
      }
    }
    expect(seen.slice(0, 11)).toEqual([100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 90])
    expect(seen).toEqual([...seen].sort((a, b) => b - a))
    expect(seen.at(-1)).toBe(41)
  })
})
