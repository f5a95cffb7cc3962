import { type HeadHeader, hex } from './header.ts'
import { formatName, parseName } from './names.ts'
import type { RecipientInfo, Sealer } from './sealer.ts'

/** What a head says in the clear. Without a key it is unproven. */
export interface HeadStatus {
  /** As typed. */
  name: string
  kind: string
  /** How often the head was written. */
  seq: number
  /** The highest fencing token under which it was written or claimed, 0 before any: a holder with a lower one is refused. */
  epoch: bigint
  /** Hex. */
  writeId: string
  /** Id of the document's current data key, hex. */
  keyId: string
  hasCurrent: boolean
  recipients: RecipientInfo[]
  /** Stored size. */
  headBytes: number
}

export function statusOf(header: HeadHeader, headBytes: number, sealer: Sealer): HeadStatus {
  return {
    name: formatName(parseName(`${header.scope.kind}:${header.scope.path}`)),
    kind: header.scope.kind,
    seq: header.seq,
    epoch: header.epoch,
    writeId: hex(header.writeId),
    keyId: hex(header.keyId),
    hasCurrent: header.hasCurrent,
    recipients: sealer.recipients(header.keyTable),
    headBytes,
  }
}
