import { it } from 'vitest'
import type { Cloud } from '../clouds.ts'
import { count, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { cloudPlace } from './places.ts'
import { SINGLE } from './scripts.ts'
import {
  expectAtEachRequest,
  expectBothEnds,
  expectEverywhere,
  killAtEachRequest,
  killAtEachRequestWhileMade,
  killAtRandom,
  killWhileMade,
} from './trials.ts'

const ROUNDS = count(200, 40)
const STORES = count(100, 8)
const TIMEOUT_MS = 30 * 60_000

/**
 * What a store in a bucket owes to those who go on after a process was killed: register at the top of a file.
 *
 * @param file `import.meta.filename` of that file.
 */
export async function killsInABucketOf(cloud: Cloud, file: string): Promise<void> {
  const counts = { 'processes killed at work': ROUNDS, 'killed while they make a store': STORES }
  reportCounts(file, counts, '7–10')
  const writer = await bundle(new URL('programs/writer.ts', import.meta.url))
  const place = () => cloudPlace(cloud)

  it(
    `${ROUNDS} processes that push to a bucket, roll back or collect are killed: after each the document holds what was acknowledged, and at most one change more`,
    async () => expectEverywhere(await killAtRandom(writer, await place(), ROUNDS), ROUNDS),
    TIMEOUT_MS,
  )

  it.each(Object.entries(SINGLE))(
    'a process that %s in a bucket dies at each of its requests: the change is there or it is not, and the next process goes on',
    async (_, work) => {
      expectBothEnds(await killAtEachRequest(writer, await place(), work), work)
    },
    TIMEOUT_MS,
  )

  it(
    `${STORES} processes that make a store in a bucket are killed: it can be made after each, and is never made anew`,
    async () => expectEverywhere(await killWhileMade(writer, place, STORES), STORES),
    TIMEOUT_MS,
  )

  it('a process that makes a store in a bucket dies at each of its requests: it can be made after that, and is never made anew', async () => {
    expectAtEachRequest(await killAtEachRequestWhileMade(writer, place))
  })
}
