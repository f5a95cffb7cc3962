import { beforeEach, describe, expect, it } from 'vitest'
import {
  ALWAYS,
  contents,
  failure,
  HEAD,
  READS,
  UPLOADS,
  type Workbench,
  WRITES,
  watch,
  workbench,
} from './workbench.ts'

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
})

const puts = (requests: readonly { call: string; key: string }[]) =>
  requests.filter(({ call, key }) => call === 'put' && key === HEAD).length
const range = (count: number) => Array.from({ length: count }, (_, n) => n)

describe('callers of one process', () => {
  it('share writes: 60 updates take one, each on the result of the one before', async () => {
    const { doc, counted } = bench
    await doc.commit('', { parent: 'none' })
    const { requests } = await counted.count(async () => {
      const results = await Promise.all(range(60).map((n) => doc.update((now) => `${now}<${n}>`)))
      expect(results.map(({ number }) => number)).toEqual(range(60).map((n) => n + 2))
    })
    expect(puts(requests)).toBe(1)
    expect((await doc.read())?.value).toBe(
      range(60)
        .map((n) => `<${n}>`)
        .join(''),
    )
  })

  it('share the write that creates the document', async () => {
    const { doc, counted } = bench
    const { requests } = await counted.count(() =>
      Promise.all(range(40).map((n) => doc.commit(`${n}`, { parent: 'any' }))),
    )
    expect(puts(requests)).toBe(1)
    expect(await contents(doc)).toEqual(range(40).map(String))
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 40, problems: [] })
  })

  it('wait for the write that is under way, and share the next', async () => {
    const { doc, counted, faulty } = bench
    await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const { requests } = await counted.count(async () => {
      const first = doc.commit('1', { parent: 'any' })
      await hold.arrived()
      const later = range(20).map((n) => doc.commit(`${n + 2}`, { parent: 'any' }))
      await hold.release()
      await Promise.all([first, ...later])
    })
    expect(puts(requests)).toBe(2)
    expect(await contents(doc)).toEqual(range(22).map(String))
  })

  it('are at most 64, or 24 KiB, to a write', async () => {
    const { doc, counted } = bench
    await doc.commit('', { parent: 'none' })
    const many = await counted.count(() => Promise.all(range(65).map(() => doc.update((now) => `${now}.`))))
    expect(puts(many.requests)).toBe(2)
    const big = await counted.count(() =>
      Promise.all(range(8).map((n) => doc.commit(String(n).repeat(6_000), { parent: 'any' }))),
    )
    expect(puts(big.requests)).toBe(3) // three of 6,400 bytes each, and the last two
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 74 })
  })

  it('upload side by side what is too large for the head', async () => {
    const { doc, counted } = bench
    await doc.commit('', { parent: 'none' })
    const { requests, sequential } = await counted.count(() =>
      Promise.all(range(10).map((n) => doc.commit(String(n).repeat(20_000), { parent: 'any' }))),
    )
    expect(requests.filter(({ key }) => key.startsWith('objects/'))).toHaveLength(10)
    expect(sequential).toBeLessThanOrEqual(3)
  })

  it('do not fail with the one that throws, whose steps are left out', async () => {
    const { doc } = bench
    await doc.commit('0', { parent: 'none' })
    const boom = new Error('boom')
    const results = await Promise.allSettled([
      doc.update((now) => `${now}1`),
      doc.update(() => {
        throw boom
      }),
      doc.update((now) => `${now}2`),
      doc.label('not a label', 'current'),
      doc.update((now) => `${now}3`),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: boom })
    expect((await doc.read())?.value).toBe('0123')
    expect(await contents(doc)).toHaveLength(4)
  })

  it('are each told what they did, and what that replaced', async () => {
    const { doc } = bench
    const base = await doc.commit('0', { parent: 'none' })
    const [one, two] = await Promise.all([doc.commit('1', { parent: 'any' }), doc.commit('2', { parent: 'any' })])
    expect(one).toMatchObject({ number: 2, current: false, parent: base.id, replaced: { id: base.id } })
    expect(two).toMatchObject({ number: 3, current: true, parent: one.id, replaced: { id: one.id } })
    expect(await failure(doc.commit('x', { parent: one }))).toMatchObject({ code: 'Conflict' })
    expect(await doc.commit('3', { parent: two })).toMatchObject({ number: 4 })
  })
})

describe('a refusal', () => {
  it('waits until the write has landed that it was judged against', async () => {
    const { doc, faulty } = bench
    const base = await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const first = watch(doc.commit('1', { parent: base }))
    const second = watch(doc.commit('2', { parent: base }))
    await hold.arrived()
    expect([first.state, second.state]).toEqual(['pending', 'pending'])
    await hold.release()
    await bench.time.advance(0)
    expect([first.state, second.state]).toEqual(['ok', 'Conflict'])
  })

  it('is none when that write is refused: the call is judged again, and may succeed', async () => {
    const { doc, faulty } = bench
    const base = await doc.commit('0', { parent: 'none' })
    faulty.faults.add(WRITES, { do: 'status', status: 403, code: 'AccessDenied' })
    const [removed, committed] = await Promise.allSettled([doc.delete(), doc.commit('1', { parent: base })])
    expect(removed).toMatchObject({ status: 'rejected', reason: { code: 'AccessDenied' } })
    expect(committed).toMatchObject({ status: 'fulfilled', value: { number: 2 } })
    expect(await contents(doc)).toEqual(['0', '1'])
  })

  it('is none when what that write becomes is unknown: the call is judged by what is there', async () => {
    const { doc, faulty, time } = bench
    const base = await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES, { when: 'after' })
    const first = failure(doc.commit('1', { parent: base }))
    const second = failure(doc.commit('2', { parent: base }))
    await hold.arrived()
    faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'status', status: 500, code: 'InternalError' })
    await hold.drop()
    await time.until(first)
    expect(await first).toMatchObject({ code: 'OutcomeUnknown' })
    faulty.faults.clear()
    await time.until(second)
    expect(await second).toMatchObject({ code: 'Conflict' })
    expect(await contents(doc)).toEqual(['0', '1'])
  })

  it('is given only from a head that was read after the call began', async () => {
    const { doc, counted, elsewhere } = bench
    const first = await doc.commit('0', { parent: 'none' })
    const other = await elsewhere()
    const second = await other.commit('1', { parent: 'any', label: 'theirs' })
    // This process still believes that `first` is current, and that there is no such label.
    expect(await doc.commit('2', { parent: second.id })).toMatchObject({ number: 3 })
    await other.label('more', 'current')
    await doc.unlabel('more')
    await other.delete()
    expect(await doc.commit('3', { parent: 'none' })).toMatchObject({ number: 4 })
    const refused = await counted.count(() => failure(doc.commit('x', { parent: first })))
    expect(refused.requests.map(({ call, outcome }) => `${call} ${outcome}`)).toEqual(['get unchanged'])
    const absent = await counted.count(() => failure(doc.unlabel('theirs')))
    expect(absent.requests.map(({ call, outcome }) => `${call} ${outcome}`)).toEqual(['get unchanged'])
  })

  it('says what is current instead', async () => {
    const { doc, elsewhere } = bench
    const first = await doc.commit('0', { parent: 'none' })
    const theirs = await (await elsewhere()).commit('1', { parent: 'any', by: 'somebody else' })
    const refused = failure(doc.commit('2', { parent: first }))
    await bench.time.until(refused)
    const error = await refused
    expect(error).toMatchObject({
      code: 'Conflict',
      retry: 'after-refresh',
      details: { current: theirs.id, by: 'somebody else', at: theirs.at },
    })
    expect(error.message).toContain('somebody else')
    expect(error.hint).toBeDefined()
  })
})

describe('a caller that gives up', () => {
  it('leaves the queue at once, and nothing is done for it', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const first = doc.commit('1', { parent: 'any' })
    await hold.arrived()
    const controller = new AbortController()
    const waiting = doc.commit('2', { parent: 'any', signal: controller.signal })
    const seen = watch(waiting)
    await time.advance(0)
    controller.abort()
    await time.advance(0)
    expect(seen.state).toBe('Aborted')
    expect(await failure(waiting)).toMatchObject({ details: { notExecuted: true } })
    await hold.release()
    await first
    expect(await contents(doc)).toEqual(['0', '1'])
  })

  it('does not take along the others that share its write, and gets the verdict if it comes within 5 s', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold(WRITES)
    const controller = new AbortController()
    const mine = doc.commit('1', { parent: 'any', signal: controller.signal })
    const theirs = doc.commit('2', { parent: 'any' })
    await hold.arrived()
    controller.abort()
    await time.advance(4_000)
    await hold.release()
    expect(await mine).toMatchObject({ number: 2 })
    expect(await theirs).toMatchObject({ number: 3 })
  })

  it('learns after 5 s that the outcome of the shared write is unknown, and which write that is', async () => {
    const { doc, faulty, time } = bench
    await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold({ ...WRITES, ...ALWAYS })
    const controller = new AbortController()
    const mine = failure(doc.commit('1', { parent: 'any', signal: controller.signal }))
    const theirs = doc.commit('2', { parent: 'any' })
    await hold.arrived()
    controller.abort()
    expect(await time.until(mine)).toBe(5_000)
    const error = await mine
    expect(error.code).toBe('OutcomeUnknown')
    await hold.release()
    expect(await theirs).toMatchObject({ number: 3 })
    expect(await doc.outcome((error as { details: { write?: string } }).details.write ?? '')).toBe('landed')
  })

  it('is told of no write that its change is not in: who was refused because of what is written gave up nothing else', async () => {
    const { doc, faulty, time } = bench
    const base = await doc.commit('0', { parent: 'none' })
    const hold = faulty.faults.hold({ ...WRITES, ...ALWAYS })
    const controller = new AbortController()
    const theirs = doc.commit('1', { parent: base })
    const mine = failure(doc.commit('2', { parent: base, signal: controller.signal }))
    await hold.arrived()
    controller.abort()
    expect(await time.until(mine)).toBe(5_000)
    const { code, details } = await mine
    expect({ code, details }).toEqual({ code: 'Aborted', details: {} })
    await hold.release()
    await theirs
    expect(await contents(doc)).toEqual(['0', '1'])
  })

  it('is told that nothing was written only if its change is in no write that follows', async () => {
    const { doc, faulty, time } = bench
    for (let n = 1; n <= 17; n++) await doc.commit(`${n}`, { parent: 'any' }) // the next one spills
    const upload = faulty.faults.hold(UPLOADS)
    const controller = new AbortController()
    const mine = failure(doc.commit('mine', { parent: 'any', signal: controller.signal }))
    const theirs = doc.commit('theirs', { parent: 'any' })
    await upload.arrived()
    controller.abort()
    expect(await time.until(mine)).toBe(5_000)
    expect(await mine).toMatchObject({ code: 'Aborted' })
    await upload.release()
    expect(await theirs).toMatchObject({ number: 18 })
    expect(await contents(doc)).not.toContain('mine')
    expect(await doc.verify()).toMatchObject({ ok: true })
  })

  it('before it began is told that nothing was sent', async () => {
    const { doc, counted } = bench
    await doc.commit('0', { parent: 'none' })
    const signal = AbortSignal.abort()
    const { total } = await counted.count(async () => {
      for (const work of [
        doc.commit('1', { parent: 'any', signal }),
        doc.commit('1'.repeat(20_000), { parent: 'any', signal }),
        doc.update(() => '1', { signal }),
        doc.unlabel('x', { signal }),
        doc.delete({ signal }),
        doc.read({ signal }),
        doc.collect({ signal }),
        doc.prune({ keepLast: 1 }, { signal }),
      ])
        expect(await failure(work)).toMatchObject({ code: 'Aborted', details: { notExecuted: true } })
    })
    expect(total).toBe(0)
  })
})

describe('many writers', () => {
  it('each get their turn, and no update is lost or done twice', async () => {
    const processes = await Promise.all(range(6).map(() => bench.elsewhere()))
    await processes[0]!.commit('', { parent: 'none' })
    await Promise.all(
      processes.map(async (doc, process) => {
        for (let n = 0; n < 15; n++) await doc.update((now) => `${now}<${process}.${n}>`)
      }),
    )
    const value = (await processes[0]!.read())!.value
    for (const process of range(6)) {
      const own = [...value.matchAll(/<(\d+)\.(\d+)>/g)].filter(([, who]) => Number(who) === process)
      expect(own.map(([, , n]) => Number(n))).toEqual(range(15))
    }
    expect(value.match(/</g)).toHaveLength(90)
  })
})
