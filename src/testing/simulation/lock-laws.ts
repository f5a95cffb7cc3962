import type { HeadHeader } from '../../core/header.ts'
import type { LockedDocument } from '../../core/locked-document.ts'
import type { LockRecord } from '../../locking/index.ts'
import type { VirtualMachine } from '../virtual-environment.ts'

/** A holder that was let in. */
interface Started {
  readonly tenure: number
  readonly owner: string
  readonly fence: bigint
  readonly machine: VirtualMachine
  readonly signal: AbortSignal
}

/**
 * What must never be, from the point of view of the stores: two live holders, a commit of a former holder after its successor started, a start from
 * an old state, a fence that goes back, a lock that is held again by who gave it up.
 */
export class LockLaws {
  /** Holders whose clocks stood still: they cannot know when their lease ends. */
  readonly dreamers: Set<VirtualMachine> = new Set()
  readonly #wrong: (what: string) => void
  readonly #started: Started[] = []
  /** In which tenure a machine writes under a fence. */
  readonly #tenuresOf = new Map<VirtualMachine, Map<bigint, number>>()
  /** How often the lock was taken. */
  #tenures = 0
  /** The tenure of each owner. */
  readonly #owners = new Map<string, number>()
  #standing: LockRecord | undefined
  /** The last head that was written under the lock. */
  #leasedSeq = 0
  #leasedRevision = false

  constructor(wrong: (what: string) => void) {
    this.#wrong = wrong
  }

  /** Somebody changed the record behind everybody's back: who holds the lock now cannot be told from what was before. */
  forget(): void {
    this.#standing = undefined
  }

  /** A process was let in. */
  start(held: LockedDocument<unknown>, machine: VirtualMachine): void {
    const { owner, fence, signal } = held
    // Lost again before it was let in, and too late to know: a zombie from its birth, whose commits must not land either.
    // So too when its record was brought back after others had held the lock: the head's epoch is above its fence.
    if (!this.#standing?.held || this.#standing.owner !== owner || this.#owners.get(owner) !== this.#tenures) return
    const seen = held.current?.seenSeq ?? 0
    if (held.current !== undefined && seen < this.#leasedSeq)
      this.#wrong(`${short(owner)} started from the head ${seen}, and ${this.#leasedSeq} was there`)
    if (held.current === undefined && this.#leasedRevision)
      this.#wrong(`${short(owner)} started without a revision, and there was one`)
    const earlier = this.#started.filter((other) => other.owner !== owner)
    if (earlier.some((other) => other.fence >= fence))
      this.#wrong(`${short(owner)} started with a fence that is not new`)
    this.#started.push({ tenure: this.#owners.get(owner)!, owner, fence, machine, signal })
  }

  /** A record was written, or removed. */
  onRecord(record: LockRecord | undefined, sender: VirtualMachine | undefined): void {
    const before = this.#standing
    this.#standing = record
    if (record === undefined) {
      if (sender !== undefined) this.#wrong('a lock record was deleted, and its fence with it')
      return
    }
    if (before !== undefined && record.fence < before.fence) this.#wrong(`the fence went back to ${record.fence}`)
    if (!record.held) return
    if (before?.held === false && before.owner === record.owner)
      this.#wrong(`${short(record.owner)} holds again what it gave up`)
    // A record that somebody brought back continues what was; else who holds it after another, or after nobody, begins anew.
    // So does who claims the head anew, under a fence of a new era, because its record had been brought back.
    const seeded = before?.reset === true && record.fence > before.fence
    const continues =
      sender === undefined ? this.#owners.has(record.owner) : before?.held && before.owner === record.owner && !seeded
    if (!continues) this.#owners.set(record.owner, ++this.#tenures)
    if (sender !== undefined) {
      const tenures = this.#tenuresOf.get(sender) ?? new Map<bigint, number>()
      this.#tenuresOf.set(sender, tenures.set(record.fence, this.#owners.get(record.owner)!))
    }
    if (!before?.held || before.owner === record.owner) return
    for (const { owner, machine, signal } of this.#started) {
      const live = !machine.stopped && !this.dreamers.has(machine) && !signal.aborted
      if (owner === before.owner && live)
        this.#wrong(`${short(record.owner)} took the lock of ${short(owner)}, which is alive: two live holders`)
    }
  }

  /** A head was written without the lock. */
  onOtherHead({ hasCurrent }: HeadHeader): void {
    if (!hasCurrent) this.#leasedRevision = false // deleted
  }

  /** A head was written by a process that writes under the lock only. */
  onLeasedHead({ seq, epoch, hasCurrent }: HeadHeader, sender: VirtualMachine): void {
    const tenure = this.#tenuresOf.get(sender)?.get(epoch)
    if (tenure === undefined) this.#wrong(`the head ${seq} under epoch ${epoch} is of no holder`)
    const later = this.#started.find((other) => tenure !== undefined && other.tenure > tenure)
    if (later !== undefined)
      this.#wrong(
        `the head ${seq} under epoch ${epoch} landed after a later holder, ${short(later.owner)}, had started`,
      )
    this.#leasedSeq = seq
    this.#leasedRevision = hasCurrent
  }
}

export function short(id: string): string {
  return id.slice(0, 6)
}
