import { randomBytes } from 'node:crypto'
import { S3Client } from '@aws-sdk/client-s3'
import { describe, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { s3Store } from '../../src/s3/index.ts'
import { type ObjectStoreHarness, testObjectStore } from '../../src/testing/object-store.ts'
import { type FaultProxy, startFaultProxy } from '../../src/testing/proxy.ts'
import { registerSuite } from '../../src/testing/suite.ts'
import { count, type EngineUnderTest, engines } from './engines.ts'

for (const engine of engines) {
  for (const versioning of [false, true]) {
    registerSuite(
      testObjectStore(harness(engine, versioning), { rounds: count(50, 10) }),
      { describe, it },
      20 * 60_000,
    )
  }
}

/** One bucket for the suite, a prefix and a proxy for each store: the proxy is what can leave a request without an answer. */
function harness(engine: EngineUnderTest, versioning: boolean): ObjectStoreHarness {
  const { region, credentials } = engine
  const places = new WeakMap<ObjectStore, { prefix: string; proxy: FaultProxy }>()
  let made: Promise<string> | undefined
  const bucket = () => {
    made ??= engine.newBucket({ versioning })
    return made
  }
  return {
    name: `s3 on ${engine.name}, ${versioning ? 'versioned' : 'plain'} bucket`,
    async open() {
      const place = { prefix: randomBytes(8).toString('hex'), proxy: await startFaultProxy(engine.endpoint) }
      const { prefix, proxy } = place
      const store = s3Store({ bucket: await bucket(), prefix, endpoint: proxy.endpoint, region, credentials })
      places.set(store, place)
      return store
    },
    async openAgain(store) {
      const { prefix, proxy } = places.get(store)!
      return s3Store({ bucket: await bucket(), prefix, endpoint: proxy.endpoint, region, credentials })
    },
    async openMissingBucket() {
      return s3Store({ bucket: `${await bucket()}-missing`, endpoint: engine.endpoint, region, credentials })
    },
    // LocalStack lets everybody in; see the deviations of the S3 matrix.
    ...(engine.name === 'minio'
      ? { openDenied: async () => s3Store({ bucket: await bucket(), client: anonymous(engine) }) }
      : {}),
    async stall(store) {
      places.get(store)!.proxy.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    },
    async dispose(store) {
      await places.get(store)!.proxy.close()
    },
  }
}

/** A client that nobody knows: a service that checks permissions gives it none. */
function anonymous({ endpoint, region, credentials }: EngineUnderTest): S3Client {
  const signer = { sign: async <T>(request: T) => request }
  return new S3Client({ endpoint, region, credentials, signer, forcePathStyle: true, maxAttempts: 1 })
}
