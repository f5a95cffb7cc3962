import { KeelstateError } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { fromHex, SLOT_BYTES, same, slotOf } from './header.ts'
import type { Deadline } from './retry.ts'
import { findWriteId } from './segments.ts'

/** `<write id>@<seq>`, taken apart. */
export interface WriteName {
  /** As much of the id as a head keeps. */
  readonly id: Uint8Array
  readonly seq: number
}

/** @throws {KeelstateError} `InvalidInput`. */
export function parseWriteName(write: string): WriteName {
  const match = /^([0-9a-f]{32})@([1-9]\d{0,15})$/.exec(write)
  if (match === null) {
    throw new KeelstateError('InvalidInput', {
      message: `${JSON.stringify(write)} does not name a write.`,
      hint: 'Pass details.write of the OutcomeUnknown error: 32 hex digits, "@" and a number.',
    })
  }
  return { id: fromHex(match[1]!).subarray(0, SLOT_BYTES), seq: Number(match[2]) }
}

/** What this head says of a write: `undecided` while its place is free, or when that is out of reach. */
export async function outcomeOn(
  head: Head | undefined,
  { id, seq }: WriteName,
  writer: HeadWriter,
  deadline: Deadline,
): Promise<'landed' | 'not-landed' | 'undecided'> {
  if (head === undefined || head.header.seq < seq) return 'undecided'
  const slot = slotOf(head.header, seq) ?? (await findWriteId(writer.access, writer.segments, head, seq, deadline))
  return slot === undefined ? 'undecided' : same(slot, id) ? 'landed' : 'not-landed'
}
