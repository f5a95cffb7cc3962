import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { cloudPlace } from './places.ts'
import { options, reduced } from './reduced.ts'

registerSuite(reduced(testVerdicts({ name: 'gcs on the fixture', open: () => cloudPlace('gs') }, options)), {
  describe,
  it: it.concurrent,
})
