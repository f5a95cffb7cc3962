// One process of a soak: two lanes of seeded work on shared documents, until the time is up. Everything that it did goes into its log.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { json, KeelstateError, openStore, type RevisionInfo, type VersionedDocument } from '../../../src/index.ts'
import { randomFrom } from '../../file/random.ts'
import {
  contentOf,
  HANDED,
  KEEP_LAST,
  KEPT,
  PRUNED,
  type SoakAttempt,
  type SoakLine,
  type SoakTask,
  sharedNow,
  TURNS,
  type Value,
} from '../soak-script.ts'

type Brought = Partial<Pick<SoakAttempt, 'number' | 'value'>>
type Trial = readonly [what: string, change: boolean, work: (mark: string) => Promise<Brought>]

const LIMITS = { attemptMs: 2_000, operationMs: 20_000 }
const SMALL = 300
const LARGE = 20_000
const AT_ONCE = 4 // callers that share writes
const WAIT_MS = 30_000
const POLL_MS = 1_000 // how often a waiter asks
const SAMPLES = 60
const LATE_MS = 120_000 // that the last turns may take

const task: SoakTask = JSON.parse(process.argv[2]!)
const { name, log, begin, end, generationMs, leaseMs } = task
const random = randomFrom(task.seed)
const store = await openStore({
  store: task.store,
  lock: task.lock,
  keys: 'env:STATE_KEY',
  memory: task.memory,
  by: name,
  limits: LIMITS,
})
let calls = 0

await sleep(Math.max(0, begin - sharedNow()))
await Promise.all([mixed(), handOvers(), watchMemory()])
await store.close()

function tell(line: SoakLine): void {
  appendFileSync(log, `${JSON.stringify(line)}\n`)
}

/** Makes one call, and notes what became of it. Errors that are no answer to a call end the process. */
async function attempt(document: string, [what, change, work]: Trial): Promise<string> {
  const mark = `${name}.${++calls}`
  const invoked = sharedNow()
  const noted = await work(mark).then(
    (brought) => ({ outcome: 'ok', ...brought }),
    (error: unknown) => {
      if (!KeelstateError.is(error)) throw error
      const write = KeelstateError.is(error, 'OutcomeUnknown') ? { write: error.details.write } : {}
      return { outcome: error.code, detail: error.message, ...write }
    },
  )
  tell({ attempt: { document, actor: name, what, mark, change, invoked, answered: sharedNow(), ...noted } })
  return noted.outcome
}

/** One thing after another, to documents that take one another's place. */
async function mixed(): Promise<void> {
  const kept = new Map<string, VersionedDocument<Value>>()
  for (let now = sharedNow(); now < end; now = sharedNow()) {
    const generation = Math.floor((now - begin) / generationMs)
    const [keptName, prunedName] = [`${KEPT}/${generation}`, `${PRUNED}/${generation}`]
    if (!kept.has(keptName)) kept.clear()
    for (const known of [keptName, prunedName])
      if (!kept.has(known)) kept.set(known, store.document(known, json<Value>()))
    const isKept = random() < 0.75
    const document = isKept ? keptName : prunedName
    const trials = (isKept ? keptTrials : prunedTrials)(kept.get(document)!)
    await Promise.all(trials.map((trial) => attempt(document, trial)))
  }
}

function keptTrials(document: VersionedDocument<Value>): Trial[] {
  const dice = random()
  if (dice < 0.25) return [blind(document)]
  if (dice < 0.35) return Array.from({ length: AT_ONCE }, () => blind(document, SMALL))
  if (dice < 0.5) {
    const update = (mark: string) => document.update((now) => next(now, mark), { message: mark })
    return [['update', true, async (mark) => told(await update(mark))]]
  }
  if (dice < 0.6)
    return [['rollback', true, async (mark) => told(await document.rollback('current~1', { message: mark }))]]
  if (dice < 0.65) return [['set a label', false, async () => done(document.label(`of-${name}`, 'current'))]]
  if (dice < 0.75) return [['collect', false, async () => done(document.collect({ graceMs: 0 }))]]
  if (dice < 0.8) {
    const held = (mark: string) =>
      document.withLock({ operation: 'soak', waitMs: WAIT_MS, leaseMs }, (lock) =>
        lock.commit(next(lock.current?.value, mark), { message: mark }),
      )
    return [['held commit', true, async (mark) => told(await held(mark))]]
  }
  return [['current', false, async () => seen(await document.read())]]
}

function prunedTrials(document: VersionedDocument<Value>): Trial[] {
  const dice = random()
  if (dice < 0.5) return [blind(document)]
  if (dice < 0.7) return [['prune', false, async () => done(document.prune({ keepLast: KEEP_LAST }))]]
  if (dice < 0.85) return [['collect', false, async () => done(document.collect({ graceMs: 0 }))]]
  if (dice < 0.88) return [['delete', false, async () => done(document.delete())]]
  return [['current', false, async () => seen(await document.read())]]
}

function blind(document: VersionedDocument<Value>, length = random() < 0.6 ? SMALL : LARGE): Trial {
  const value = (mark: string) => ({ counter: Math.floor(random() * 1e9), mark, pad: padOf(length) })
  const commit = (mark: string) => document.commit(value(mark), { parent: 'any', message: mark })
  return ['replace', true, async (mark) => told(await commit(mark))]
}

/** Takes one lock again and again, and works under it for a moment: until the time is up, and it had some turns however slow the machine is. */
async function handOvers(): Promise<void> {
  const document = store.document(HANDED, json<Value>())
  for (let turns = 0; sharedNow() < end - 2_000 || (turns < TURNS && sharedNow() < end + LATE_MS); ) {
    const outcome = await attempt(HANDED, [
      'held commit',
      true,
      async (mark) => {
        const held = await document.lock({ operation: 'soak', waitMs: WAIT_MS, leaseMs })
        try {
          const made = told(await held.commit(next(held.current?.value, mark), { message: mark }))
          await sleep(20 + random() * 40)
          return made
        } finally {
          await held.release().catch(() => {}) // what it made is made; who comes next waits for the lease
        }
      },
    ])
    if (outcome === 'ok') turns++
    // Back at any moment of the second that lies between two requests of a waiter: in step with them, one process would have dozens of turns on end.
    await sleep(random() * POLL_MS)
  }
}

async function watchMemory(): Promise<void> {
  for (let sample = 1; sample <= SAMPLES; sample++) {
    await sleep(Math.max(0, begin + ((end - begin) * sample) / SAMPLES - sharedNow()))
    globalThis.gc?.()
    tell({ memory: { at: sharedNow(), heapBytes: process.memoryUsage().heapUsed } })
  }
}

function next(now: Value | undefined, mark: string): Value {
  return { counter: (now?.counter ?? 0) + 1, mark, pad: padOf(SMALL) }
}

function padOf(length: number): string {
  let pad = ''
  while (pad.length < length) pad += random().toString(36).slice(2)
  return pad
}

async function done(work: Promise<unknown>): Promise<Brought> {
  await work
  return {}
}

function told({ number }: RevisionInfo): Brought {
  return { number }
}

function seen(found: { number: number; value: Value } | undefined): Brought {
  if (found === undefined) return { number: 0 }
  return { number: found.number, value: contentOf(found.value) }
}
