import { decodeHeadBody } from '../../src/core/head-body.ts'
import { decodeHeader, type HeadHeader } from '../../src/core/header.ts'
import type { LockedDocument } from '../../src/index.ts'
import type { LockRecord } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore, type VirtualMachine } from '../../src/testing/index.ts'
import { HEAD, KEY, LOCK_OBJECT, type Place } from './world.ts'

const SEAL_BYTES = 64 // message id and commitment, between a plaintext head's header and its body

/** A holder that was let in. */
interface Started {
  readonly tenure: number
  readonly owner: string
  readonly fence: bigint
  readonly machine: VirtualMachine
  readonly held: LockedDocument<string>
}

/**
 * Sees what is executed at the stores, in its order, and says what must never be: two live holders, a commit of a former holder after its successor
 * started, a start from an old state, a fence that goes back, a lock that is held again by who gave it up or was broken.
 */
export class Witness {
  /** What must not have happened, and did. */
  readonly wrongs: string[] = []
  /** Holders whose clocks stood still: they cannot know when their lease ends. */
  readonly dreamers: Set<VirtualMachine> = new Set()
  readonly #bucket: MemoryBucket
  readonly #table: MemoryLockTable | undefined
  readonly #free: ReadonlySet<VirtualMachine>
  readonly #started: Started[] = []
  /** Which tenure it is in which a machine writes under a fence. */
  readonly #tenures = new Map<VirtualMachine, Map<bigint, number>>()
  /** How often the lock was taken. */
  #tenure = 0
  #sender: VirtualMachine | undefined
  #standing: LockRecord | undefined
  #numbers = 0

  /** @param free Machines that write without a lock. */
  constructor(kind: 'table' | 'objects', free: ReadonlySet<VirtualMachine>) {
    this.#free = free
    const onHead = (bytes: Uint8Array) => this.#onHead(bytes)
    const onRecord = (record: LockRecord) => this.#onRecord(record)
    this.#bucket = new (class extends MemoryBucket {
      override overwrite(key: string, bytes: Uint8Array): string {
        const token = super.overwrite(key, bytes)
        if (key === HEAD) onHead(bytes)
        if (key === LOCK_OBJECT) onRecord(recordIn(bytes))
        return token
      }
    })()
    if (kind === 'table') {
      this.#table = new (class extends MemoryLockTable {
        override overwrite(...[key, record]: Parameters<MemoryLockTable['overwrite']>): void {
          super.overwrite(key, record)
          onRecord(record)
        }
      })()
    }
  }

  /** The place as somebody outside of all machines sees it. */
  get place(): Place {
    const objects = memoryStore({ bucket: this.#bucket })
    return this.#table === undefined ? { objects } : { objects, locks: memoryLockStore(this.#table) }
  }

  /** The table, for mutants that are made of it. */
  get table(): MemoryLockTable {
    if (this.#table === undefined) throw new Error('Lock objects have no table.')
    return this.#table
  }

  /** The place as requests of `machine` find it. */
  reachedBy(place: Place, machine: VirtualMachine): Place {
    const { objects, locks } = place
    const as = <T>(work: () => T): T => {
      this.#sender = machine
      try {
        return work() // both memory stores do their work before they first wait
      } finally {
        this.#sender = undefined
      }
    }
    return {
      objects: { ...unbound(objects), put: (...args) => as(() => objects.put(...args)) },
      ...(locks && {
        locks: {
          ...locks,
          write: (...args) => as(() => locks.write(...args)),
          acquire: (...args) => as(() => locks.acquire!(...args)),
        },
      }),
    }
  }

  /** Somebody deletes the lock's record. */
  loseRecord(): void {
    this.#table?.remove(KEY)
    this.#bucket.remove(LOCK_OBJECT)
    this.#standing = undefined
  }

  /** A process was let in. */
  start(held: LockedDocument<string>, machine: VirtualMachine): void {
    const { owner, fence } = held
    // Lost again before it was let in, and too late to know: a zombie from its birth, whose commits must not land either.
    if (!this.#standing?.held || this.#standing.owner !== owner) return
    const seen = held.current?.number ?? 0
    if (seen < this.#numbers) this.#wrong(`${owner} started from revision ${seen}, and ${this.#numbers} was there`)
    const earlier = this.#started.filter((other) => other.owner !== owner)
    if (earlier.some((other) => other.fence >= fence)) this.#wrong(`${owner} started with a fence that is not new`)
    this.#started.push({ tenure: this.#tenure, owner, fence, machine, held })
  }

  #onRecord(record: LockRecord): void {
    const before = this.#standing
    this.#standing = record
    if (before !== undefined && record.fence < before.fence) this.#wrong(`the fence went back to ${record.fence}`)
    if (!record.held) return
    if (before?.held === false && before.owner === record.owner)
      this.#wrong(`${record.owner} holds again what it gave up`)
    if (!before?.held || before.owner !== record.owner) this.#tenure++
    if (this.#sender !== undefined) {
      const tenures = this.#tenures.get(this.#sender) ?? new Map<bigint, number>()
      this.#tenures.set(this.#sender, tenures.set(record.fence, this.#tenure))
    }
    if (before?.held && before.owner !== record.owner) {
      for (const { owner, machine, held } of this.#started) {
        const live = !machine.stopped && !this.dreamers.has(machine) && !held.signal.aborted
        if (owner === before.owner && live) this.#wrong(`${record.owner} took the lock of ${owner}, which is alive`)
      }
    }
  }

  #onHead(bytes: Uint8Array): void {
    const machine = this.#sender
    if (machine === undefined || this.#free.has(machine)) return
    const { header, headerLength } = decodeHeader(bytes, HEAD)
    const { epoch } = header as HeadHeader
    const tenure = this.#tenures.get(machine)?.get(epoch)
    if (tenure === undefined) this.#wrong(`a write under epoch ${epoch} is nobody's`)
    const later = this.#started.find((other) => tenure !== undefined && other.tenure > tenure)
    if (later !== undefined) this.#wrong(`a write under epoch ${epoch} came after ${later.owner} had started`)
    const { current } = decodeHeadBody(bytes.subarray(headerLength + SEAL_BYTES), HEAD)
    this.#numbers = Math.max(this.#numbers, current?.number ?? 0)
  }

  #wrong(what: string): void {
    this.wrongs.push(what)
  }
}

/** The methods of a store, free of its class. */
function unbound(store: Place['objects']): Place['objects'] {
  return {
    address: store.address,
    capabilities: store.capabilities,
    get: (...args) => store.get(...args),
    put: (...args) => store.put(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
    close: () => store.close(),
  }
}

function recordIn(bytes: Uint8Array): LockRecord {
  const { fence, ...rest } = JSON.parse(Buffer.from(bytes).toString()) as LockRecord & { fence: string }
  return { ...rest, fence: BigInt(fence) }
}
