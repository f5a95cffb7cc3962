import { beforeEach, describe, expect, it } from 'vitest'
import { failure, type Workbench, workbench } from './workbench.ts'

const LARGE = 20_000

let bench: Workbench
let objects: { segments: string[]; contents: string[] }

/** 40 small revisions, of which the oldest stand in segments, and a large one that is current. */
beforeEach(async () => {
  bench = await workbench()
  const { doc, bucket } = bench
  for (let n = 1; n <= 40; n++) await doc.commit(`${n}`, { parent: 'any' })
  const segments = bucket.keys().filter((key) => key.startsWith('objects/'))
  await doc.commit('x'.repeat(LARGE), { parent: 'any' })
  const contents = bucket.keys().filter((key) => key.startsWith('objects/') && !segments.includes(key))
  objects = { segments, contents }
  expect(segments).toHaveLength(2)
  expect(contents).toHaveLength(1)
})

describe('an object that the head refers to and that is not there', () => {
  it('is Corrupt to whoever needs it, and nobody writes on without it', async () => {
    const { bucket, elsewhere } = bench
    for (const key of objects.segments) bucket.remove(key)
    const doc = await elsewhere()
    const before = bucket.peek('heads/state/doc/~')
    const works = {
      'revision @1': () => doc.revision('@1'),
      'revision by id': () => doc.revision('01ARZ3NDEKTSV4RRFFQ69G5FAV~1').catch(() => doc.info('@2')),
      info: () => doc.info('@1'),
      diff: () => doc.diff('@1', 'current'),
      label: () => doc.label('v1', '@1'),
      rollback: () => doc.rollback('@1'),
      setCurrent: () => doc.setCurrent('@1'),
      prune: () => doc.prune({ keepLast: 1 }),
      'prune, asking': () => doc.prune({ keepLast: 1, dryRun: true }),
      drop: () => doc.drop(['x']),
      history: async () => {
        for await (const _ of doc.history());
      },
    }
    for (const [name, work] of Object.entries(works)) {
      const error = await failure(work())
      expect(error, name).toMatchObject({ code: 'Corrupt' })
      expect(error.message, name).toContain('missing although the head refers to it')
    }
    expect(bucket.peek('heads/state/doc/~')).toBe(before)
    expect((await doc.read())?.value).toHaveLength(LARGE)
    expect(await doc.commit('goes on', { parent: 'any' })).toMatchObject({ number: 42 })
  })

  it('is Corrupt to a collector, which deletes nothing then', async () => {
    const { bucket, doc } = bench
    bucket.overwrite(objects.contents[0]!.replace(/\w+$/, 'dead'.repeat(8)), Buffer.from('garbage'))
    bucket.remove(objects.segments[0]!)
    const left = bucket.keys().length
    const collecting = await bench.elsewhere()
    expect(await failure(collecting.collect())).toMatchObject({ code: 'Corrupt' })
    expect(await failure(collecting.collect({ dryRun: true }))).toMatchObject({ code: 'Corrupt' })
    expect(bucket.keys()).toHaveLength(left)
    expect(await doc.read()).toBeDefined()
  })

  it('is Corrupt when it is the content of the current revision, also to an update', async () => {
    const { bucket, elsewhere } = bench
    bucket.remove(objects.contents[0]!)
    const doc = await elsewhere()
    expect(await failure(doc.read())).toMatchObject({ code: 'Corrupt', key: objects.contents[0] })
    expect(await failure(doc.revision('current'))).toMatchObject({ code: 'Corrupt' })
    expect(await failure(doc.update((now) => `${now}!`))).toMatchObject({ code: 'Corrupt' })
    expect((await doc.revision('@40')).value).toBe('40')
    expect(await doc.rollback('@40')).toMatchObject({ value: '40' })
  })

  it('is listed by verify with its key', async () => {
    const { bucket, elsewhere } = bench
    bucket.remove(objects.contents[0]!)
    const doc = await elsewhere()
    const report = await doc.verify()
    expect(report.ok).toBe(false)
    expect(report.problems).toEqual([
      { key: objects.contents[0], code: 'Corrupt', message: expect.stringContaining('missing') },
    ])
  })

  it('does not keep verify from reading the rest', async () => {
    const { bucket, elsewhere } = bench
    bucket.remove(objects.segments[0]!)
    bucket.overwrite(objects.contents[0]!, Buffer.from('something else'))
    const doc = await elsewhere()
    const report = await doc.verify()
    expect(report.problems.map(({ key }) => key.split(' ')[0]).sort()).toEqual(
      [objects.segments[0], objects.contents[0]].sort(),
    )
    expect(report.revisions).toBe(41 - 17 - 1)
  })
})
