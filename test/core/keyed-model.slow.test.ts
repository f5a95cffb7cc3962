import { describe, expect, it } from 'vitest'
import { type Environment, systemEnvironment } from '../../src/core/environment.ts'
import { KeelstateError, type KeyedDocument, openStore, type RevisionInfo } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'
import { STORE_ID } from './workbench.ts'

const RUNS = count(400, 5)
reportCounts(import.meta.filename, { runs: RUNS }, `1–${RUNS}`)
const STEPS = 160
const PROCESSES = 3
const KEYS = 60
const IMPATIENT: Environment = { ...systemEnvironment, sleep: async () => {} }

type Values = ReadonlyMap<string, string>

interface ModelRevision {
  readonly number: number
  readonly id: string
  readonly values: Values
}

/** What a keyed document is, said in a page: revisions that are whole maps, one of them current. */
class Model {
  kept: ModelRevision[] = []
  current: number | undefined
  readonly labels = new Map<string, number>()

  get now(): Values {
    return this.kept.find(({ number }) => number === this.current)?.values ?? new Map()
  }

  add({ number, id }: RevisionInfo, values: Values, isCurrent = true): void {
    this.kept.push({ number, id, values })
    if (isCurrent) this.current = number
  }

  drop(stays: (revision: ModelRevision, rank: number) => boolean): string[] {
    const labelled = new Set(this.labels.values())
    const gone = [...this.kept]
      .reverse()
      .filter((one, rank) => one.number !== this.current && !labelled.has(one.number) && !stays(one, rank))
    this.kept = this.kept.filter((one) => !gone.includes(one))
    return gone.map(({ id }) => id)
  }
}

class Run {
  readonly random: Random
  readonly model = new Model()
  readonly processes: KeyedDocument<string>[] = []
  readonly seen: { deltas: number; held: number } = { deltas: 0, held: 0 }

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  async start(): Promise<void> {
    const bucket = new MemoryBucket()
    for (let n = 0; n < PROCESSES; n++) {
      const options = { keys: 'plaintext', storeId: STORE_ID, memory: false, environment: IMPATIENT } as const
      // One process keeps nothing of what it read.
      const store = await openStore({ store: memoryStore({ bucket }), ...options, ...(n === 0 && { cacheBytes: 0 }) })
      this.processes.push(store.keyed<string>('doc'))
    }
  }

  /** Some keys to put and to delete, and what `values` is then. */
  change(values: Values): { change: { put: Map<string, string>; delete: string[] }; values: Values } {
    const { random } = this
    const next = new Map(values)
    const gone = [...next.keys()].filter(() => random.below(40) === 0)
    const put = new Map<string, string>()
    for (let n = random.below(4); n >= 0; n--) {
      const text = `${random.below(1_000_000)} `.repeat(random.pick([1, 20, 60, 60, 2_000]))
      put.set(`${random.pick(['', '__proto__', '7'])}${random.below(KEYS)}`, text)
    }
    for (const key of gone) next.delete(key)
    for (const [key, value] of put) next.set(key, value)
    return { change: { put, delete: gone }, values: next }
  }

  async step(): Promise<void> {
    const { random, model } = this
    const doc = random.pick(this.processes)
    const some = model.kept.length === 0 ? undefined : random.pick(model.kept)
    const { change, values } = this.change(model.now)
    const dice = random.below(100)
    if (dice < 46 || some === undefined) {
      const made = await doc.commit(change, { parent: 'any' })
      expect(mapOf(made.value)).toEqual(values)
      model.add(made, values)
    } else if (dice < 54) {
      model.add(await doc.update((now) => ({ ...change, delete: [...change.delete, `not ${now?.size}`] })), values)
    } else if (dice < 60) {
      model.add(await doc.add(change), values, false)
    } else if (dice < 63) {
      const copied = (await doc.revision(some.id)).value
      model.add(await doc.commit(copied, { parent: 'any' }), some.values) // a whole value, not a change
    } else if (dice < 69) {
      const back = await doc.rollback(some.id)
      expect(back.from).toBe(some.id)
      model.add(back, some.values)
    } else if (dice < 73) {
      await doc.setCurrent(some.id)
      model.current = some.number
    } else if (dice < 77) {
      await doc.label(`l${some.number % 3}`, some.id)
      model.labels.set(`l${some.number % 3}`, some.number)
    } else if (dice < 80) {
      const keepLast = 3 + random.below(25)
      expect((await doc.prune({ keepLast })).dropped).toEqual(model.drop((_, rank) => rank < keepLast))
    } else if (dice < 83) {
      const ids = model.kept.filter((one) => one.number !== model.current && random.below(6) === 0).map(({ id }) => id)
      expect((await doc.drop(ids)).dropped).toEqual(model.drop(({ id }) => !ids.includes(id)))
    } else if (dice < 86) {
      await doc.collect({ graceMs: -1_000 })
    } else if (dice < 88) {
      await doc.compact()
      expect(await doc.compact()).toEqual({ stored: [], released: 0 })
    } else if (dice < 90) {
      await doc.withLock({ operation: 'test' }, async (held) => {
        for (let n = 0; n < 3; n++) {
          const one = this.change(model.now)
          model.add(await held.commit(one.change), one.values)
        }
      })
    } else {
      await this.look(doc)
    }
  }

  /** Compares what is kept with the model. */
  async look(doc: KeyedDocument<string>): Promise<void> {
    const { model, random } = this
    const history: RevisionInfo[] = []
    for await (const info of doc.history()) history.push(info)
    expect(history.map(({ id }) => id)).toEqual(model.kept.map(({ id }) => id).reverse())
    this.seen.deltas += history.filter(({ base }) => base !== undefined).length
    this.seen.held += history.filter(
      ({ base }) => base !== undefined && !history.some(({ number }) => number === base),
    ).length
    const read = await doc.read()
    expect(read && mapOf(read.value)).toEqual(read && model.now)
    for (let n = 0; n < 4 && model.kept.length > 0; n++) {
      const some = random.pick(model.kept)
      expect(mapOf((await doc.revision(`@${some.number}`)).value)).toEqual(some.values)
    }
  }
}

function mapOf(values: Iterable<[string, string]>): Values {
  return new Map([...values].sort())
}

describe('a keyed document', () => {
  it(`is what a plain map for each revision is, whatever several processes do to it in turn (${RUNS} runs of ${STEPS} steps)`, async () => {
    const seen = { deltas: 0, held: 0 }
    for (let seed = 1; seed <= RUNS; seed++) {
      const run = new Run(seed)
      try {
        await run.start()
        for (let step = 0; step < STEPS; step++) await run.step()
        for (const doc of run.processes) await run.look(doc)
        const doc = run.processes[0]!
        expect(await doc.verify()).toMatchObject({ ok: true, revisions: run.model.kept.length, problems: [] })
        await doc.compact()
        await doc.collect({ graceMs: -1_000 })
        expect(await doc.verify()).toMatchObject({ ok: true, unreachable: 0, revisions: run.model.kept.length })
        for (const { id, values } of run.model.kept) expect(mapOf((await doc.revision(id)).value)).toEqual(values)
      } catch (error) {
        if (KeelstateError.is(error)) throw new Error(`run ${seed}: ${error.message}`, { cause: error })
        throw new Error(`run ${seed}`, { cause: error })
      }
      seen.deltas += run.seen.deltas
      seen.held += run.seen.held
    }
    expect(seen.deltas).toBeGreaterThan(RUNS * 20)
    expect(seen.held).toBeGreaterThan(RUNS)
  }, 1_200_000)
})
