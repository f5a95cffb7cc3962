import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { memoryPlace } from './places.ts'

// Writes of others: more than the 64 whose ids a head keeps, and than one spill; the whole number in the full proof.
const others = process.env.KEELSTATE_PROVE === undefined ? 130 : 300

const suite = testVerdicts({ name: 'memory', open: async () => memoryPlace() }, { others })
registerSuite(suite, { describe, it: it.concurrent })
