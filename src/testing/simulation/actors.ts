import type { LockedDocument } from '../../core/locked-document.ts'
import type { Revision } from '../../core/revision.ts'
import type { Attempt, Brought } from './attempt.ts'
import { type Content, type Edit, edited, FOREIGN_BODIES, KEYED_MATTER, type Made } from './matter.ts'
import type { Call } from './profiles.ts'
import { NAME, type Process, type Scene } from './scene.ts'

const BATCH = [2, 6] as const

type Held = LockedDocument<Content, Edit>

/** Does what these weights say, until there is enough. */
export async function work(scene: Scene, process: Process, calls: Partial<Record<Call, number>>): Promise<void> {
  const { pauseMs } = scene.profile
  while (scene.going) {
    await process.machine.sleep(scene.dice.upTo(pauseMs))
    if (!scene.going) return
    await CALLS[scene.dice.pick(calls)](scene, process)
  }
}

/** The same for somebody who may not begin the document: its key would be the only one. */
export async function visit(scene: Scene, process: Process): Promise<void> {
  while (scene.going && scene.chronicle.heads.length === 0) await process.machine.sleep(scene.profile.pauseMs)
  await work(scene, process, scene.profile.guestCalls)
}

const CALLS: Record<Call, (scene: Scene, process: Process) => Promise<unknown>> = {
  async commit(scene, { name, document }) {
    if (!scene.mayChange()) return
    const mark = scene.nextMark
    await scene.call(name, 'commit', mark, true, async (attempt) => {
      const now = await document.read()
      const value = next(scene, attempt, now?.value)
      return made(await document.commit(value, { parent: now ?? 'none', message: mark }))
    })
  },
  async commitAny(scene, process) {
    if (scene.mayChange()) await commitAny(scene, process)
  },
  async update(scene, process) {
    if (scene.mayChange()) await update(scene, process)
  },
  async batch(scene, process) {
    const size = batchSize(scene)
    await Promise.all(
      Array.from({ length: size }, () =>
        scene.dice.chance(0.75) ? update(scene, process) : commitAny(scene, process),
      ),
    )
  },
  async batchAny(scene, process) {
    const size = batchSize(scene)
    await Promise.all(Array.from({ length: size }, () => commitAny(scene, process)))
  },
  async rollback(scene, { name, document }) {
    if (!scene.mayChange()) return
    const mark = scene.nextMark
    await scene.call(name, 'rollback', mark, true, async () =>
      made(await document.rollback(`current~${scene.dice.between([1, 2])}`, { message: mark })),
    )
  },
  async label(scene, { name, document }) {
    const mark = scene.nextMark
    await scene.call(name, 'label', mark, false, async () => ({
      number: (await document.label(mark, 'current')).number,
    }))
  },
  read: (scene, process) => read(scene, process),
  async readTwice(scene, process) {
    const second = process.machine.sleep(scene.dice.upTo(60)).then(() => read(scene, process))
    await Promise.all([read(scene, process), second])
  },
  async revision(scene, { name, document }) {
    const newest = scene.chronicle.heads.length
    const reference = `@${scene.dice.between([Math.max(1, newest - 6), Math.max(1, newest)])}`
    await scene.call(name, 'revision', reference, false, async () => {
      const { number, value } = await document.revision(reference)
      return { number, value }
    })
  },
  async history(scene, { name, document }) {
    await scene.call(name, 'history', '', false, async () => {
      const seen: string[] = []
      for await (const { number, message } of document.history({ limit: 20 })) seen.push(`${number} ${message}`)
      return { detail: seen.join(', ') }
    })
  },
  async push(scene, process) {
    if (scene.mayChange()) await push(scene, process)
  },
  async delete(scene, { name, document }) {
    const mark = scene.nextMark
    await scene.call(name, 'delete', mark, false, async () => {
      await document.delete({ message: mark })
      return undefined
    })
  },
  async rotate(scene, { name, document }) {
    await scene.call(name, 'rotate', '', false, async () => {
      await document.rotateKeys()
      return undefined
    })
  },
  async compact(scene, { name, document }) {
    await scene.call(name, 'compact', '', false, async () => {
      const { stored, released } = await document.compact()
      return { detail: `${stored.length} stored whole, ${released} let go of` }
    })
  },
  async prune(scene, { name, document }) {
    await scene.call(name, 'prune', '', false, async () => {
      const { dropped } = await document.prune({ keepLast: scene.dice.between([1, 4]) })
      return { detail: `${dropped.length} dropped` }
    })
  },
  async collect(scene, { name, document }) {
    await scene.call(name, 'collect', '', false, async () => {
      const { deleted } = await document.collect({ graceMs: scene.dice.oneOf(scene.profile.graceMs) })
      return { detail: `${deleted.length} deleted` }
    })
  },
}

export async function update(scene: Scene, { name, document }: Process): Promise<Attempt> {
  const mark = scene.nextMark
  return await scene.call(name, 'update', mark, true, async (attempt) =>
    made(await document.update((now) => next(scene, attempt, now), { message: mark })),
  )
}

/** Commits a whole, whatever the document's changes are stored as: spelt as it is spelt here, or as somebody else would. */
async function push(scene: Scene, { name, document, store }: Process): Promise<void> {
  const mark = scene.nextMark
  await scene.call(name, 'push', mark, true, async (attempt) => {
    const now = await document.read()
    const change = next(scene, attempt, now?.value)
    const options = { parent: scene.dice.chance(0.5) ? (now ?? 'none') : 'any', message: mark } as const
    const whole = 'text' in change ? change : edited(now?.value.text, change)
    if (scene.matter !== KEYED_MATTER || scene.dice.chance(0.5)) {
      attempt.made = whole
      return made(await document.commit(whole, options))
    }
    const text = JSON.stringify(JSON.parse(whole.text), null, scene.dice.between([0, 1]))
    attempt.made = { ...whole, text }
    return made(await store.document(NAME, FOREIGN_BODIES).commit(Buffer.from(text), options))
  })
}

async function commitAny(scene: Scene, { name, document }: Process): Promise<void> {
  const mark = scene.nextMark
  await scene.call(name, 'commitAny', mark, true, async (attempt) =>
    made(await document.commit(next(scene, attempt, undefined, false), { parent: 'any', message: mark })),
  )
}

async function read(scene: Scene, { name, document }: Process): Promise<void> {
  await scene.call(name, 'read', '', false, async () => {
    const now = await document.read()
    return now === undefined ? { number: 0 } : { number: now.number, seenSeq: now.seenSeq, value: now.value }
  })
}

/** Takes the lock, works, gives it up or not, again and again. */
export async function hold(scene: Scene, process: Process): Promise<void> {
  const { machine, document } = process
  const { profile, chronicle } = scene
  while (scene.going) {
    await machine.sleep(scene.dice.upTo(profile.pauseMs))
    if (!scene.going) return
    const abort = new AbortController()
    if (scene.dice.chance(0.05)) machine.timer(scene.dice.upTo(4_000), () => abort.abort())
    const leaseMs = scene.dice.oneOf(profile.leasesMs)
    const heartbeat = scene.dice.chance(profile.heartbeat)
    const jobs = scene.dice.between(profile.work)
    const operation = jobs === 0 ? 'look' : 'work'
    const waitMs = Math.floor(scene.dice.upTo(profile.waitMs))
    let held: Held | undefined
    await scene.call(process.name, 'lock', '', false, async () => {
      held = await document.lock({ operation, leaseMs, heartbeat, waitMs, signal: abort.signal })
      chronicle.laws.start(held, machine)
      return { detail: `as ${held.owner.slice(0, 6)}, fence ${held.fence}` }
    })
    if (held === undefined) continue
    await workUnder(scene, process, held, jobs)
    if (scene.dice.chance(profile.leave)) held.leave()
    else await release(scene, process, held)
  }
}

async function workUnder(scene: Scene, process: Process, held: Held, jobs: number): Promise<void> {
  const { profile } = scene
  if (jobs === 0) await process.machine.sleep(scene.dice.upTo(profile.thinkMs))
  for (let left = jobs; left > 0 && scene.mayChange(); left--) {
    await process.machine.sleep(scene.dice.upTo(profile.thinkMs))
    if (scene.dice.chance(profile.remove)) {
      await removeUnder(scene, process, held)
      continue
    }
    if (!scene.mayChange()) break // others went on while it thought
    const size = Math.max(1, Math.min(scene.dice.between(profile.together), left, scene.room))
    left -= size - 1
    const committing = commitTogether(scene, process, held, size)
    if (left > 1 || !scene.dice.chance(profile.impatient)) await committing
  }
  if (!scene.dice.chance(0.05) || !scene.mayChange()) return
  // As a child process under the same owner id does.
  await scene.call(process.name, 'lockedBy', '', false, async () => {
    const borrowed = await process.document.lockedBy(held.owner)
    if (scene.mayChange()) await commitUnder(scene, process, borrowed)
    await borrowed.release()
    return undefined
  })
}

/** The first like a commit of its own; the others replace whatever those before have left there. */
async function commitTogether(scene: Scene, process: Process, held: Held, size: number): Promise<void> {
  await Promise.all(
    Array.from({ length: size }, (_, n) => commitUnder(scene, process, held, n > 0 ? 1 : scene.profile.parentAny)),
  )
}

/** @param parentAny How often its holder replaces whatever is there, and not what it saw last. */
export async function commitUnder(
  scene: Scene,
  { name }: Process,
  held: Held,
  parentAny: number = scene.profile.parentAny,
): Promise<void> {
  const mark = scene.nextMark
  const parent = scene.dice.chance(parentAny) ? ({ parent: 'any' } as const) : {}
  const what = 'parent' in parent ? 'commitAny' : 'commit'
  await scene.call(name, `held ${what}`, mark, true, async (attempt) =>
    made(await held.commit(next(scene, attempt, held.current?.value), { ...parent, message: mark })),
  )
}

async function removeUnder(scene: Scene, { name }: Process, held: Held): Promise<void> {
  const mark = scene.nextMark
  await scene.call(name, 'held delete', mark, false, async () => {
    await held.delete({ message: mark })
    return undefined
  })
}

async function release(scene: Scene, { name }: Process, held: Held): Promise<void> {
  await scene.call(name, 'release', '', false, async () => ({
    detail: (await held.release()) ? 'held to the end' : 'lost',
  }))
}

/** As many as there is room for. */
function batchSize(scene: Scene): number {
  return Math.max(0, Math.min(scene.dice.between(BATCH), scene.room))
}

/** @param seen False: it does not know what it replaces. */
function next(scene: Scene, attempt: Attempt, before: Content | undefined, seen = true): Made {
  attempt.made = scene.matter.next(scene.dice, scene.profile.large, attempt.mark, before, seen)
  return attempt.made
}

function made({ number }: Revision<unknown>): Brought {
  return { number }
}
