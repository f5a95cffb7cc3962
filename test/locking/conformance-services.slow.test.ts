import { afterAll, beforeAll, describe, it } from 'vitest'
import { registerSuite, testLockStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { fileHarness } from '../file/harness.ts'
import { fixtureHarness as gcsHarness } from '../gcs/fixture-harness.ts'
import { fixtureHarness as s3Harness } from '../s3/fixture-harness.ts'
import { dynamoHarness, startDynalite } from './dynamo.ts'
import { objectLocks } from './harness.ts'

const options = { rounds: count(100, 5) }
reportCounts(import.meta.filename, { 'rounds of races': options.rounds })

let dynalite: Awaited<ReturnType<typeof startDynalite>>
beforeAll(async () => {
  dynalite = await startDynalite()
})
afterAll(() => dynalite.close())

const harnesses = [
  objectLocks(fileHarness()),
  objectLocks(s3Harness('the S3 fixture')),
  objectLocks(gcsHarness('the Google Cloud Storage fixture')),
  dynamoHarness('dynamodb on dynalite', () => dynalite),
]
for (const harness of harnesses) registerSuite(testLockStore(harness, options), { describe, it })
