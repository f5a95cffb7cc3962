import { expect, it } from 'vitest'
import { count, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { s3Place } from './places.ts'
import { SINGLE } from './scripts.ts'
import {
  expectEverywhere,
  killAtEachRequest,
  killAtEachRequestWhileMade,
  killAtRandom,
  killWhileMade,
} from './trials.ts'

const writer = await bundle(new URL('programs/writer.ts', import.meta.url))
const ROUNDS = count(200, 15)
const STORES = count(100, 8)
reportCounts(
  import.meta.filename,
  { 'processes killed at work': ROUNDS, 'killed while they make a store': STORES },
  '7–10',
)
const TIMEOUT_MS = 30 * 60_000

it(
  `${ROUNDS} processes that push to a bucket, roll back or collect are killed: after each the document holds what was acknowledged, and at most one change more`,
  async () => expectEverywhere(await killAtRandom(writer, await s3Place(), ROUNDS), ROUNDS),
  TIMEOUT_MS,
)

it.each(Object.entries(SINGLE))(
  'a process that %s in a bucket dies at each of its requests: the change is there or it is not, and the next process goes on',
  async (_, work) => {
    const { landed, lost } = await killAtEachRequest(writer, await s3Place(), work)
    expect(Math.min(landed, lost), JSON.stringify({ landed, lost })).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)

it(
  `${STORES} processes that make a store in a bucket are killed: it can be made after each, and is never made anew`,
  async () => expectEverywhere(await killWhileMade(writer, s3Place, STORES), STORES),
  TIMEOUT_MS,
)

it('a process that makes a store in a bucket dies at each of its requests: it can be made after that, and is never made anew', async () => {
  expect(await killAtEachRequestWhileMade(writer, s3Place)).toMatchObject({ landed: 1, during: 12 })
})
