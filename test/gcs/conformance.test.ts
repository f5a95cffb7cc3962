import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { fixtureHarness } from './fixture-harness.ts'

const rounds = Number(process.env.KEELSTATE_PROVE ? 200 : 2)

registerSuite(testObjectStore(fixtureHarness('gcs on the fixture'), { rounds, bigBytes: 3 * 1024 * 1024 }), {
  describe,
  it,
})
