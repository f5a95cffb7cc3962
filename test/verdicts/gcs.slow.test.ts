import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { reportCounts } from '../counts.ts'
import { cloudPlace } from './places.ts'
import { options, reduced } from './reduced.ts'

reportCounts(import.meta.filename, { 'writes of others': options.others! })

registerSuite(reduced(testVerdicts({ name: 'gcs on the fixture', open: () => cloudPlace('gs') }, options)), {
  describe,
  it: it.concurrent,
})
