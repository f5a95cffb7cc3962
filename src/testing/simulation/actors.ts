import type { LockedDocument } from '../../core/locked-document.ts'
import type { Revision } from '../../core/revision.ts'
import type { Call } from './profiles.ts'
import type { Brought, Process, Scene, Value } from './scene.ts'

const LARGE_BYTES = 9_000 // more than travels in the head
const BATCH = [2, 5] as const

/** Does what these weights say, until there is enough. */
export async function work(scene: Scene, process: Process, calls: Partial<Record<Call, number>>): Promise<void> {
  const { pauseMs } = scene.profile
  while (scene.going) {
    await process.machine.sleep(scene.upTo(pauseMs))
    if (!scene.going) return
    await CALLS[scene.pick(calls)](scene, process)
  }
}

const CALLS: Record<Call, (scene: Scene, process: Process) => Promise<unknown>> = {
  async commit(scene, { name, document }) {
    if (!scene.mayChange(1)) return
    const mark = scene.nextMark
    await scene.call(name, 'commit', mark, true, async () => {
      const now = await document.read()
      return made(await document.commit(next(scene, mark, now?.value), { parent: now ?? 'none', message: mark }))
    })
  },
  async commitAny(scene, process) {
    if (scene.mayChange(1)) await commitAny(scene, process)
  },
  async update(scene, process) {
    if (scene.mayChange(1)) await update(scene, process)
  },
  async batch(scene, process) {
    const size = scene.between(BATCH)
    if (!scene.mayChange(size)) return
    await Promise.all(
      Array.from({ length: size }, () => (scene.chance(0.75) ? update(scene, process) : commitAny(scene, process))),
    )
  },
  async batchAny(scene, process) {
    const size = scene.between(BATCH)
    if (!scene.mayChange(size)) return
    await Promise.all(Array.from({ length: size }, () => commitAny(scene, process)))
  },
  async rollback(scene, { name, document }) {
    if (!scene.mayChange(1)) return
    const mark = scene.nextMark
    await scene.call(name, 'rollback', mark, true, async () =>
      made(await document.rollback(`current~${scene.between([1, 2])}`, { message: mark })),
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
    const second = process.machine.sleep(scene.upTo(60)).then(() => read(scene, process))
    await Promise.all([read(scene, process), second])
  },
  async revision(scene, { name, document }) {
    const newest = scene.chronicle.heads.length
    const reference = `@${scene.between([Math.max(1, newest - 6), Math.max(1, newest)])}`
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
  async prune(scene, { name, document }) {
    await scene.call(name, 'prune', '', false, async () => {
      const { dropped } = await document.prune({ keepLast: scene.between([1, 4]) })
      return { detail: `${dropped.length} dropped` }
    })
  },
  async collect(scene, { name, document }) {
    await scene.call(name, 'collect', '', false, async () => {
      const { deleted } = await document.collect({ graceMs: scene.oneOf(scene.profile.graceMs) })
      return { detail: `${deleted.length} deleted` }
    })
  },
}

async function update(scene: Scene, { name, document }: Process): Promise<void> {
  const mark = scene.nextMark
  await scene.call(name, 'update', mark, true, async () =>
    made(await document.update((now) => next(scene, mark, now), { message: mark })),
  )
}

async function commitAny(scene: Scene, { name, document }: Process): Promise<void> {
  const mark = scene.nextMark
  await scene.call(name, 'commitAny', mark, true, async () =>
    made(await document.commit(next(scene, mark, undefined), { parent: 'any', message: mark })),
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
    await machine.sleep(scene.upTo(profile.pauseMs))
    if (!scene.going) return
    const abort = new AbortController()
    if (scene.chance(0.05)) machine.timer(scene.upTo(4_000), () => abort.abort())
    const leaseMs = scene.oneOf(profile.leasesMs)
    const heartbeat = scene.chance(profile.heartbeat)
    const jobs = scene.between(profile.work)
    const operation = jobs === 0 ? 'look' : 'work'
    const waitMs = Math.floor(scene.upTo(profile.waitMs))
    let held: LockedDocument<Value> | undefined
    await scene.call(process.name, 'lock', '', false, async () => {
      held = await document.lock({ operation, leaseMs, heartbeat, waitMs, signal: abort.signal })
      chronicle.laws.start(held, machine)
      return { detail: `as ${held.owner.slice(0, 6)}, fence ${held.fence}` }
    })
    if (held === undefined) continue
    await workUnder(scene, process, held, jobs)
    if (scene.chance(profile.leave)) held.leave()
    else await release(scene, process, held)
  }
}

async function workUnder(scene: Scene, process: Process, held: LockedDocument<Value>, jobs: number): Promise<void> {
  const { profile } = scene
  if (jobs === 0) await process.machine.sleep(scene.upTo(profile.thinkMs))
  for (let left = jobs; left > 0 && scene.mayChange(1); left--) {
    await process.machine.sleep(scene.upTo(profile.thinkMs))
    const committing = commitUnder(scene, process, held)
    if (left > 1 || !scene.chance(profile.impatient)) await committing
  }
  if (!scene.chance(0.05) || !scene.mayChange(1)) return
  // As a child process under the same owner id does.
  await scene.call(process.name, 'lockedBy', '', false, async () => {
    const borrowed = await process.document.lockedBy(held.owner)
    await commitUnder(scene, process, borrowed)
    await borrowed.release()
    return undefined
  })
}

/** @param held Its holder replaces what it saw last, or whatever is there. */
export async function commitUnder(scene: Scene, { name }: Process, held: LockedDocument<Value>): Promise<void> {
  const mark = scene.nextMark
  const parent = scene.chance(scene.profile.parentAny) ? ({ parent: 'any' } as const) : {}
  const what = 'parent' in parent ? 'commitAny' : 'commit'
  await scene.call(name, `held ${what}`, mark, true, async () =>
    made(await held.commit(next(scene, mark, held.current?.value), { ...parent, message: mark })),
  )
}

async function release(scene: Scene, { name }: Process, held: LockedDocument<Value>): Promise<void> {
  await scene.call(name, 'release', '', false, async () => ({
    detail: (await held.release()) ? 'held to the end' : 'lost',
  }))
}

function next(scene: Scene, mark: string, before: Value | undefined): Value {
  const large = scene.chance(scene.profile.large)
  return {
    counter: (before?.counter ?? 0) + 1,
    mark,
    pad: 'x'.repeat(large ? LARGE_BYTES : 20 + scene.between([0, 100])),
  }
}

function made({ number }: Revision<Value>): Brought {
  return { number }
}
