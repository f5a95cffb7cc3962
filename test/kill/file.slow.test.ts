import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { count, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { filePlace, type Place } from './places.ts'
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

const writer = await bundle(new URL('programs/writer.ts', import.meta.url))
const ROUNDS = count(600, 42)
const STORES = count(200, 12)
reportCounts(
  import.meta.filename,
  { 'processes killed at work': ROUNDS, 'killed while they make a store': STORES },
  '7–10',
)
const TIMEOUT_MS = 30 * 60_000

it(
  `${ROUNDS} processes that push, roll back or collect are killed: after each the document holds what was acknowledged, and at most one change more`,
  async () => {
    const place = await filePlace()
    const tally = await killAtRandom(writer, place, ROUNDS)
    expectEverywhere(tally, ROUNDS)
    await expectNoLeftovers(place)
  },
  TIMEOUT_MS,
)

it.each(Object.entries(SINGLE))(
  'a process that %s dies at each of its requests: the change is there or it is not, and the next process goes on',
  async (_, work) => {
    const place = await filePlace()
    expectBothEnds(await killAtEachRequest(writer, place, work), work)
    await expectNoLeftovers(place)
  },
  TIMEOUT_MS,
)

it(
  `${STORES} processes that make a store and its first revisions are killed: the store can be made after each, and is never made anew`,
  async () => expectEverywhere(await killWhileMade(writer, filePlace, STORES), STORES),
  TIMEOUT_MS,
)

it('a process that makes a store and its first revision dies at each of its requests: the store can be made, and is never made anew', async () => {
  expectAtEachRequest(await killAtEachRequestWhileMade(writer, filePlace))
})

/** Once somebody has collected, the folder holds one file for each object, and nothing of the dead. */
async function expectNoLeftovers(place: Place): Promise<void> {
  const objects = place.objects()
  await objects.delete([]) // sweeps
  const { objects: listed, cursor } = await objects.list('')
  expect(cursor).toBeUndefined()
  const root = objects.address.slice('file:'.length)
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  expect(files, files.join('\n')).toHaveLength(listed.length)
}
