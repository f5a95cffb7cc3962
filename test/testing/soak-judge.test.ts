import { describe, expect, it } from 'vitest'
import { json, openStore, type Store } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { judgeDocument, judgeHandOvers, judgeMemory } from '../engines/soak-judge.ts'
import { contentOf, HANDED, KEPT, PRUNED, type SoakAttempt, type Value } from '../engines/soak-script.ts'

/** A store in which so many changes of a document were made, and what their callers were told. */
async function worked(name: string): Promise<{ store: Store; attempts: SoakAttempt[] }> {
  const store = await openStore({
    store: memoryStore({ bucket: new MemoryBucket() }),
    keys: 'plaintext',
    memory: false,
  })
  await store.init()
  const document = store.document(name, json<Value>())
  const attempts: SoakAttempt[] = []
  const note = (what: string, at: number, rest: Partial<SoakAttempt>) =>
    attempts.push({
      document: name,
      actor: 'p1',
      what,
      mark: `p1.${at}`,
      change: true,
      invoked: at,
      answered: at + 0.5,
      outcome: 'ok',
      ...rest,
    })
  for (let at = 1; at <= 4; at++) {
    const mark = `p1.${at}`
    const { number } = await document.update((now) => ({ counter: (now?.counter ?? 0) + 1, mark, pad: '' }), {
      message: mark,
    })
    note('update', at, { number })
  }
  const read = await document.read()
  note('current', 5, { change: false, number: read!.number, value: contentOf(read!.value) })
  return { store, attempts }
}

/** The same attempts, one of them changed. */
function changed(attempts: readonly SoakAttempt[], mark: string, change: Partial<SoakAttempt>): SoakAttempt[] {
  return attempts.map((one) => (one.mark === mark ? { ...one, ...change } : one))
}

describe('the judge of a soak', () => {
  it.each([`${KEPT}/0`, `${PRUNED}/0`, HANDED])(
    'agrees with what happened to %s, and counts what was acknowledged',
    async (name) => {
      const { store, attempts } = await worked(name)
      expect(await judgeDocument(store, name, attempts)).toBe(4)
    },
  )

  it.each<[what: string, mark: string, change: Partial<SoakAttempt>, says: RegExp]>([
    ['an acknowledged change that is not there', 'p1.2', { mark: 'p1.lost' }, /acknowledged and is not in the history/],
    ['a refused change that is there', 'p1.2', { outcome: 'Conflict' }, /refused with Conflict and is @2/],
    ['a change under another number than its caller was told', 'p1.2', { number: 3 }, /acknowledged as @3 and is @2/],
    [
      'an order that is not that of time',
      'p1.4',
      { invoked: 0, answered: 0.5 },
      /began after p1\.4 @4 was acknowledged/,
    ],
    ['a read that goes back', 'p1.5', { number: 1 }, /brought @1 after @4 was acknowledged/],
    ['a read of what nobody had written yet', 'p1.5', { invoked: 0, answered: 0.5 }, /before anybody wrote it/],
    ['an end that no failing network excuses', 'p1.3', { outcome: 'RolledBack' }, /RolledBack/],
  ])('finds %s', async (_, mark, change, says) => {
    const { store, attempts } = await worked(`${KEPT}/0`)
    await expect(judgeDocument(store, `${KEPT}/0`, changed(attempts, mark, change))).rejects.toThrow(says)
  })

  it('finds a change that was made on a value that was not the one before', async () => {
    const { store, attempts } = await worked(`${KEPT}/0`)
    const value = { counter: 4, mark: 'p1.6', pad: '' } // there have been four
    const { number } = await store
      .document(`${KEPT}/0`, json<Value>())
      .commit(value, { parent: 'any', message: 'p1.6' })
    const lost = { ...attempts[0]!, mark: 'p1.6', invoked: 6, answered: 6.5, number }
    await expect(judgeDocument(store, `${KEPT}/0`, [...attempts, lost])).rejects.toThrow(/a change was lost or doubled/)
  })

  it.each<[what: string, change: Partial<SoakAttempt>, says: RegExp]>([
    ['a number that was given twice', { number: 3 }, /every number once/],
    ['that the newest acknowledged change is gone', { number: 9 }, /p1\.4 was acknowledged and is gone/],
  ])('finds, where most is pruned, %s', async (_, change, says) => {
    const { store, attempts } = await worked(`${PRUNED}/0`)
    await expect(judgeDocument(store, `${PRUNED}/0`, changed(attempts, 'p1.4', change))).rejects.toThrow(says)
  })

  it('finds a lock that one process gets far more often than another', async () => {
    const { attempts } = await worked(HANDED)
    const turns = (p1: number, p2: number) => [
      ...Array.from({ length: p1 }, () => attempts[0]!),
      ...Array.from({ length: p2 }, () => ({ ...attempts[0]!, actor: 'p2' })),
    ]
    expect(judgeHandOvers(turns(30, 12), ['p1', 'p2'])).toEqual([30, 12])
    expect(() => judgeHandOvers(turns(30, 8), ['p1', 'p2'])).toThrow(/turns of each process: .*"turns":30,.*"turns":8,/)
    expect(() => judgeHandOvers(turns(2, 0), ['p1', 'p2'])).toThrow(/turns of each process: .*"turns":2,.*"turns":0,/)
  })

  it('holds nobody’s failing network against the lock, and no wait for it in its favour', async () => {
    const { attempts } = await worked(HANDED)
    const turn = (actor: string, at: number): SoakAttempt => ({ ...attempts[0]!, actor, invoked: at, answered: at + 1 })
    const busy = Array.from({ length: 30 }, (_, n) => turn('p1', n))
    const seldom = Array.from({ length: 6 }, (_, n) => turn('p2', n))
    const away = (outcome: string): SoakAttempt => ({ ...turn('p2', 10), answered: 25, outcome })
    for (const outcome of ['Timeout', 'Unavailable', 'OutcomeUnknown', 'LeaseLost'])
      expect(judgeHandOvers([...busy, ...seldom, away(outcome)], ['p1', 'p2'])).toEqual([30, 6])
    for (const outcome of ['Locked', 'ok'])
      expect(() => judgeHandOvers([...busy, ...seldom, away(outcome)], ['p1', 'p2'])).toThrow(/turns of each process/)
  })

  it('finds memory that grows with the work', () => {
    const samples = (growth: number) => Array.from({ length: 60 }, (_, n) => ({ at: n, heapBytes: 20e6 + n * growth }))
    expect(judgeMemory(samples(50_000)).endBytes).toBeGreaterThan(20e6)
    expect(() => judgeMemory(samples(1_500_000))).toThrow(/heap grew/)
  })
})
