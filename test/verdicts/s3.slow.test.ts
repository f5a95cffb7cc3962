import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { cloudPlace } from './places.ts'
import { options, reduced } from './reduced.ts'

registerSuite(reduced(testVerdicts({ name: 's3 on the fixture', open: () => cloudPlace('s3') }, options)), {
  describe,
  it: it.concurrent,
})
