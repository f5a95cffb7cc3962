import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { bytes, type ErrorCode, json, KeelstateError, type Store, type VersionedDocument } from '../../src/index.ts'

/** One change that somebody asked for, and what they were told. */
interface Asked {
  /** Unlike all others, where the change adds a revision. */
  readonly message: string
  readonly told: { readonly id: string; readonly digest: string } | { readonly error: KeelstateError }
}

/** What a process may be told when the network fails: nothing was done, or it is not known what. Anything else is a verdict that no fault excuses. */
const EXCUSED: readonly ErrorCode[] = ['OutcomeUnknown', 'Timeout', 'Unavailable', 'Throttled']

const BASE = ['base', 'on the base'] as const
const SETTLING = 'settles what was under way'

/** A process that does one thing after another to the documents `load` and `counter`, and remembers what it was told. */
export class LoadedProcess {
  readonly changes: Asked[] = []
  readonly additions: Asked[] = []
  /** Id of the revision that its label is on; `undefined` when nobody can know. */
  labelled: string | undefined
  readonly #name: string
  readonly #random: () => number
  readonly #load: VersionedDocument<Uint8Array>
  readonly #counter: VersionedDocument<number>

  constructor(name: string, store: Store, random: () => number) {
    this.#name = name
    this.#random = random
    this.#load = store.document('load', bytes())
    this.#counter = store.document('counter', json<number>())
  }

  async run(calls: number): Promise<void> {
    for (let call = 1; call <= calls; call++) await this.#call(`${this.#name}, call ${call}`)
  }

  async #call(message: string): Promise<void> {
    const dice = this.#random()
    if (dice < 0.4) {
      const content = randomBytes(dice < 0.2 ? 300 : 20_000)
      this.changes.push(await ask(message, this.#load.commit(content, { parent: 'any', message })))
    } else if (dice < 0.6) {
      this.additions.push(
        await ask(
          message,
          this.#counter.update((now) => now! + 1, { message }),
        ),
      )
    } else if (dice < 0.7) {
      this.changes.push(await ask(message, this.#load.rollback('current~1', { message })))
    } else if (dice < 0.8) {
      const { told } = await ask(message, this.#load.label(`of-${this.#name}`, 'current'))
      this.labelled = 'id' in told ? told.id : undefined
    } else if (dice < 0.9) {
      await excused(this.#load.read())
    } else {
      await excused(this.#load.collect({ graceMs: 0 }))
    }
  }
}

/** Makes both documents. */
export async function begin(store: Store): Promise<void> {
  const load = store.document('load', bytes())
  for (const message of BASE) await load.commit(randomBytes(10), { parent: 'any', message })
  await store.document('counter', json<number>()).commit(0, { parent: 'none', message: BASE[0] })
}

/**
 * Holds what the documents say to what all processes were told, and resolves to how many additions of revisions were acknowledged.
 *
 * @param store A process whose network does not fail.
 */
export async function judge(store: Store, processes: readonly LoadedProcess[]): Promise<number> {
  const load = store.document('load', bytes())
  const counter = store.document('counter', json<number>())
  await load.commit(randomBytes(10), { parent: 'any', message: SETTLING })
  await counter.update((now) => now!, { message: SETTLING })

  const changes = processes.flatMap((one) => one.changes)
  const additions = processes.flatMap((one) => one.additions)
  await judgeHistory(load, changes)
  const values = await judgeHistory(counter, additions)
  assert.equal((await counter.read())?.value, values - 2, 'every addition took effect once')
  const labels = await load.labels()
  for (const [index, { labelled }] of processes.entries()) {
    if (labelled !== undefined) assert.equal(labels[`of-${index + 1}`], labelled)
  }
  for (const document of [load, counter]) {
    assert.deepEqual((await document.verify()).problems, [])
    await document.collect({ graceMs: 0 })
    const { problems, unreachable } = await document.verify()
    assert.deepEqual(
      [problems, unreachable],
      [[], 0],
      'nothing is left of lost uploads, and nothing that is needed is gone',
    )
  }
  return [...changes, ...additions].filter(({ told }) => 'id' in told).length
}

/** What was acknowledged is in the history once, under its number's order; what was refused is not; the rest is as `outcome` says. */
async function judgeHistory(document: VersionedDocument<unknown>, asked: readonly Asked[]): Promise<number> {
  const history = []
  for await (const revision of document.history()) history.unshift(revision)
  assert.deepEqual(
    history.map(({ number }) => number),
    history.map((_, index) => index + 1),
    'every number once',
  )
  const landed = new Map(history.map((revision) => [revision.message, revision]))
  assert.equal(landed.size, history.length, 'nothing is there twice')
  const known = new Set<string>([...BASE, SETTLING, ...asked.map(({ message }) => message)])
  assert.deepEqual(
    [...landed.keys()].filter((message) => !known.has(message)),
    [],
    'nothing came from nowhere',
  )
  for (const { message, told } of asked) {
    const found = landed.get(message)
    if ('id' in told) {
      assert.deepEqual({ message, id: found?.id, digest: found?.digest }, { message, ...told })
    } else if (KeelstateError.is(told.error, 'OutcomeUnknown')) {
      const outcome = await document.outcome(told.error.details.write)
      assert.equal(outcome, found === undefined ? 'not-landed' : 'landed', message)
    } else {
      assert.equal(found, undefined, `${message} was refused with ${told.error.code}, and is there`)
    }
  }
  return history.length
}

async function ask(message: string, work: Promise<{ id: string; digest: string }>): Promise<Asked> {
  const told = await excused(work)
  return { message, told: 'error' in told ? told : { id: told.value.id, digest: told.value.digest } }
}

async function excused<T>(work: Promise<T>): Promise<{ value: T } | { error: KeelstateError }> {
  try {
    return { value: await work }
  } catch (error) {
    if (KeelstateError.is(error) && EXCUSED.includes(error.code)) return { error }
    throw error
  }
}
