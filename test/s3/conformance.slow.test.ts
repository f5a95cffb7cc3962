import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { fixtureHarness } from './fixture-harness.ts'

const rounds = count(200, 5)
reportCounts(import.meta.filename, { 'rounds of races': rounds })

registerSuite(testObjectStore(fixtureHarness('s3 on the fixture'), { rounds, bigBytes: 3 * 1024 * 1024 }), {
  describe,
  it,
})
