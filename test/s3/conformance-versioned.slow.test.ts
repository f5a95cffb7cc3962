import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { fixtureHarness } from './fixture-harness.ts'

const rounds = count(200, 20)
reportCounts(import.meta.filename, { 'rounds of races': rounds })

registerSuite(
  testObjectStore(fixtureHarness('s3 on the fixture, versioned', 'enabled'), { rounds, bigBytes: 3 * 1024 * 1024 }),
  { describe, it },
)
