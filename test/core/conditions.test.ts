import { beforeEach, describe, expect, it } from 'vitest'
import type { RevisionInfo } from '../../src/index.ts'
import { contents, failure, type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
})

describe('a commit on the revision that was read', () => {
  it('goes on after maintenance by others: labels, prune, collect, added revisions', async () => {
    const { elsewhere } = bench
    const [mine, theirs] = [await elsewhere(), await elsewhere()]
    for (let n = 0; n < 3; n++) await mine.commit(`${n}`, { parent: 'any' })
    const parent = (await mine.read())!
    await theirs.label('v1', 'current')
    await theirs.add('beside it')
    await theirs.prune({ keepLast: 1 })
    await theirs.collect({ graceMs: -1 })
    expect(await mine.commit('next', { parent })).toMatchObject({ number: 5, parent: parent.id })
  })

  it('is refused when current was moved away and back in between, unless only the id was asked for', async () => {
    const { elsewhere } = bench
    const [mine, theirs] = [await elsewhere(), await elsewhere()]
    await mine.commit('1', { parent: 'none' })
    const parent = await mine.commit('2', { parent: 'any' })
    await theirs.setCurrent('@1')
    await theirs.setCurrent('@2')
    expect((await mine.read())!.id).toBe(parent.id)
    const error = await failure(mine.commit('3', { parent }))
    expect(error).toMatchObject({ code: 'Conflict', details: { current: parent.id } })
    expect(error.message).toContain('left in between')
    expect(await mine.commit('3', { parent: parent.id })).toMatchObject({ number: 3 })
  })

  it('is refused when another revision was rolled back to, which is a new one', async () => {
    const { elsewhere } = bench
    const [mine, theirs] = [await elsewhere(), await elsewhere()]
    const parent = await mine.commit('1', { parent: 'none' })
    await theirs.rollback('@1')
    expect(await failure(mine.commit('2', { parent }))).toMatchObject({ code: 'Conflict' })
  })

  it('takes what any call has answered as the revision: commit, update, rollback, label, info, history, status, setCurrent', async () => {
    const doc = await bench.elsewhere()
    const answers: (() => Promise<RevisionInfo>)[] = [
      () => doc.commit('a', { parent: 'any' }),
      () => doc.update(() => 'b'),
      () => doc.rollback('@1'),
      () => doc.label('v1', 'current'),
      () => doc.info('current'),
      async () => (await doc.history({ limit: 1 }).next()).value!,
      async () => (await doc.status()).current!,
      () => doc.setCurrent('@1'),
      async () => (await doc.read())!,
    ]
    for (const answer of answers) {
      const parent = await answer()
      expect(await doc.commit('next', { parent })).toMatchObject({ parent: parent.id })
    }
  })
})

describe("a commit with parent 'none'", () => {
  it('creates, once', async () => {
    const { elsewhere } = bench
    const processes = await Promise.all(Array.from({ length: 8 }, () => elsewhere()))
    const results = await Promise.allSettled(processes.map((doc, n) => doc.commit(`${n}`, { parent: 'none' })))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'Conflict' })
    }
    expect(await contents(processes[0]!)).toHaveLength(1)
  })

  it('goes on counting after the document was deleted: numbers and ids are never used again', async () => {
    const doc = await bench.elsewhere()
    const last = await doc.commit('1', { parent: 'none' })
    await doc.label('v1', 'current')
    await doc.delete({ message: 'gone', by: 'me' })
    expect(await doc.read()).toBeUndefined()
    expect(await contents(doc)).toEqual([])
    expect(await doc.labels()).toEqual({})
    expect(await doc.status()).toMatchObject({
      hasCurrent: false,
      tombstone: { by: 'me', message: 'gone' },
      lastNumber: 1,
    })
    for (const reference of ['current', '@1', 'v1', last.id]) {
      expect(await failure(doc.info(reference))).toMatchObject({ code: 'NotFound', details: { subject: 'document' } })
    }
    expect(await failure(doc.commit('2', { parent: last }))).toMatchObject({ code: 'Conflict' })
    expect(await failure(doc.delete())).toMatchObject({ code: 'NotFound', details: { subject: 'document' } })
    const anew = await doc.commit('2', { parent: 'none' })
    expect(anew).toMatchObject({ number: 2, seq: 4 })
    expect(anew).not.toHaveProperty('parent')
    expect(anew.id > last.id).toBe(true)
    expect(await doc.status()).not.toHaveProperty('tombstone')
  })

  it('is what a document needs that has revisions of which none is current', async () => {
    const doc = await bench.elsewhere()
    await doc.add('prepared')
    expect(await doc.read()).toBeUndefined()
    expect(await failure(doc.info('current'))).toMatchObject({ code: 'NotFound', details: { subject: 'revision' } })
    expect(await doc.setCurrent('@1', { parent: 'none' })).toMatchObject({ number: 1, current: true })
    expect(await failure(doc.commit('x', { parent: 'none' }))).toMatchObject({ code: 'Conflict' })
  })
})

describe('a condition that says nothing', () => {
  it.each([undefined, null, '', {}, { id: 'x' }, { id: 'x', seenSeq: '1' }, 7])(
    '%j is refused before anything is sent',
    async (parent) => {
      const { doc, counted } = bench
      const { total } = await counted.count(async () => {
        expect(await failure(doc.commit('x', { parent: parent as never }))).toMatchObject({ code: 'InvalidInput' })
      })
      expect(total).toBe(0)
    },
  )
})

describe('what is said about a change', () => {
  it.each([
    [{ message: 'x'.repeat(1_025) }, 'message'],
    [{ message: 'é'.repeat(513) }, 'message'],
    [{ message: '\ud800' }, 'message'],
    [{ by: 'x'.repeat(257) }, 'by'],
    [{ type: '' }, 'type'],
    [{ type: 'x'.repeat(129) }, 'type'],
    [{ label: 'current' }, 'label'],
    [{ message: 7 as never }, 'message'],
  ])('%j is refused before anything is sent', async (options, word) => {
    const { doc, counted } = bench
    const { total } = await counted.count(async () => {
      for (const work of [
        doc.commit('x', { parent: 'any', ...options }),
        doc.update(() => 'x', options),
        doc.add('x', options),
        doc.rollback('@1', options),
        doc.delete(options),
      ]) {
        const error = await failure(work)
        expect(error).toMatchObject({ code: 'InvalidInput' })
        expect(error.message).toContain(word)
      }
    })
    expect(total).toBe(0)
  })

  it('is kept as it was said', async () => {
    const doc = await bench.elsewhere()
    const said = { message: 'm\n"é😀'.repeat(30), by: '\u0000 <x>', label: 'v1', type: 'text/x' }
    const made = await doc.commit('x', { parent: 'none', ...said })
    expect(made).toMatchObject({ message: said.message, by: said.by, labels: ['v1'], type: 'text/x' })
    const { value: _, ...info } = (await doc.read())!
    expect(info).toEqual(await doc.info('v1'))
  })
})

describe('the current revision', () => {
  it('never says until when it was current', async () => {
    const doc = await bench.elsewhere()
    for (let n = 1; n <= 40; n++) await doc.commit(`${n}`, { parent: 'any' })
    for (const reference of ['@39', '@2', '@40']) {
      expect(await doc.setCurrent(reference)).not.toHaveProperty('until')
      expect(await doc.read()).not.toHaveProperty('until')
      for await (const info of doc.history()) expect(info.until === undefined, info.id).toBe(info.current)
    }
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 40 })
  })
})
