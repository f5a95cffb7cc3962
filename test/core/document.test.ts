import { describe, expect, it } from 'vitest'
import { json, KeelstateError, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'

async function open() {
  return await openStore({ store: memoryStore(), keys: 'plaintext', by: 'tester' })
}

describe('a versioned document', () => {
  it('commits, reads back, updates, lists its history, and rolls back', async () => {
    const store = await open()
    const settings = store.document('shop/settings', json<{ region: string; replicas: number }>())
    expect(await settings.read()).toBeUndefined()
    const first = await settings.commit({ region: 'eu', replicas: 1 }, { parent: 'none', message: 'first' })
    const second = await settings.commit({ ...first.value, replicas: 2 }, { parent: first })
    expect(second.parent).toBe(first.id)
    await expect(settings.commit({ region: 'x', replicas: 0 }, { parent: first })).rejects.toMatchObject({
      code: 'Conflict',
    })
    await settings.update((now) => ({ ...now!, region: 'us' }), { message: 'move' })
    const current = await settings.read()
    expect(current?.value).toEqual({ region: 'us', replicas: 2 })
    expect(current?.number).toBe(3)
    const back = await settings.rollback(second.id, { message: 'the move was wrong' })
    expect(back.value).toEqual({ region: 'eu', replicas: 2 })
    expect(back.from).toBe(second.id)
    const seen = []
    for await (const revision of settings.history()) seen.push(revision.number)
    expect(seen).toEqual([4, 3, 2, 1])
    expect((await settings.revision('current~1')).value.region).toBe('us')
    expect(KeelstateError.is(await settings.revision('@9').catch((e) => e), 'NotFound')).toBe(true)
    expect(await settings.verify()).toMatchObject({ ok: true, revisions: 4, unreachable: 0 })
  })

  it('keeps every revision of a long history within reach, and prunes and collects what a policy drops', async () => {
    const store = await open()
    const doc = store.document('long', json<{ n: number; pad: string }>())
    const commits = 600
    for (let n = 1; n <= commits; n++) await doc.commit({ n, pad: 'x'.repeat(50) }, { parent: 'any' })
    expect((await doc.revision('@1')).value.n).toBe(1)
    expect((await doc.revision('@300')).value.n).toBe(300)
    const numbers = []
    for await (const revision of doc.history()) numbers.push(revision.number)
    expect(numbers).toEqual(Array.from({ length: commits }, (_, at) => commits - at))
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: commits })

    expect((await doc.prune({ keepLast: 30, dryRun: true })).dropped).toHaveLength(commits - 30)
    expect((await doc.prune({ keepLast: 30 })).kept).toBe(30)
    expect((await doc.collect()).deleted).toEqual([])
    expect((await doc.collect({ dryRun: true, graceMs: -1 })).deleted.length).toBeGreaterThan(20)
    expect((await doc.collect({ graceMs: -1 })).deleted.length).toBeGreaterThan(20)
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 30, unreachable: 0 })
    expect(await doc.revision('@600')).toMatchObject({ current: true, value: { n: 600 } })
  })
})
