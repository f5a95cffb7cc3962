import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { reportCounts } from '../counts.ts'
import { filePlace } from './places.ts'
import { options, reduced } from './reduced.ts'

reportCounts(import.meta.filename, { 'writes of others': options.others! })

registerSuite(reduced(testVerdicts({ name: 'file', open: filePlace }, options)), { describe, it: it.concurrent })
