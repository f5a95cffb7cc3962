import { channel } from 'node:diagnostics_channel'
import type { Head } from '../core/head.ts'
import type { HeadWriter } from '../core/head-writer.ts'
import { same } from '../core/header.ts'
import { leaseLost } from '../core/lease.ts'
import { formatName } from '../core/names.ts'
import type { Deadline } from '../core/retry.ts'
import type { HeldLease } from './lease.ts'
import { ERA } from './record.ts'

const ROUNDS = 100 // of losing the head to writers without a lease; each round is three requests

const lostRecords = channel('keelstate:lock-record-lost')

/** The head moved between the proof of ownership and the claim. */
class HeadMoved extends Error {}

/**
 * Raises the head's epoch to the lease's fence, after which the store itself refuses every former holder. Needed unless the predecessor left cleanly.
 *
 * In this order: (1) a head, read before (2) is sent; (2) a write to the record that proves ownership; (3) the epoch, on exactly the head of (1). Without the
 * proof in the middle, a holder that was replaced while it slept could claim the head after its successor. After a conflict all three are repeated.
 *
 * A record that was lost, or restored from a backup, is published on the diagnostics channel `keelstate:lock-record-lost`.
 *
 * @param head The head of (1), if one was read already.
 * @throws {KeelstateError} `LeaseLost` when the proof is refused.
 */
export async function claimHead(
  writer: HeadWriter,
  lease: HeldLease,
  head: Head | undefined,
  deadline: Deadline,
  signal: AbortSignal | undefined,
): Promise<Head> {
  let base = head
  for (let round = 0; round < ROUNDS; round++) {
    const change = reseed(lease, base)
    await lease.prove(change, { signal })
    // The document was locked before, and the record that said so is gone, or older than what was written since.
    if (change.fence !== undefined && base !== undefined && base.header.epoch > 0n)
      lostRecords.publish({ name: formatName(writer.access.name), epoch: base.header.epoch, fence: change.fence })
    try {
      const { write } = await writer.submit(
        {
          weight: 0,
          lease,
          apply: async (draft) => {
            const moved =
              base === undefined
                ? draft.base !== undefined
                : draft.base === undefined || !same(draft.base.header.writeId, base.header.writeId)
            if (moved) throw new HeadMoved()
            return { body: draft.body, result: undefined }
          },
        },
        signal,
      )
      lease.markClaimed()
      const now = writer.known?.head
      return now !== undefined && same(now.header.writeId, write.header.writeId)
        ? now
        : (await writer.refresh(deadline))!
    } catch (error) {
      if (!(error instanceof HeadMoved)) throw error
      base = await writer.refresh(deadline)
    }
  }
  throw leaseLost(writer.access.identity, 'others kept changing the document before it could be claimed')
}

/**
 * A record that was made anew, or whose fence the head has passed, begins a new era above everything that was written; above its own fence, too, which
 * a holder that began an era and never claimed the head has raised already: a fence only grows.
 */
function reseed(lease: HeldLease, head: Head | undefined): { fence?: bigint; reset?: boolean } {
  const epoch = head?.header.epoch ?? 0n
  if (head !== undefined && (lease.record.reset || lease.fence <= epoch)) {
    const highest = lease.fence > epoch ? lease.fence : epoch
    return { fence: (highest / ERA + 1n) * ERA, reset: false }
  }
  return { reset: false }
}
