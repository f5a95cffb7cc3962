import { describe, expect, it } from 'vitest'
import { type Environment, systemEnvironment } from '../../src/core/environment.ts'
import { json, KeelstateError, openStore, type RevisionInfo, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'
import { STORE_ID } from './workbench.ts'

const RUNS = count(1_000, 6)
const STEPS = 220
const PROCESSES = 3
reportCounts(import.meta.filename, { runs: RUNS, 'steps of each': STEPS, processes: PROCESSES }, `1–${RUNS}`)
/** Nobody else is at it, so nothing is gained by waiting before the next attempt. */
const IMPATIENT: Environment = { ...systemEnvironment, sleep: async () => {} }

interface ModelRevision {
  number: number
  id: string
  parent: string | undefined
  value: string
  message: string
}

/** What a document is, said in a page: revisions by number, one of them current, labels. */
class Model {
  kept: ModelRevision[] = []
  current: number | undefined
  labels = new Map<string, number>()
  last = 0

  add(made: RevisionInfo, value: string, message: string): void {
    expect(made.number).toBe(++this.last)
    const parent = this.byNumber(this.current)?.id
    expect(made.parent).toBe(parent)
    const before = this.kept.at(-1)?.id ?? ''
    expect(made.id > before).toBe(true)
    this.kept.push({ number: made.number, id: made.id, parent, value, message })
  }

  byNumber(number: number | undefined): ModelRevision | undefined {
    return this.kept.find((one) => one.number === number)
  }

  drop(stays: (revision: ModelRevision, rank: number) => boolean): string[] {
    const labelled = new Set(this.labels.values())
    const newestFirst = [...this.kept].reverse()
    const gone = newestFirst.filter(
      (one, rank) => one.number !== this.current && !labelled.has(one.number) && !stays(one, rank),
    )
    this.kept = this.kept.filter((one) => !gone.includes(one))
    return gone.map(({ id }) => id)
  }
}

class Run {
  readonly random: Random
  readonly model = new Model()
  readonly processes: VersionedDocument<string>[] = []
  readonly counts: Record<string, number> = {}

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  async start(): Promise<void> {
    const bucket = new MemoryBucket()
    for (let n = 0; n < PROCESSES; n++) {
      const options = { keys: 'plaintext', storeId: STORE_ID, memory: false, environment: IMPATIENT } as const
      const store = await openStore({ store: memoryStore({ bucket }), ...options })
      this.processes.push(store.document('doc', json<string>()))
    }
  }

  async step(): Promise<void> {
    const { random, model } = this
    const doc = random.pick(this.processes)
    const steps: Record<string, number> = {
      commit: 30,
      update: 8,
      add: 6,
      setCurrent: 8,
      rollback: 8,
      label: 6,
      unlabel: 3,
      prune: 2,
      drop: 3,
      collect: 2,
      delete: 1,
      look: 6,
    }
    let at = random.below(Object.values(steps).reduce((a, b) => a + b))
    const name = Object.keys(steps).find((step) => {
      at -= steps[step]!
      return at < 0
    })!
    this.counts[name] = (this.counts[name] ?? 0) + 1
    const message = `m${random.below(1_000_000)}`
    const value = message.repeat(random.pick([1, 1, 1, 40, 1_500]))
    const some = model.kept.length === 0 ? undefined : random.pick(model.kept)
    switch (name) {
      case 'commit': {
        const made = await doc.commit(value, { parent: 'any', message })
        model.add(made, value, message)
        model.current = made.number
        return
      }
      case 'update': {
        const made = await doc.update((now) => `${(now ?? '').slice(0, 20)}+${message}`, { message })
        const before = model.byNumber(model.current)?.value ?? ''
        model.add(made, `${before.slice(0, 20)}+${message}`, message)
        model.current = made.number
        return
      }
      case 'add':
        return model.add(await doc.add(value, { message }), value, message)
      case 'setCurrent':
        if (some === undefined) return await absent(doc.setCurrent('@1'))
        await doc.setCurrent(random.pick([some.id, `@${some.number}`]))
        model.current = some.number
        return
      case 'rollback': {
        if (some === undefined) return await absent(doc.rollback('@1'))
        const made = await doc.rollback(some.id, { message })
        expect(made.from).toBe(some.id)
        model.add(made, some.value, message)
        model.current = made.number
        return
      }
      case 'label': {
        const label = `l${random.below(4)}`
        if (some === undefined) return await absent(doc.label(label, '@1'))
        await doc.label(label, `@${some.number}`)
        model.labels.set(label, some.number)
        return
      }
      case 'unlabel': {
        const label = `l${random.below(4)}`
        if (!model.labels.has(label)) return await absent(doc.unlabel(label))
        await doc.unlabel(label)
        model.labels.delete(label)
        return
      }
      case 'prune': {
        const keepLast = random.below(30)
        const expected = [...model.kept]
        const { dropped, kept } = await doc.prune({ keepLast })
        expect(dropped).toEqual(model.drop((_, rank) => rank < keepLast))
        expect(kept).toBe(expected.length - dropped.length)
        return
      }
      case 'drop': {
        const ids = model.kept.filter(() => random.below(10) === 0).map(({ id }) => id)
        const current = model.byNumber(model.current)?.id
        if (current !== undefined && ids.includes(current)) {
          await expect(doc.drop(ids)).rejects.toMatchObject({ code: 'Conflict' })
          return
        }
        expect((await doc.drop(ids)).dropped).toEqual(model.drop(({ id }) => !ids.includes(id)))
        return
      }
      case 'collect':
        await doc.collect({ graceMs: -1_000 })
        return
      case 'delete':
        if (model.last === 0) return await absent(doc.delete())
        try {
          await doc.delete()
        } catch (error) {
          if (!KeelstateError.is(error, 'NotFound') || model.kept.length > 0) throw error
        }
        model.kept = []
        model.labels.clear()
        model.current = undefined
        return
      default:
        return await this.look(doc)
    }
  }

  /** Compares the whole document with the model. */
  async look(doc: VersionedDocument<string>): Promise<void> {
    const { model, random } = this
    const history: RevisionInfo[] = []
    for await (const info of doc.history()) history.push(info)
    expect(history.map(({ id, number, parent, message }) => ({ id, number, parent, message }))).toEqual(
      [...model.kept].reverse().map(({ id, number, parent, message }) => ({ id, number, parent, message })),
    )
    expect(await doc.labels()).toEqual(
      Object.fromEntries([...model.labels].map(([label, number]) => [label, model.byNumber(number)!.id])),
    )
    const current = model.byNumber(model.current)
    const read = await doc.read()
    expect(read && { id: read.id, value: read.value }).toEqual(current && { id: current.id, value: current.value })
    for (let n = 0; n < 3 && model.kept.length > 0; n++) {
      const some = random.pick(model.kept)
      const reference = random.pick([some.id, `@${some.number}`])
      expect((await doc.revision(reference)).value).toBe(some.value)
    }
    if (current?.parent !== undefined && model.kept.some(({ id }) => id === current.parent)) {
      expect((await doc.info('current~1')).id).toBe(current.parent)
    }
  }
}

async function absent(work: Promise<unknown>): Promise<void> {
  await expect(work).rejects.toMatchObject({ code: 'NotFound' })
}

describe('a document', () => {
  it(`does what its model does, whatever several processes do to it in turn (${RUNS} runs of ${STEPS} steps)`, async () => {
    const counts: Record<string, number> = {}
    for (let seed = 1; seed <= RUNS; seed++) {
      const run = new Run(seed)
      try {
        await run.start()
        for (let step = 0; step < STEPS; step++) await run.step()
        for (const doc of run.processes) await run.look(doc)
        const [doc] = run.processes
        expect(await doc!.verify()).toMatchObject({ ok: true, revisions: run.model.kept.length, problems: [] })
        await doc!.collect({ graceMs: -1_000 })
        expect(await doc!.verify()).toMatchObject({ ok: true, unreachable: 0 })
        await run.look(doc!)
      } catch (error) {
        throw new Error(`run ${seed}`, { cause: error })
      }
      for (const [name, count] of Object.entries(run.counts)) counts[name] = (counts[name] ?? 0) + count
    }
    for (const name of ['commit', 'setCurrent', 'prune', 'drop', 'collect', 'delete']) {
      expect(counts[name], name).toBeGreaterThan(RUNS / 2)
    }
  }, 1_200_000)
})
