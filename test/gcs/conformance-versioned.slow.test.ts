import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { fixtureHarness } from './fixture-harness.ts'

const rounds = Number(process.env.KEELSTATE_PROVE ? 200 : 50)

registerSuite(
  testObjectStore(fixtureHarness('gcs on the fixture, versioned', true), { rounds, bigBytes: 3 * 1024 * 1024 }),
  { describe, it },
)
