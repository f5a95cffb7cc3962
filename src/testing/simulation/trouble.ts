import { KeelstateError } from '../../core/errors.ts'
import type { LockRecord } from '../../locking/index.ts'
import type { Trouble } from './profiles.ts'
import type { Process, Scene } from './scene.ts'

/** Lets things happen to processes and to the lock's record, until it is over. */
export async function trouble(scene: Scene, processes: readonly Process[]): Promise<void> {
  const { troubleMs, troubles } = scene.profile
  if (troubleMs === 0 || processes.length === 0) return
  const { world } = scene.time
  let backup: LockRecord | undefined
  while (scene.going) {
    await world.sleep(scene.dice.upTo(2 * troubleMs))
    if (!scene.going) return
    if (backup === undefined || scene.dice.chance(0.3)) backup = scene.chronicle.record
    HAPPENS[scene.dice.pick(troubles)](scene, scene.dice.oneOf(processes), backup)
  }
}

const HAPPENS: Record<Trouble, (scene: Scene, process: Process, backup: LockRecord | undefined) => void> = {
  /** As by SIGSTOP: its clocks go on. */
  stop(scene, process) {
    if (!process.machine.stopped) suspend(scene, process, 'stopped')
  },
  /** As a machine whose lid is closed: its monotonic clock stands still. */
  sleep(scene, process) {
    fallAsleep(scene, process, 'asleep', { monotonic: true })
  },
  /** As a machine that is restored from a snapshot: both its clocks stand still. */
  freeze(scene, process) {
    fallAsleep(scene, process, 'frozen', { monotonic: true, wall: true })
  },
  /** It dies, perhaps in the middle of a request. */
  kill(scene, process) {
    if (process.dead || scene.processes.filter(({ dead }) => !dead).length < 2) return
    scene.chronicle.note(() => `${process.name} dies`)
    scene.kill(process)
  },
  jump(scene, { name, machine }) {
    const ms = Math.round((scene.time.random() - 0.5) * 2 * scene.profile.clocksMs)
    scene.chronicle.note(() => `the clock of ${name} jumps by ${ms} ms`)
    machine.jumpWall(ms)
  },
  /** Somebody breaks the lock of whoever holds it. */
  break(scene, process) {
    if (process.dead) return
    const { document, name } = process
    const owner = scene.chronicle.record?.owner
    if (!scene.chronicle.record?.held || owner === undefined) return
    scene.chronicle.note(() => `${name} breaks the lock of ${owner.slice(0, 6)}`)
    document.forceUnlock(owner).catch((error: unknown) => {
      if (!KeelstateError.is(error)) scene.chronicle.wrong(`forceUnlock ended with ${String(error)}`)
    })
  },
  lose(scene) {
    if (scene.chronicle.record === undefined) return
    scene.chronicle.note(() => 'the record of the lock is lost')
    scene.chronicle.changeLock(undefined)
  },
  restore(scene, _, backup) {
    if (backup === undefined) return
    scene.chronicle.note(() => `the record of the lock is restored from a backup: owner ${backup.owner.slice(0, 6)}`)
    scene.chronicle.changeLock(backup)
  },
}

/** Its clock may jump back as far as it slept: it cannot know when its lease ends. */
function fallAsleep(scene: Scene, process: Process, how: string, frozen: { monotonic: boolean; wall?: boolean }): void {
  const { machine } = process
  if (machine.stopped) return
  scene.chronicle.laws.dreamers.add(machine)
  suspend(scene, process, how, frozen)
}

function suspend(
  scene: Scene,
  process: Process,
  how: string,
  frozen: { monotonic?: boolean; wall?: boolean } = {},
): void {
  const ms = scene.dice.within(scene.profile.stopMs)
  scene.chronicle.note(() => `${process.name} is ${how} for ${Math.round(ms)} ms`)
  process.machine.stop(frozen)
  scene.time.world.timer(ms, () => resume(scene, process))
}

/** Lets a process go on that is not dead. */
export function resume(scene: Scene, process: Process): void {
  if (process.dead || !process.machine.stopped) return
  scene.chronicle.note(() => `${process.name} goes on`)
  process.machine.resume()
}
