import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { deployment } from '../../src/deployments/index.ts'
import { cloudOf } from '../clouds.ts'
import { Random } from '../core/random.ts'
import { count, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { cloudPlace, filePlace, type Place } from './places.ts'
import { resource } from './resources.ts'

const applier = await bundle(new URL('programs/applier.ts', import.meta.url))
const ROUNDS = count(300, 8)
reportCounts(import.meta.filename, { rounds: ROUNDS })
const IN_A_STORE = 60 // rounds: each verifies every revision there is, of which there are more each time
const AT_ONCE = 40 // resources that one process would create
const BEYOND = 6 // words more that it gets to say when its end is late

/** Runs a process that creates resources from `from` on, kills it, and tells what it had said. */
async function killed(
  place: Place,
  from: number,
  random: Random,
): Promise<{ done: number; begun: number; all: boolean }> {
  const { store, keys, memory, env } = place
  // By a word that it says, and a moment later: so deaths fall before, in and after each request, those of the release too.
  const lines = random.below(2 * AT_ONCE + 2)
  const args = [store, keys, memory, String(from), String(AT_ONCE), String(lines && lines + BEYOND)]
  const child = spawn(process.execPath, [applier, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const said = { done: from, begun: from, all: false }
  let heard = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, n] = line.split(' ')
    if (word === 'begin') said.begun = Number(n) + 1
    if (word === 'done') said.done = Number(n) + 1
    if (word === 'released') said.all = true
    if (++heard === lines) {
      await sleep(random.below(12))
      child.kill('SIGKILL')
    }
  }
  await closed
  await place.settled()
  return said
}

/** Lets processes die, one after another, and looks each time at what is left. */
async function outlive(
  place: Place,
  rounds: number,
  random: Random,
  sum: { dead: number; whole: number; made: number },
): Promise<void> {
  {
    await using store = await place.open()
    await store.init()
  }
  let from = 0
  for (let round = 1; round <= rounds; round++) {
    const { done, begun, all } = await killed(place, from, random)
    if (!all) sum.dead++
    await using store = await place.open()
    const prod = deployment(store, { factory: 'shop', stack: 'prod' })
    await prod.forceUnlock()
    const made = await prod.current().catch(() => undefined)
    const entries = made?.entries ?? []
    expect(entries, `round ${round}`).toEqual(entries.map((_, n) => resource(n)))
    expect(entries.length, `round ${round}`).toBeGreaterThanOrEqual(done)
    expect(entries.length, `round ${round}`).toBeLessThanOrEqual(begun)
    if (made === undefined) continue
    expect(await prod.document.verify()).toMatchObject({ ok: true, problems: [] })
    for (let n = 0; n < 3; n++) await prod.get((await prod.document.info(`@${1 + random.below(entries.length)}`)).id)
    if ((await prod.document.info('current')).base === undefined) sum.whole++
    from = entries.length
  }
  sum.made += from
}

it.each<[string, () => Promise<Place>]>([
  ['a folder', filePlace],
  ['a bucket', () => cloudPlace(cloudOf('s3'))],
])(
  `no finished resource is lost in %s when its process is killed at any moment (${ROUNDS} deaths)`,
  async (_, make) => {
    const random = new Random(7)
    const sum = { dead: 0, whole: 0, made: 0 }
    for (let left = ROUNDS; left > 0; left -= IN_A_STORE)
      await outlive(await make(), Math.min(left, IN_A_STORE), random, sum)
    expect(sum.dead).toBeGreaterThan(ROUNDS / 2)
    expect(sum.made).toBeGreaterThan(ROUNDS * 5)
    expect(sum.whole).toBeLessThan(ROUNDS)
  },
  30 * 60_000,
)
