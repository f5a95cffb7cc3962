import { randomBytes } from 'node:crypto'
import { describe, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { type ObjectStoreHarness, testObjectStore } from '../../src/testing/object-store.ts'
import type { FaultProxy } from '../../src/testing/proxy.ts'
import { registerSuite } from '../../src/testing/suite.ts'
import { count, reportCounts } from '../counts.ts'
import { type StoreEngine, startProxyBefore, storeEngines } from './stores.ts'

const ROUNDS = count(50, 5)
reportCounts(import.meta.filename, { 'rounds of races': ROUNDS })

for (const engine of storeEngines) {
  for (const versioning of [false, true]) {
    registerSuite(testObjectStore(harness(engine, versioning), { rounds: ROUNDS }), { describe, it }, 20 * 60_000)
  }
}

/** One bucket for the suite, a prefix and a proxy for each store: the proxy is what can leave a request without an answer. */
function harness(engine: StoreEngine, versioning: boolean): ObjectStoreHarness {
  const places = new WeakMap<ObjectStore, { prefix: string; proxy: FaultProxy }>()
  let made: Promise<string> | undefined
  const bucket = () => {
    made ??= engine.newBucket({ versioning })
    return made
  }
  const openAt = async ({ prefix, proxy }: { prefix: string; proxy: FaultProxy }) =>
    engine.open({ bucket: await bucket(), prefix, endpoint: proxy.endpoint })
  const { openDenied } = engine
  return {
    name: `${engine.name}, ${versioning ? 'versioned' : 'plain'} bucket`,
    async open() {
      const place = { prefix: randomBytes(8).toString('hex'), proxy: await startProxyBefore(engine) }
      const store = await openAt(place)
      places.set(store, place)
      return store
    },
    openAgain: (store) => openAt(places.get(store)!),
    openMissingBucket: async () => engine.open({ bucket: `${await bucket()}-missing` }),
    ...(openDenied && { openDenied: async () => openDenied(await bucket()) }),
    async stall(store) {
      places.get(store)!.proxy.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    },
    async dispose(store) {
      await places.get(store)!.proxy.close()
    },
  }
}
