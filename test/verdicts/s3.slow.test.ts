import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { s3FixturePlace } from './places.ts'
import { options, reduced } from './reduced.ts'

registerSuite(reduced(testVerdicts({ name: 's3 on the fixture', open: s3FixturePlace }, options)), {
  describe,
  it: it.concurrent,
})
