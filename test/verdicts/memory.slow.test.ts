import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { memoryPlace } from './places.ts'

// Writes of others: more than the 64 whose ids a head keeps, and than one spill; the whole number in the full proof.
const others = count(300, 130)
reportCounts(import.meta.filename, { 'writes of others': others })

const suite = testVerdicts({ name: 'memory', open: async () => memoryPlace() }, { others })
registerSuite(suite, { describe, it: it.concurrent })
