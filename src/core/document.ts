import type { AcceptedHead } from './accept.ts'
import { additionOf, encodeValue, RECORD_WEIGHT } from './additions.ts'
import { type ChangeOptions, checkChange } from './change-options.ts'
import type { CollectOptions, CollectReport } from './collect.ts'
import type { CompactOptions, CompactReport } from './compact.ts'
import { RecoverableDocument } from './document-recovery.ts'
import { mayNeedRebase } from './draft.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { type Lease, type LockHolder, type LockOptions, tellReleaseFailed } from './lease.ts'
import { LockedDocument } from './locked-document.ts'
import { toRemember } from './memory.ts'
import { infoOf, type Revision, type RevisionInfo } from './revision.ts'
import type { CallOptions } from './store.ts'

/**
 * One versioned document: a head that moves only by conditional write, and the revisions that it leads to.
 *
 * Every change is one conditional write of the head (after uploads, for contents over 8 KiB), and either landed, was refused, or rejects
 * with `OutcomeUnknown`.
 */
export class VersionedDocument<T, C = never> extends RecoverableDocument<T, C> {
  /**
   * Reads the current value, lets `change` make the next, and commits that on it; after a conflict, again. Concurrent calls in one process share
   * writes: each gets the result of the one before.
   *
   * @param change Must not have effects of its own: it may run several times. What it throws is thrown, and nothing is written for it.
   */
  async update(
    change: (now: T | undefined, current: RevisionInfo | undefined) => T | C | Promise<T | C>,
    options: ChangeOptions = {},
  ): Promise<Revision<T>> {
    checkChange(options)
    const writer = await this.parts.writer(options.signal)
    const making = this.saves('commit', options, { kind: 'any' })
    const saving = making && (await making)
    const run = async () => {
      const { result, write } = await this.submit(
        writer,
        {
          weight: RECORD_WEIGHT,
          apply: async (draft, deadline) => {
            const { current } = draft.body
            const now = current && (await this.opened(this.chains(writer, draft, deadline), current))
            const value = await change(now, current && infoOf(current, { body: draft.body, seq: draft.seq - 1 }))
            const encoded = await encodeValue(this.parts, value, options.type)
            saving?.carries(() => this.savedBytes(encoded))
            saving?.judgedOn(draft)
            return await this.addAndMove(writer, draft, additionOf(this.parts, encoded, writer), options, deadline)
          },
          announce: saving?.announce,
        },
        options.signal,
      )
      return this.landed(result, write)
    }
    return await (saving?.during(run) ?? run())
  }

  /**
   * Takes the document's lock and reads the current revision beside it.
   *
   * Prefer `withLock`, which cannot forget to release. The handle renews its lease until it is released.
   *
   * @throws {KeelstateError} `Locked` when another holder has it after `waitMs`, saying who; `RolledBack`.
   */
  async lock(options: LockOptions): Promise<LockedDocument<T, C>> {
    const writer = await this.parts.writer(options.signal)
    return await this.#handle(writer, await this.parts.locker.acquire(writer, options), options)
  }

  /**
   * Works under a lock that somebody took for this process and told it the owner id of, and renews it meanwhile. Leaving does not release it: it lasts for
   * its whole lease again from the last thing that was done under it.
   *
   * @throws {KeelstateError} `LeaseLost` when it is not held under that id.
   */
  async lockedBy(
    owner: string,
    options: CallOptions & Pick<LockOptions, 'content'> = {},
  ): Promise<LockedDocument<T, C>> {
    const writer = await this.parts.writer(options.signal)
    return await this.#handle(writer, await this.parts.locker.resume(writer, owner, options), options)
  }

  /**
   * Runs `work` while holding the lock, and releases it whatever happens.
   *
   * @param work Gets the locked document; its `signal` fires when the lock is lost.
   * @throws What `work` throws, or `Locked`. A failed release after `work` failed is only told to `onReleaseFailed`.
   */
  async withLock<R>(options: LockOptions, work: (held: LockedDocument<T, C>) => R | Promise<R>): Promise<R> {
    const held = await this.lock(options)
    let result: R
    try {
      result = await work(held)
    } catch (error) {
      await held[Symbol.asyncDispose]()
      throw error
    }
    await held.release()
    return result
  }

  /** Who holds the lock, or held it last; `undefined` when it was never taken. */
  async holder(options: CallOptions = {}): Promise<LockHolder | undefined> {
    return await this.parts.locker.holder(await this.parts.writer(options.signal), options)
  }

  /**
   * Breaks the lock of the holder with this owner id: marks its record as not held, and as not cleanly left, under a fencing token that is higher by one. Nothing
   * is written to the document. Resolves too, and changes nothing, when that owner has released the lock already and nobody has taken it since.
   *
   * The holder learns of it when it next renews the lock, after a third of its lease at the latest: its `signal` fires. Until then, and as long as nobody takes
   * the lock, its commits still land. Whoever takes the lock next raises the document's epoch before anything else: from then on the store refuses what the
   * former holder tries to write here, whatever that one believes. Make sure that it does nothing elsewhere.
   *
   * @throws {KeelstateError} `Conflict` when the lock was taken under another id since, or never under this one; nothing is broken then. `Unavailable` when it
   *   is not known whether it was broken.
   */
  async forceUnlock(owner: string, options: CallOptions = {}): Promise<void> {
    await this.parts.locker.forceUnlock(await this.parts.writer(options.signal), owner, options)
  }

  /**
   * Accepts that the document was restored: from now on this machine's readers and the next holder of the lock take the head at `seq` as the one to
   * start from, although a later or another one was seen before. Other machines have memories of their own, where this is to be called too.
   *
   * @param seq How often the head was written, as `details.seenSeq` of the `RolledBack` error says; 0 for a head that is gone.
   * @param options.dryRun Changes nothing.
   * @throws {KeelstateError} `Conflict` when the head is at another seq; `Locked` while somebody holds the lock; `DecryptFailed`, `Corrupt`: what
   *   does not open is never accepted.
   */
  async accept(seq: number, options: CallOptions & { dryRun?: boolean } = {}): Promise<AcceptedHead> {
    const { acceptHead } = await import('./accept.ts')
    return await acceptHead(await this.parts.writer(options.signal), this.parts.locker, this.name, seq, options)
  }

  /** Deletes objects that nothing refers to. */
  async collect(options: CollectOptions = {}): Promise<CollectReport> {
    const { collect } = await import('./collect.ts')
    return await collect(await this.parts.writer(options.signal), options)
  }

  /**
   * Stores the current revision whole where it is a change of another, and lets go of dropped revisions whose content later ones stood on. No revision
   * says anything else afterwards. Their objects are deleted by a later `collect`.
   */
  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    const { compact } = await import('./compact.ts')
    return await compact(await this.parts.writer(options.signal), this.parts.opening, this.parts.lease, options)
  }

  /** @internal Stores the current revision whole if that is due. */
  async rebase(options: CallOptions = {}): Promise<void> {
    const writer = await this.parts.writer(options.signal)
    const known = writer.known?.head
    if (known === undefined || !mayNeedRebase(known.body)) return
    const { rebase } = await import('./compact.ts')
    await rebase(writer, known, this.parts.opening, this.parts.lease, options.signal)
  }

  /** @internal Replaces the document's data key. One conditional write of the head. */
  async rotateKeys(options: CallOptions = {}): Promise<void> {
    const { rotateKeys } = await import('./rotate.ts')
    await rotateKeys(await this.parts.writer(options.signal), () => this.absent(), this.parts.lease, options.signal)
  }

  async #handle(
    writer: HeadWriter,
    { lease, head }: { lease: Lease; head: Head | undefined },
    options: CallOptions & Pick<LockOptions, 'content' | 'onReleaseFailed'>,
  ): Promise<LockedDocument<T, C>> {
    // The writer through which the head was claimed: the store may have forgotten it by the time of the next change, and made another.
    const bound = new VersionedDocument<T, C>({ ...this.parts, lease, writer: async () => writer })
    try {
      const record = head?.body.current
      const known = options.content === false ? record && infoOf(record, head!) : undefined
      const current = known ?? (record && (await bound.readAt(head!, options)))
      return new LockedDocument<T, C>(bound, writer, lease, current, options.onReleaseFailed)
    } catch (error) {
      const releasing = lease.release(head && toRemember(head.header), true)
      const told = releasing.catch((failure: unknown) => tellReleaseFailed(this.name, failure))
      if (!options.signal?.aborted) await told // who gave up is not kept waiting
      throw error
    }
  }
}
