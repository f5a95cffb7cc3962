import { bytes, json } from '../../core/codec.ts'
import type { VersionedDocument } from '../../core/document.ts'
import { KeelstateError } from '../../core/errors.ts'
import type { Store } from '../../core/state-store.ts'
import type { ObjectStore } from '../../core/store.ts'
import { StaticKeyProvider } from '../../encrypt/index.ts'
import { memoryStore } from '../../memory/index.ts'
import { openStore } from '../../open.ts'
import { VirtualTime } from '../virtual-environment.ts'
import { type Attempt, check, type Final, tell } from './history.ts'
import { FAIR, Network, STORMY, type Weather } from './network.ts'

export interface ScheduleOptions {
  /** Which accidents happen; default all kinds. */
  weather?: Weather
  /** What stands in for the strict, atomic store; for tests of the simulation itself. */
  breakStore?: (store: ObjectStore, time: VirtualTime) => ObjectStore
}

export interface ScheduleResult {
  readonly seed: number
  readonly acknowledged: number
  /** Empty when all promises were kept. */
  readonly violations: readonly string[]
  /** The run as a person reads it. */
  readonly story: () => string
}

const NAME = 'simulated/document'
const CALLS_PER_WRITER = 5
const END_MS = 3_600_000

type Value = { counter: number; pad: string }

/**
 * Plays one schedule: the real code of core and encrypt, several processes, a faulty network, virtual time. The same seed plays the same schedule.
 */
export async function runSchedule(seed: number, options: ScheduleOptions = {}): Promise<ScheduleResult> {
  const time = new VirtualTime({ seed })
  const strict = memoryStore()
  const shared = options.breakStore?.(strict, time) ?? strict
  const attempts: Attempt[] = []
  let weather = options.weather ?? STORMY
  let order = 0
  const clock = () => time.elapsed + ++order * 1e-6

  const openOn = async (store: ObjectStore, environment: ReturnType<VirtualTime['machine']>): Promise<Store> =>
    await openStore({
      store,
      keys: [new StaticKeyProvider({ key: Buffer.alloc(32, 9) })],
      memory: false,
      environment,
      storeId: STORE_ID,
      by: 'simulation',
    })

  async function note(
    actor: string,
    what: Attempt['what'],
    mark: string,
    call: () => Promise<number | undefined>,
  ): Promise<void> {
    const attempt: Attempt = { actor, what, mark, invoked: clock() }
    attempts.push(attempt)
    try {
      const number = await call()
      if (number !== undefined) attempt.number = number
      attempt.outcome = 'ok'
    } catch (error) {
      attempt.outcome = KeelstateError.is(error) ? error.code : `Unexpected: ${String(error)}`
    }
    attempt.answered = clock()
  }

  async function writer(id: number): Promise<void> {
    const actor = `writer ${id}`
    const machine = time.machine({ rate: 1 + (time.random() - 0.5) / 50 })
    machine.jumpWall((time.random() - 0.5) * 2 * 3_600_000)
    const network = new Network(shared, time, machine, () => weather)
    const document = (await openOn(network, machine)).document(NAME, json<Value>())
    const dies = time.random() < 0.15
    for (let call = 0; call < CALLS_PER_WRITER; call++) {
      await machine.sleep(time.random() * 20_000)
      if (dies && call === CALLS_PER_WRITER - 2) {
        machine.timer(time.random() * 500, () => network.kill())
      }
      await act(actor, `${id}.${call}`, document)
    }
  }

  async function act(actor: string, mark: string, document: VersionedDocument<Value>): Promise<void> {
    const pad = 'x'.repeat(time.random() < 0.15 ? 9_000 : 20 + Math.floor(time.random() * 400))
    const chance = time.random()
    if (chance < 0.35) {
      await note(
        actor,
        'update',
        mark,
        async () =>
          (await document.update((now) => ({ counter: (now?.counter ?? 0) + 1, pad }), { message: mark })).number,
      )
    } else if (chance < 0.65) {
      await note(actor, 'commit', mark, async () => {
        const now = await document.read()
        const value = { counter: (now?.value.counter ?? 0) + 1, pad }
        return (await document.commit(value, { parent: now ?? 'none', message: mark })).number
      })
    } else if (chance < 0.75) {
      await Promise.all(
        ['a', 'b', 'c'].map((part) =>
          note(
            actor,
            'update',
            `${mark}${part}`,
            async () =>
              (
                await document.update((now) => ({ counter: (now?.counter ?? 0) + 1, pad }), {
                  message: `${mark}${part}`,
                })
              ).number,
          ),
        ),
      )
    } else if (chance < 0.9) {
      await note(actor, 'read', mark, async () => (await document.read())?.number ?? 0)
    } else if (chance < 0.95) {
      await note(actor, 'label', mark, async () => {
        await document.label(`l${mark}`, 'current')
        return undefined
      })
    } else {
      await note(actor, 'collect', mark, async () => {
        await document.collect({ graceMs: 0 })
        return undefined
      })
    }
  }

  const writers = 2 + Math.floor(time.random() * 3)
  const work = Promise.all(Array.from({ length: writers }, (_, id) => writer(id)))
  await time.advance(END_MS / 2)
  weather = FAIR
  await time.advance(END_MS / 2)
  work.catch(() => undefined)

  const machine = time.machine()
  const witness = await openOn(strict, machine)
  const final = await time.finish(inspect(witness.document(NAME, bytes()), attempts))
  return {
    seed,
    acknowledged: attempts.filter(({ what, outcome }) => outcome === 'ok' && (what === 'commit' || what === 'update'))
      .length,
    violations: check(attempts, final),
    story: () => tell(attempts, final),
  }
}

const STORE_ID = '00112233445566778899aabbccddeeff'

/** Reads all that is stored, past the network. */
async function inspect(document: VersionedDocument<Uint8Array>, attempts: readonly Attempt[]): Promise<Final> {
  const problems: string[] = []
  const revisions = []
  try {
    for await (const revision of document.history()) revisions.push(revision)
  } catch (error) {
    problems.push(`history: ${String(error)}`)
  }
  revisions.reverse()
  const report = await document.verify().catch((error: unknown) => ({ problems: [{ message: String(error) }] }))
  for (const { message } of report.problems) problems.push(`verify: ${message}`)
  let counter = 0
  for (const revision of revisions) {
    const now = await document.revision(revision.id).then(
      ({ value }) => (JSON.parse(Buffer.from(value).toString()) as Value).counter,
      (error: unknown) => `unreadable (${String(error)})`,
    )
    if (now !== counter + 1)
      problems.push(`@${revision.number} counts ${now} after ${counter}: a change was lost or doubled`)
    counter = typeof now === 'number' ? now : counter + 1
  }
  for (const { outcome, actor, mark } of attempts) {
    if (outcome?.startsWith('Unexpected') || outcome === 'RolledBack' || outcome === 'Corrupt')
      problems.push(`${actor} ${mark} ended with ${outcome}`)
  }
  return { revisions, problems }
}
