import { describe, it } from 'vitest'
import { registerSuite, testVerdicts } from '../../src/testing/index.ts'
import { filePlace } from './places.ts'
import { options, reduced } from './reduced.ts'

registerSuite(reduced(testVerdicts({ name: 'file', open: filePlace }, options)), { describe, it: it.concurrent })
