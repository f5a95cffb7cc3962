import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { fileHarness } from './harness.ts'

const rounds = count(200, 10)
reportCounts(import.meta.filename, { 'rounds of races': rounds })

registerSuite(testObjectStore(fileHarness(), { rounds }), {
  describe,
  it,
})
