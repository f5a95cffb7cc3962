import type { LockKey, LockStore } from '../locking/index.ts'
import { acquiringCases } from './lock-store/acquiring.ts'
import { conditionCases } from './lock-store/conditions.ts'
import type { LockStoreContext } from './lock-store/context.ts'
import { recordCases } from './lock-store/records.ts'
import { refusalCases } from './lock-store/refusals.ts'
import type { Manifest, Suite } from './suite.ts'

/**
 * How the suite gets hold of the lock store under test.
 *
 * Every lock store that the suite opened is closed by it. The optional members make places that are broken in one way; the suite tries what
 * can be made and reports the rest as not applicable.
 */
export interface LockStoreHarness {
  /** Names the lock store and what it stands on, such as `dynamodb on DynamoDB Local`. */
  readonly name: string
  /** Records of several stores lie in one place. */
  readonly manyStores?: boolean
  /** Opens a lock store on a place of its own that holds no record. Called once per case, and once to see what it can do. */
  open(): Promise<LockStore>
  /** Opens another handle on the place of `locks`, which may be closed by now. */
  openAgain?(locks: LockStore): Promise<LockStore>
  /** Opens a lock store on a table or bucket that does not exist. */
  openMissingPlace?(): Promise<LockStore>
  /** Opens a lock store on a place that exists and where the caller may do nothing. */
  openDenied?(): Promise<LockStore>
  /** Lets the service take what `locks` sends from now on without ever answering. */
  stall?(locks: LockStore): Promise<void>
  /** Makes the record at `key` unreadable, behind the back of `locks`. */
  damage?(locks: LockStore, key: LockKey): Promise<void>
  /** Removes the place of a lock store that `open` made, after it was closed. */
  dispose?(locks: LockStore): Promise<void>
}

export interface LockStoreSuiteOptions {
  /** How often each race is run; default 20. */
  rounds?: number | undefined
  /** How many records a long listing has; default 1,100: more than a page of object keys, and than DynamoDB's 1 MB of items. */
  many?: number | undefined
}

const HANDLES = 4 // handles among which a race is spread

/**
 * The conformance suite of the `LockStore` port: each sentence of its contract as a case. The cases about taking a lock in one request apply to lock stores
 * that have `acquire`.
 *
 * ```ts
 * import { describe, it } from 'vitest'
 * registerSuite(testLockStore({ name: 'my locks', open: async () => myLockStore() }), { describe, it })
 * ```
 */
export function testLockStore(harness: LockStoreHarness, options: LockStoreSuiteOptions = {}): Suite<LockStoreContext> {
  const { rounds = 20, many = 1_100 } = options
  const opened = new WeakMap<LockStoreContext, { all: LockStore[]; place: LockStore }>()
  let manifest: Promise<Manifest> | undefined
  return {
    name: `LockStore: ${harness.name}`,
    cases: [...recordCases, ...conditionCases, ...acquiringCases, ...refusalCases],
    manifest() {
      manifest ??= readManifest(harness)
      return manifest
    },
    async open() {
      const place = await harness.open()
      const all = [place]
      const keep = async (make: (() => Promise<LockStore>) | undefined, member: string) => {
        if (make === undefined) throw new TypeError(`The harness of ${harness.name} has no ${member}.`)
        const locks = await make()
        all.push(locks)
        return locks
      }
      const again = harness.openAgain?.bind(harness, place)
      let handles: Promise<LockStore[]> | undefined
      const openHandles = async () => {
        if (again === undefined) return [place]
        return [place, ...(await Promise.all(Array.from({ length: HANDLES - 1 }, () => keep(again, 'openAgain'))))]
      }
      const context: LockStoreContext = {
        locks: place,
        handles() {
          handles ??= openHandles()
          return handles
        },
        openAgain: () => keep(again, 'openAgain'),
        openMissingPlace: () => keep(harness.openMissingPlace?.bind(harness), 'openMissingPlace'),
        openDenied: () => keep(harness.openDenied?.bind(harness), 'openDenied'),
        async stall() {
          await harness.stall?.(place)
        },
        async damage(key) {
          await harness.damage?.(place, key)
        },
        rounds,
        many,
      }
      opened.set(context, { all, place })
      return context
    },
    async close(context) {
      const { all, place } = opened.get(context)!
      await Promise.all(all.map((locks) => locks.close()))
      await harness.dispose?.(place)
    },
  }
}

/** What the lock store can do, and what the harness can make. */
async function readManifest(harness: LockStoreHarness): Promise<Manifest> {
  const locks = await harness.open()
  try {
    return {
      oneRequest: locks.acquire !== undefined,
      manyStores: harness.manyStores === true,
      again: harness.openAgain !== undefined,
      missingPlace: harness.openMissingPlace !== undefined,
      denied: harness.openDenied !== undefined,
      stall: harness.stall !== undefined,
      damage: harness.damage !== undefined,
    }
  } finally {
    await locks.close()
    await harness.dispose?.(locks)
  }
}
