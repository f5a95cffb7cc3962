import { randomBytes } from 'node:crypto'
import type { GcsEndpoint, GcsEngine } from '../../src/testing/index.ts'
import { required } from './engines.ts'

/** A service that speaks the JSON API of Google Cloud Storage, and lets everybody in. */
export interface GcsEngineUnderTest extends GcsEndpoint {
  readonly name: GcsEngine
  /** Makes an empty bucket and resolves to its name. Buckets are left: the engine of a test run does not outlive it. */
  newBucket(options?: { versioning?: boolean }): Promise<string>
}

/** `npm run test:engines` provides it. */
export const fakeGcsServer: GcsEngineUnderTest = engine('fake-gcs-server')

function engine(name: GcsEngine): GcsEngineUnderTest {
  const endpoint = required(`KEELSTATE_TEST_${name.toUpperCase().replaceAll('-', '_')}`)
  return {
    name,
    endpoint,
    async newBucket({ versioning = false } = {}) {
      const bucket = `keelstate-test-${randomBytes(8).toString('hex')}`
      const answer = await fetch(`${endpoint}/storage/v1/b?project=keelstate-test`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: bucket, versioning: { enabled: versioning } }),
      })
      if (!answer.ok) throw new Error(`${name} made no bucket: ${answer.status} ${await answer.text()}`)
      return bucket
    },
  }
}
