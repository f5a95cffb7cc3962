import { bytes } from '../../core/codec.ts'
import type { ObjectStore } from '../../core/store.ts'
import { makeSealer, StaticKeyProvider } from '../../encrypt/index.ts'
import type { VirtualTime } from '../virtual-environment.ts'
import { commitUnder, hold, update, visit, work } from './actors.ts'
import { type Attempt, GUEST } from './attempt.ts'
import { openChain } from './chain.ts'
import { deletionViolations } from './deletions.ts'
import { judge } from './history.ts'
import { KEYED_MATTER } from './matter.ts'
import { EVERYTHING, type Profile } from './profiles.ts'
import { type Keys, LEAST_COMMITS, NAME, type Process, Scene } from './scene.ts'
import { tell } from './story.ts'
import { resume, trouble } from './trouble.ts'
import { FAIR } from './weather.ts'

const CALM_MS = 150_000 // until nothing of the trouble is on its way any more, and every lease has ended

export interface ScheduleOptions {
  /** Who takes part, and what happens to them; default everything. */
  profile?: Profile
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

/**
 * Plays one schedule: the real code of core, locking and encrypt; several processes, a faulty network, stops, deaths and clocks that jump, in virtual
 * time. The same seed plays the same schedule, bit for bit.
 */
export async function runSchedule(seed: number, options: ScheduleOptions = {}): Promise<ScheduleResult> {
  const scene = new Scene(seed, options.profile ?? EVERYTHING, options.breakStore)
  const { chronicle, time, attempts } = scene
  const ended = await play(scene)
  if (!ended) chronicle.wrong('somebody never came to an end')
  const machine = time.machine()
  const sealer = makeSealer([new StaticKeyProvider({ key: Buffer.alloc(32, 9), environment: machine })], {
    salt: async () => new Uint8Array(16),
    environment: machine,
  })
  const chain = await openChain(chronicle, sealer, machine)
  const violations = [
    ...chronicle.wrongs,
    ...(await deletionViolations(chronicle.deletions, chain)),
    ...judge(attempts, chain),
  ]
  return {
    seed,
    acknowledged: scene.acknowledged,
    violations,
    story: () => tell(attempts, chronicle, chain),
  }
}

type Life = (process: Process) => Promise<void>

/** Everybody at work until there is enough, then peace, then somebody who looks at what is left. */
async function play(scene: Scene): Promise<boolean> {
  const { profile, time } = scene
  const crowd: { process: Process; life: Life }[] = []
  const either = (): Keys => (scene.dice.chance(profile.bothKeys) ? 'both' : 'mine')
  const join = async (name: string, count: number, life: Life, leased = false, keys = either) => {
    for (let n = 1; n <= count; n++) crowd.push({ process: await scene.process(`${name} ${n}`, leased, keys()), life })
  }
  const writers = scene.dice.between(profile.writers)
  const holders = scene.dice.between(profile.holders)
  // Somebody has to write.
  const bothMay = profile.writers[1] > 0 && writers + holders === 0
  const working =
    (calls: Profile['calls']): Life =>
    (process) =>
      work(scene, process, calls)
  await join('writer', bothMay ? profile.writers[1] : writers, working(profile.calls))
  await join('holder', holders, (process) => hold(scene, process), true)
  await join('reader', scene.dice.between(profile.readers), working(profile.readerCalls))
  await join('keeper', scene.dice.between(profile.keepers), working(profile.keeperCalls))
  await join(
    GUEST,
    scene.dice.between(profile.guests),
    (process) => visit(scene, process),
    false,
    () => 'theirs',
  )
  const processes = crowd.map(({ process }) => process)
  const lives = crowd.map(({ process, life }) => ({ process, ended: life(process) }))
  const troubled = trouble(scene, processes)
  while (scene.going && processes.some(({ dead }) => !dead)) await time.advance(1_000)
  scene.weather = FAIR
  for (const process of processes) resume(scene, process)
  await time.advance(CALM_MS)
  const living = lives.filter(({ process }) => !process.dead).map(({ ended }) => ended)
  try {
    await time.finish(Promise.all([...living, troubled]), 900_000)
    await time.finish(epilogue(scene, holders > 0), 900_000)
  } catch (error) {
    scene.chronicle.wrong(String(error))
    return false
  }
  return true
}

/** Anybody can take the lock and go on, what was undecided is decided, and all that is kept can be read. */
async function epilogue(scene: Scene, locked: boolean): Promise<void> {
  const { chronicle, attempts } = scene
  if (locked) {
    const last = await scene.calmProcess('last holder', true)
    const taken = await scene.call(last.name, 'lock', '', false, async () => {
      const held = await last.document.lock({ operation: 'last', waitMs: 60_000 })
      chronicle.laws.start(held, last.machine)
      await commitUnder(scene, last, held)
      await held.release()
      return undefined
    })
    if (taken.outcome !== 'ok') chronicle.wrong(`nobody can take the lock in the end: ${taken.outcome}`)
  }
  const last = await scene.calmProcess('last writer', false)
  do {
    const { outcome } = await update(scene, last)
    if (outcome !== 'ok') return chronicle.wrong(`nobody can write in the end: ${outcome}`)
  } while (scene.acknowledged < LEAST_COMMITS)
  for (const attempt of attempts) if (attempt.write !== undefined) await decide(scene, last, attempt)
  if (chronicle.deletions.length === 0 && scene.matter !== KEYED_MATTER) return
  const { problems } = await last.store.document(NAME, bytes()).verify()
  for (const { message } of problems) chronicle.wrong(`verify: ${message}`)
}

/** A write of unknown outcome is told of truly. */
async function decide(scene: Scene, { document, name }: Process, attempt: Attempt): Promise<void> {
  await scene.call(name, 'outcome', attempt.mark, false, async () => {
    const outcome = await document.outcome(attempt.write!)
    const landed = scene.chronicle.heads.some(
      ({ header }) => Buffer.from(header.writeId).toString('hex') === attempt.write!.split('@')[0],
    )
    if (outcome === 'undecided') scene.chronicle.wrong(`the outcome of ${attempt.mark} is undecided`)
    else if ((outcome === 'landed') !== landed)
      scene.chronicle.wrong(`${attempt.mark} is said to be ${outcome}, and is not`)
    return { detail: outcome }
  })
}
