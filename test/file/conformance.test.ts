import { describe, it } from 'vitest'
import { registerSuite, testObjectStore } from '../../src/testing/index.ts'
import { fileHarness } from './harness.ts'

registerSuite(testObjectStore(fileHarness()), { describe, it })
