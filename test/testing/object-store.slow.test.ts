import { expect, it } from 'vitest'
import { memoryStore } from '../../src/memory/index.ts'
import { runSuite, testObjectStore } from '../../src/testing/index.ts'
import { BROKEN_DRIVERS, type BrokenDriver } from './broken-drivers.ts'

const CASE_TIMEOUT_MS = 8_000 // a mistake may make a case wait for ever
const OPTIONS = { rounds: 8, bigBytes: 200_000 }

async function failuresOf(driver: BrokenDriver): Promise<string[]> {
  const { results } = await runSuite(testObjectStore(driver.harness, OPTIONS), CASE_TIMEOUT_MS)
  return results.filter((result) => result.outcome === 'failed').map((result) => result.name)
}

it.each(BROKEN_DRIVERS)('a driver that $mistake does not pass: "$noticedBy"', async (driver) => {
  expect((await failuresOf(driver)).join('\n')).toContain(driver.noticedBy)
})

it('every case of the suite is one that some mistake fails', () => {
  const { cases } = testObjectStore({ name: 'memory', open: async () => memoryStore() })
  const unproven = cases.filter((entry) => !BROKEN_DRIVERS.some((driver) => entry.name.includes(driver.noticedBy)))
  expect(unproven.map((entry) => entry.name)).toEqual([])
})
