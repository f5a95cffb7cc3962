import type { ObjectStore } from '../core/store.ts'
import { bodyCases } from './object-store/bodies.ts'
import { concurrencyCases } from './object-store/concurrency.ts'
import type { ObjectStoreContext } from './object-store/context.ts'
import { deletingCases } from './object-store/deleting.ts'
import { listingCases } from './object-store/listing.ts'
import { preconditionCases } from './object-store/preconditions.ts'
import { refusalCases } from './object-store/refusals.ts'
import { tokenCases } from './object-store/tokens.ts'
import type { Manifest, Suite } from './suite.ts'

/**
 * How the suite gets hold of the driver under test.
 *
 * Every store that the suite opened is closed by it. The optional members make places that are broken in one way; the suite tries what
 * can be made and reports the rest as not applicable.
 */
export interface ObjectStoreHarness {
  /** Names the driver and what it stands on, such as `s3 on MinIO`. */
  readonly name: string
  /** Opens a store on a place of its own that holds no object. Called once per case, and once to read the capabilities. */
  open(): Promise<ObjectStore>
  /** Opens another handle on the place of `store`, which may be closed by now. Required of a driver that claims `durable`. */
  openAgain?(store: ObjectStore): Promise<ObjectStore>
  /** Opens a store on a bucket or folder that does not exist. */
  openMissingBucket?(): Promise<ObjectStore>
  /** Opens a store on a place that exists and where the caller may do nothing. */
  openDenied?(): Promise<ObjectStore>
  /** Lets the service take what `store` sends from now on without ever answering. */
  stall?(store: ObjectStore): Promise<void>
  /** Removes the place of a store that `open` made, after the store was closed. */
  dispose?(store: ObjectStore): Promise<void>
}

export interface ObjectStoreSuiteOptions {
  /** How often each race is run; default 20. */
  rounds?: number | undefined
  /** Size in bytes of what counts as a big body; default 5 MiB. */
  bigBytes?: number | undefined
}

const HANDLES = 4 // handles among which a race is spread

/**
 * The conformance suite of the `ObjectStore` port: each sentence of its contract as a case, tried through `store.capabilities`.
 *
 * ```ts
 * import { describe, it } from 'vitest'
 * registerSuite(testObjectStore({ name: 'my driver', open: async () => myStore() }), { describe, it })
 * ```
 */
export function testObjectStore(
  harness: ObjectStoreHarness,
  options: ObjectStoreSuiteOptions = {},
): Suite<ObjectStoreContext> {
  const { rounds = 20, bigBytes = 5 * 1024 * 1024 } = options
  const opened = new WeakMap<ObjectStoreContext, { stores: ObjectStore[]; place: ObjectStore }>()
  let manifest: Promise<Manifest> | undefined
  return {
    name: `ObjectStore: ${harness.name}`,
    cases: [
      ...bodyCases,
      ...tokenCases,
      ...preconditionCases,
      ...listingCases,
      ...deletingCases,
      ...concurrencyCases,
      ...refusalCases,
    ],
    manifest() {
      manifest ??= readManifest(harness)
      return manifest
    },
    async open() {
      const place = await harness.open()
      const stores = [place]
      const keep = async (make: (() => Promise<ObjectStore>) | undefined, member: string) => {
        if (make === undefined) throw new TypeError(`The harness of ${harness.name} has no ${member}.`)
        const store = await make()
        stores.push(store)
        return store
      }
      const again = harness.openAgain?.bind(harness, place)
      let handles: Promise<ObjectStore[]> | undefined
      const openHandles = async () => {
        if (again === undefined) return [place]
        return [place, ...(await Promise.all(Array.from({ length: HANDLES - 1 }, () => keep(again, 'openAgain'))))]
      }
      const context: ObjectStoreContext = {
        store: place,
        handles() {
          handles ??= openHandles()
          return handles
        },
        openAgain: () => keep(again, 'openAgain'),
        openMissingBucket: () => keep(harness.openMissingBucket?.bind(harness), 'openMissingBucket'),
        openDenied: () => keep(harness.openDenied?.bind(harness), 'openDenied'),
        async stall() {
          await harness.stall?.(place)
        },
        rounds,
        bigBytes,
      }
      opened.set(context, { stores, place })
      return context
    },
    async close(context) {
      const { stores, place } = opened.get(context)!
      await Promise.all(stores.map((store) => store.close()))
      await harness.dispose?.(place)
    },
  }
}

/** What the driver claims, and what the harness can make. */
async function readManifest(harness: ObjectStoreHarness): Promise<Manifest> {
  const store = await harness.open()
  try {
    const { conditionalPut, conditionalGet, durable } = store.capabilities
    return {
      conditionalPut,
      conditionalGet,
      durable,
      again: harness.openAgain !== undefined,
      missingBucket: harness.openMissingBucket !== undefined,
      denied: harness.openDenied !== undefined,
      stall: harness.stall !== undefined,
    }
  } finally {
    await store.close()
    await harness.dispose?.(store)
  }
}
