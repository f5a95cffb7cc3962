// What a document loads on use: virtual time does not wait for modules.
import '../../src/core/collect.ts'
import '../../src/core/verify.ts'
import { decodeHeader, type HeadHeader } from '../../src/core/header.ts'
import { documentName, headKey, identityOf, lockKey } from '../../src/core/names.ts'
import type { Limits } from '../../src/core/retry.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { json, openStore, type Store, type VersionedDocument } from '../../src/index.ts'
import { type LockKey, type LockRecord, type LockStore, objectLockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import {
  MemoryLockTable,
  memoryLockStore,
  type VirtualMachine,
  VirtualNetwork,
  VirtualTime,
  type Weather,
} from '../../src/testing/index.ts'

export const STORE_ID: string = '5d'.repeat(16)
export const NAME = 'shop/prod'
export const KEY: LockKey = {
  storeId: STORE_ID,
  name: documentName(['shop', 'prod']),
  identity: identityOf(documentName(['shop', 'prod'])),
}
export const LOCK_OBJECT: string = lockKey(KEY.name)
export const HEAD: string = headKey(KEY.name)
export const LEASE_MS = 30_000
export const MARGIN_MS = 5_000

/** Where documents and lock records lie. */
export interface Place {
  readonly objects: ObjectStore
  /** Left out: lock objects beside the documents. */
  readonly locks?: LockStore
}

/** Memory, with the lock store that takes a lock in one request. */
export function tablePlace(
  bucket: MemoryBucket = new MemoryBucket(),
  table: MemoryLockTable = new MemoryLockTable(),
): Place {
  return { objects: memoryStore({ bucket }), locks: memoryLockStore(table) }
}

/** Memory, with lock objects. */
export function objectsPlace(bucket: MemoryBucket = new MemoryBucket()): Place {
  return { objects: memoryStore({ bucket }) }
}

/** A process of its own, on a machine of its own. */
export interface Process {
  readonly machine: VirtualMachine
  readonly store: Store
  readonly document: VersionedDocument<string>
}

export interface ProcessOptions {
  rate?: number
  limits?: Partial<Limits>
  /** What stands between this process's lease and the lock store. */
  locks?: (locks: LockStore) => LockStore
  /** The place as this process's requests find it, behind the network. */
  reaches?: (place: Place, machine: VirtualMachine) => Place
}

/** Processes in virtual time, and what lies between them. */
export class World {
  readonly time: VirtualTime
  readonly network: VirtualNetwork
  readonly place: Place

  constructor(place: Place, weather: Weather = {}, seed = 1) {
    this.place = place
    this.time = new VirtualTime({ seed })
    this.network = new VirtualNetwork(this.time, weather)
  }

  async process(options: ProcessOptions = {}): Promise<Process> {
    const { rate, limits, locks: wrap = (locks) => locks, reaches = (place) => place } = options
    const machine = this.time.machine(rate === undefined ? {} : { rate })
    const { objects, locks } = reaches(this.place, machine)
    const reached = this.network.objectStore(machine, objects)
    const store = await openStore({
      store: reached,
      lock: wrap(locks === undefined ? objectLockStore(reached) : this.network.lockStore(machine, locks)),
      keys: 'plaintext',
      storeId: STORE_ID,
      memory: false,
      by: 'somebody',
      environment: machine,
      ...(limits === undefined ? {} : { limits }),
    })
    return { machine, store, document: store.document(NAME, json<string>()) }
  }

  /** What stands in the lock's record, whatever the network does. */
  async record(): Promise<LockRecord | undefined> {
    const locks = this.place.locks ?? objectLockStore(this.place.objects)
    return (await this.time.during(locks.read(KEY)))?.record
  }

  /** The clear header of the stored head, whatever the network does. */
  async head(): Promise<HeadHeader | undefined> {
    const stored = await this.time.during(this.place.objects.get(HEAD))
    return typeof stored === 'object' ? (decodeHeader(stored.bytes, HEAD).header as HeadHeader) : undefined
  }

  /** Lets time pass until `work` has ended. */
  async finish<T>(work: Promise<T>): Promise<T> {
    return await this.time.finish(work)
  }
}
