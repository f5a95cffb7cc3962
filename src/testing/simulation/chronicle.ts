import { decodeHeader, type HeadHeader } from '../../core/header.ts'
import { documentName, headKey, identityOf, lockKey, objectsPrefix } from '../../core/names.ts'
import type { ObjectStore } from '../../core/store.ts'
import { type LockKey, type LockRecord, type LockStore, objectLockStore } from '../../locking/index.ts'
import { MemoryBucket, memoryStore } from '../../memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../memory-lock-store.ts'
import type { VirtualMachine, VirtualTime } from '../virtual-environment.ts'
import { LockLaws, short } from './lock-laws.ts'

export const STORE_ID = '00112233445566778899aabbccddeeff'
const DOCUMENT = documentName(['simulated', 'document'])
const HEAD = headKey(DOCUMENT)
const LOCK = lockKey(DOCUMENT)
const LOCK_KEY: LockKey = { storeId: STORE_ID, name: DOCUMENT, identity: identityOf(DOCUMENT) }
const OBJECTS = objectsPrefix(DOCUMENT)

/** A head as it landed. */
export interface LandedHead {
  readonly at: number
  readonly by: string
  readonly header: HeadHeader
  readonly bytes: Uint8Array
}

/** An object that was deleted, and after how many heads. */
export interface Deletion {
  readonly at: number
  readonly by: string
  readonly object: string
  readonly heads: number
}

/** Who a machine is, and whether it changes the document under the lock only. */
export interface Known {
  readonly name: string
  readonly leased: boolean
}

/** The stores, and all that is executed at them in its order: every head, every lock record, every deletion. */
export class Chronicle {
  readonly heads: LandedHead[] = []
  readonly deletions: Deletion[] = []
  /** What happened besides, for the story. */
  readonly notes: { readonly at: number; readonly text: () => string }[] = []
  /** What must not have happened, and did. */
  readonly wrongs: string[] = []
  readonly laws: LockLaws = new LockLaws((what) => this.wrong(what))
  /** Every object that was ever stored, deleted since or not. */
  readonly archive: MemoryBucket = new MemoryBucket()
  readonly #time: VirtualTime
  readonly #bucket: MemoryBucket
  readonly #table: MemoryLockTable | undefined
  readonly #known = new Map<VirtualMachine, Known>()
  #order = 0
  #restores = 0
  #sender: VirtualMachine | undefined
  #standing: LockRecord | undefined

  constructor(time: VirtualTime, locks: 'table' | 'objects') {
    this.#time = time
    const onPut = (key: string, bytes: Uint8Array) => this.#onPut(key, bytes)
    const onRemove = (key: string) => this.#onRemove(key)
    const onRecord = (record: LockRecord | undefined) => this.#onRecord(record)
    this.#bucket = new (class extends MemoryBucket {
      override overwrite(key: string, bytes: Uint8Array): string {
        const token = super.overwrite(key, bytes)
        onPut(key, bytes)
        return token
      }
      override remove(key: string): void {
        super.remove(key)
        onRemove(key)
      }
    })()
    if (locks === 'objects') return
    this.#table = new (class extends MemoryLockTable {
      override overwrite(...[key, record]: Parameters<MemoryLockTable['overwrite']>): void {
        super.overwrite(key, record)
        onRecord(record)
      }
      override remove(...[key]: Parameters<MemoryLockTable['remove']>): void {
        super.remove(key)
        onRecord(undefined)
      }
    })()
  }

  /** Virtual time in ms, and the order of events within the same ms. */
  clock(): number {
    return this.#time.elapsed + ++this.#order * 1e-6
  }

  know(machine: VirtualMachine, known: Known): void {
    this.#known.set(machine, known)
  }

  /** The store as it is, without a network. */
  objects(): ObjectStore {
    return memoryStore({ bucket: this.#bucket })
  }

  locks(objects: ObjectStore): LockStore {
    return this.#table === undefined ? objectLockStore(objects) : memoryLockStore(this.#table)
  }

  get hasTable(): boolean {
    return this.#table !== undefined
  }

  /** `objects` as requests of `machine` reach it: what they change is noted as its doing. */
  objectsOf(machine: VirtualMachine, objects: ObjectStore): ObjectStore {
    return {
      address: objects.address,
      capabilities: objects.capabilities,
      get: (...args) => objects.get(...args),
      put: (...args) => this.#as(machine, () => objects.put(...args)),
      delete: (...args) => this.#as(machine, () => objects.delete(...args)),
      list: (...args) => objects.list(...args),
      close: async () => {},
    }
  }

  locksOf(machine: VirtualMachine, locks: LockStore): LockStore {
    const { acquire } = locks
    return {
      ...locks,
      write: (...args) => this.#as(machine, () => locks.write(...args)),
      ...(acquire && { acquire: (...args) => this.#as(machine, () => acquire(...args)) }),
    }
  }

  /** Somebody deletes the lock's record, or brings back an earlier one (which `locks reset` is run for, as the manual says). */
  changeLock(record: LockRecord | undefined): void {
    if (record === undefined) {
      this.#table?.remove(LOCK_KEY)
      this.#bucket.remove(LOCK)
      this.laws.forget()
    } else {
      const token = `${++this.#restores}`.padStart(32, '0') // a new one, as `resetLocks` gives: a late copy of what was sent before fits it no more
      const next = { ...record, token, clean: false, reset: true }
      this.laws.forget()
      if (this.#table !== undefined) this.#table.overwrite(LOCK_KEY, next)
      else
        this.#bucket.overwrite(
          LOCK,
          Buffer.from(JSON.stringify({ format: 'keelstate-lock/1', ...next, fence: `${next.fence}` })),
        )
    }
  }

  /** The lock's record as it stands. */
  get record(): LockRecord | undefined {
    return this.#standing
  }

  note(text: () => string): void {
    this.notes.push({ at: this.clock(), text })
  }

  wrong(what: string): void {
    this.wrongs.push(`${what} (at ${this.#time.elapsed.toFixed(0)} ms)`)
    this.note(() => `VIOLATION ${what}`)
  }

  /** Both memory stores do their work before they first wait. */
  #as<T>(machine: VirtualMachine, work: () => T): T {
    this.#sender = machine
    try {
      return work()
    } finally {
      this.#sender = undefined
    }
  }

  get #by(): string {
    return this.#sender === undefined ? 'somebody' : (this.#known.get(this.#sender)?.name ?? 'somebody')
  }

  #onPut(key: string, bytes: Uint8Array): void {
    if (key.startsWith(OBJECTS)) {
      this.archive.overwrite(key, bytes)
    } else if (key === LOCK) {
      this.#onRecord(recordIn(bytes))
    } else if (key === HEAD) {
      const header = decodeHeader(bytes, HEAD).header as HeadHeader
      const before = this.heads.at(-1)?.header
      if (header.seq !== (before?.seq ?? 0) + 1)
        this.wrong(`the head ${header.seq} of ${this.#by} landed on the head ${before?.seq ?? 0}`)
      if (before !== undefined && header.epoch < before.epoch) this.wrong(`the epoch went back to ${header.epoch}`)
      this.heads.push({ at: this.clock(), by: this.#by, header, bytes })
      const sender = this.#sender
      if (sender !== undefined && this.#known.get(sender)?.leased) this.laws.onLeasedHead(header, sender)
      else this.laws.onOtherHead(header)
    }
  }

  #onRemove(key: string): void {
    if (key === LOCK) this.#onRecord(undefined)
    if (!key.startsWith(OBJECTS)) return
    this.deletions.push({ at: this.clock(), by: this.#by, object: key.slice(OBJECTS.length), heads: this.heads.length })
  }

  #onRecord(record: LockRecord | undefined): void {
    this.#standing = record
    const by = this.#by
    this.note(() =>
      record === undefined
        ? `the lock's record is removed by ${by}`
        : `lock: ${record.held ? 'held' : 'free'} owner ${short(record.owner)} token ${short(record.token)} fence ${record.fence}${record.clean ? ' clean' : ''}${record.prevClean ? ' after a clean one' : ''}${record.reset ? ' reset' : ''} by ${by}`,
    )
    this.laws.onRecord(record, this.#sender)
  }
}

function recordIn(bytes: Uint8Array): LockRecord {
  const { fence, ...rest } = JSON.parse(Buffer.from(bytes).toString()) as LockRecord & { fence: string }
  return { ...rest, fence: BigInt(fence) }
}
