import { expect } from 'vitest'
import {
  json,
  KeelstateError,
  type ObjectStore,
  openStore,
  type Store,
  type VersionedDocument,
} from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import {
  type CountingStore,
  countingStore,
  type FaultMatch,
  type FaultyStore,
  faultyStore,
} from '../../src/testing/index.ts'
import { VirtualTime } from './virtual-time.ts'

export const STORE_ID = '00112233445566778899aabbccddeeff'
export const HEAD = 'heads/state/doc/~'
export const WRITES: FaultMatch = { operation: 'PutObject', key: HEAD }
export const READS: FaultMatch = { operation: 'GetObject', key: HEAD }
export const UPLOADS: FaultMatch = { operation: 'PutObject', key: 'objects/*' }
export const ALWAYS: FaultMatch = { times: Number.POSITIVE_INFINITY }

/** A bucket, a process that works on it through counters, faults and a clock of the test's, and others that come and go. */
export interface Workbench {
  readonly bucket: MemoryBucket
  readonly time: VirtualTime
  readonly counted: CountingStore
  readonly faulty: FaultyStore
  readonly store: Store
  readonly doc: VersionedDocument<string>
  /** A process of its own, on a clean way and the real clock. */
  elsewhere(name?: string): Promise<VersionedDocument<string>>
}

export async function workbench(): Promise<Workbench> {
  const bucket = new MemoryBucket()
  const time = new VirtualTime()
  const faulty = faultyStore(memoryStore({ bucket }), time)
  const counted = countingStore(faulty)
  const store = await open(counted, time)
  return {
    bucket,
    time,
    counted,
    faulty,
    store,
    doc: store.document('doc', json<string>()),
    elsewhere: async (name = 'doc') => (await open(memoryStore({ bucket }))).document(name, json<string>()),
  }
}

function open(store: ObjectStore, environment?: VirtualTime): Promise<Store> {
  const time = environment === undefined ? {} : { environment }
  return openStore({ store, keys: 'plaintext', storeId: STORE_ID, memory: false, ...time })
}

/** Value, message and number of every kept revision, oldest first. */
export async function contents(doc: VersionedDocument<string>): Promise<string[]> {
  const values: string[] = []
  for await (const { id } of doc.history()) values.push((await doc.revision(id)).value)
  return values.reverse()
}

/** The error that `work` ends with; it must be one of ours. */
export async function failure(work: Promise<unknown>): Promise<KeelstateError> {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  )
  if (!KeelstateError.is(error)) throw error
  return error
}

/** What `work` has come to by now, without waiting for it. */
export function watch(work: Promise<unknown>): { readonly state: string } {
  const seen = { state: 'pending' }
  work.then(
    () => {
      seen.state = 'ok'
    },
    (error: unknown) => {
      seen.state = KeelstateError.is(error) ? error.code : String(error)
    },
  )
  return seen
}
