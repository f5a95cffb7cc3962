import { beforeEach, describe, expect, it } from 'vitest'
import { json, KeelstateError, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { ALWAYS, failure, STORE_ID, type Workbench, WRITES, workbench } from './workbench.ts'

let bench: Workbench
beforeEach(async () => {
  bench = await workbench()
})

const outcome = (work: Promise<{ value: string }>): Promise<string> =>
  work.then(
    ({ value }) => value,
    (error: KeelstateError) => error.code,
  )
const reopen = (now: string | undefined): string => {
  if (now === 'closed') throw new KeelstateError('AlreadyExists', { message: 'It is closed.' })
  return `${now}!`
}

describe('what the function of an update throws', () => {
  it('counts only on a head that was read after the call began', async () => {
    await bench.doc.commit('open', { parent: 'none' })
    await bench.doc.commit('closed', { parent: 'any' })
    await (await bench.elsewhere()).commit('open again', { parent: 'any' })
    expect(await outcome(bench.doc.update(reopen))).toBe('open again!')
  })

  it('does not count when it followed from a change of another caller that was then refused', async () => {
    await bench.doc.commit('open', { parent: 'none' })
    bench.faulty.faults.add({ ...WRITES }, { do: 'status', status: 403, code: 'AccessDenied' })
    const closing = outcome(bench.doc.update(() => 'closed'))
    const opening = outcome(bench.doc.update(reopen))
    expect(await closing).toBe('AccessDenied')
    expect(await opening).toBe('open!')
  })
})

describe('a call whose time is up before anything was sent', () => {
  it('says that nothing was written, not that nobody knows', async () => {
    const { doc, time, faulty } = bench
    await doc.commit('1', { parent: 'none' })
    faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'delay-before', ms: 20 })
    const work = doc.update(async () => {
      await time.sleep(61_000)
      return '2'
    })
    const error = failure(work)
    await time.until(error)
    expect(await error).toMatchObject({ code: 'Timeout', details: { notExecuted: true } })
  })
})

describe('callers that share a write', () => {
  it('do not fail because the content that one of them needs is lost', async () => {
    const { doc, faulty, bucket } = bench
    const first = await doc.commit('a'.repeat(20_000), { parent: 'none' })
    await doc.commit('small', { parent: 'any' })
    const options = { store: faulty, keys: 'plaintext', storeId: STORE_ID, memory: false, cacheBytes: 0 } as const
    const fresh = (await openStore(options)).document('doc', json<string>())
    await fresh.read()
    const store = memoryStore({ bucket })
    await store.delete((await store.list('objects/')).objects.map(({ key }) => key))
    const hold = faulty.faults.hold(WRITES)
    const held = fresh.commit('first', { parent: 'any' })
    await hold.arrived()
    const lost = outcome(fresh.rollback(first.id))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const unrelated = outcome(fresh.commit('unrelated', { parent: 'any' }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await hold.release()
    await held
    expect(await lost).toBe('Corrupt')
    expect(await unrelated).toBe('unrelated')
  })

  it('may create a document and delete it', async () => {
    const created = outcome(bench.doc.update(() => '1'))
    await bench.doc.delete()
    expect(await created).toBe('1')
    expect(await bench.doc.read()).toBeUndefined()
  })

  it('are not held up by one whose signal is none', async () => {
    await bench.doc.commit('1', { parent: 'none' })
    const wrong = bench.doc.commit('2', { parent: 'any', signal: {} as AbortSignal })
    expect(await failure(wrong)).toMatchObject({ code: 'InvalidInput' })
    expect(await outcome(bench.doc.commit('3', { parent: 'any' }))).toBe('3')
  })
})

describe('the loser of a race to create a document', () => {
  it('learns that it has none of the keys, and that nothing of its own was written', async () => {
    const bucket = new MemoryBucket()
    const open = async (fill: number) => {
      process.env[`FAIR_KEY_${fill}`] = Buffer.alloc(32, fill).toString('base64')
      const store = memoryStore({ bucket })
      return (await openStore({ store, keys: `env:FAIR_KEY_${fill}`, storeId: STORE_ID })).document(
        'doc',
        json<string>(),
      )
    }
    const [winner, loser] = [await open(1), await open(2)]
    await loser.read()
    await winner.commit('1', { parent: 'none' })
    expect(await failure(loser.commit('2', { parent: 'none' }))).toMatchObject({ code: 'DecryptFailed' })
  })
})

describe('history', () => {
  it('says when a revision was left last, also after its record was stored', async () => {
    const { doc, time } = bench
    const untilOf = async (id: string) => {
      for await (const revision of doc.history()) if (revision.id === id) return revision.until
      return undefined
    }
    const added = await doc.add('x')
    for (let n = 0; n < 21; n++) await doc.commit(`${n}`, { parent: 'any' })
    await time.advance(1000)
    await doc.setCurrent(added.id)
    await time.advance(1000)
    await doc.commit('after', { parent: 'any' })
    const before = await untilOf(added.id)
    for (let n = 0; n < 20; n++) await doc.commit(`${n}`, { parent: 'any' })
    expect(before).toBeDefined()
    expect(await untilOf(added.id)).toBe(before)
  })

  it('takes as long as its consumer does', async () => {
    const { doc, time } = bench
    for (let n = 0; n < 60; n++) await doc.commit(`${n}`, { parent: 'any' })
    let seen = 0
    for await (const _ of doc.history()) {
      seen++
      await time.advance(2_000)
    }
    expect(seen).toBe(60)
  })
})
