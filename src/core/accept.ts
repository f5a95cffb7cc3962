import { deadlineFor } from './access.ts'
import { KeelstateError } from './errors.ts'
import { readHeadAsItIs } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { hex } from './header.ts'
import type { Locker } from './lease.ts'
import { lineageBreak, toRemember } from './memory.ts'
import { infoOf, type RevisionInfo } from './revision.ts'
import type { CallOptions } from './store.ts'

/** What was accepted, and what had to change for it. */
export interface AcceptedHead {
  /** How often the head was written; 0 when there is none. */
  seq: number
  /** Id of its last write, hex; absent when there is none. */
  writeId?: string
  /** The revision that is current in it. */
  current?: RevisionInfo
  /** The seq that this machine had seen before, when that was in the way. */
  remembered?: number
  /** The lock's record was changed, too. */
  lock: boolean
}

/**
 * Makes the head that stands in the store the one that counts, for this machine and for the lock. docs/threat-model.md "After a restore"
 *
 * Only the head that the caller named, and only if it opens: what lies there is proven to be this document's, whoever put it there.
 */
export async function acceptHead(
  writer: HeadWriter,
  locker: Locker,
  name: string,
  seq: number,
  options: CallOptions & { dryRun?: boolean },
): Promise<AcceptedHead> {
  if (!Number.isSafeInteger(seq) || seq < 0) {
    throw new KeelstateError('InvalidInput', {
      operation: 'document.accept',
      key: name,
      message: 'What is accepted is named by its sequence number: a whole number, or 0 for a head that is gone.',
      hint: 'The RolledBack error has it in details.seenSeq.',
    })
  }
  const { access } = writer
  const deadline = deadlineFor(access, options.signal)
  const head = await readHeadAsItIs(access, undefined, deadline)
  const found = head?.header.seq ?? 0
  if (found !== seq) throw otherHead(name, seq, found)
  const seen = access.memory.recall(access.identity)
  const broken = seen !== undefined && lineageBreak(head?.header, seen) !== undefined
  const lock = await locker.accept(writer, head?.header, options)
  if (options.dryRun !== true) {
    await access.memory.replace(access.identity, head && toRemember(head.header))
    writer.startFrom(head)
  }
  const current = head?.body.current
  return {
    seq,
    lock,
    ...(head && { writeId: hex(head.header.writeId) }),
    ...(current && { current: infoOf(current, head) }),
    ...(broken && { remembered: seen.seq }),
  }
}

function otherHead(name: string, seq: number, found: number): KeelstateError<'Conflict'> {
  return new KeelstateError('Conflict', {
    operation: 'document.accept',
    key: name,
    message: `The head of ${name} ${found === 0 ? 'does not exist' : `is at ${found}`}, not at ${seq}. Nothing was accepted.`,
    hint: 'Look at what is there now before it is accepted.',
  })
}
