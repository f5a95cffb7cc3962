import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { fileHarness } from './harness.ts'

registerSuite(testObjectStore(fileHarness(), { rounds: Number(process.env.KEELSTATE_PROVE ? 200 : 10) }), {
  describe,
  it,
})
