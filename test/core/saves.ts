import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import {
  json,
  type ObjectStore,
  openStore,
  type SpooledSave,
  type Store,
  type VersionedDocument,
} from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type FaultAction, type FaultRule, type FaultyStore, faultyStore } from '../../src/testing/index.ts'
import { Random } from './random.ts'
import { VirtualTime } from './virtual-time.ts'
import { ALWAYS, failure, READS, STORE_ID, WRITES } from './workbench.ts'

export const KEY: StaticKeyProvider = new StaticKeyProvider({
  address: 'env:KEY',
  key: async () => new Random(7).bytes(32),
})

/** A machine that keeps what it cannot save, and a bucket that others use too. */
export class Machine {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keelstate-spool-'))
  readonly bucket: MemoryBucket = new MemoryBucket()
  readonly time: VirtualTime = new VirtualTime()
  readonly faulty: FaultyStore = faultyStore(memoryStore({ bucket: this.bucket }), this.time)

  /** A process of this machine, whose network may fail, on time of the test's. */
  async process(): Promise<Store> {
    return await this.open(this.faulty, this.time)
  }

  /** A process of this machine when all is well again. */
  async later(store: ObjectStore = memoryStore({ bucket: this.bucket })): Promise<Store> {
    return await this.open(store)
  }

  async open(store: ObjectStore, environment?: VirtualTime, keys: StaticKeyProvider = KEY): Promise<Store> {
    const time = environment === undefined ? {} : { environment }
    return await openStore({
      store,
      keys,
      storeId: STORE_ID,
      memory: false,
      spool: join(this.folder, 'spool'),
      ...time,
    })
  }

  /** The error with which `work` ends, however much time it takes. */
  async failing(work: Promise<unknown>): Promise<Awaited<ReturnType<typeof failure>>> {
    const error = failure(work)
    await this.time.until(error)
    return await error
  }

  /** Every write of the head from now on. */
  breakWrites(action: FaultAction): void {
    this.faulty.faults.add({ ...WRITES, ...ALWAYS }, action)
  }

  /** The next write of the head lands, and nobody ever hears of it: reads fail from that number on. */
  loseAnswer({ reads = 1 }: { reads?: number } = {}): FaultRule {
    const lost = this.faulty.faults.add(WRITES, { do: 'drop-answer' })
    this.faulty.faults.add({ ...READS, ...ALWAYS, nth: reads }, { do: 'drop-request' })
    this.breakWrites({ do: 'drop-request' })
    return lost
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function settings(store: Store): VersionedDocument<string> {
  return store.document('doc', json<string>())
}

export async function kept(store: Store, name?: string): Promise<SpooledSave[]> {
  const saves: SpooledSave[] = []
  for await (const save of store.spooled(name === undefined ? {} : { name })) {
    if ('problem' in save) throw save.problem
    saves.push(save)
  }
  return saves
}
