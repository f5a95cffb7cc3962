import { deadlineFor } from './access.ts'
import type { KeelstateError } from './errors.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { same } from './header.ts'
import type { LeaseGuard } from './lease.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'

/**
 * Gives a document a new data key, wrapped for the keys that are configured now, in one conditional write of the head. What comes is sealed under it; what was
 * stays as it is, under the earlier data keys, which the sealed head keeps.
 *
 * A writer that had uploaded under the former key uploads again (`mayReferTo`). Nothing is taken back from who could read the document before.
 *
 * @param absent The error for a document that does not exist.
 * @throws {KeelstateError} what `Sealer.rotate` says; nothing is written then.
 */
export async function rotateKeys(
  writer: HeadWriter,
  absent: () => KeelstateError,
  lease: LeaseGuard | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { access } = writer
  let made: { former: DocumentKeys; next: DocumentKeys } | undefined
  const next = async (former: DocumentKeys, deadline: Deadline): Promise<DocumentKeys> => {
    // Those that were made on another head's keys would leave out whichever that head had.
    if (made === undefined || !alike(made.former, former)) {
      const next = await deadline.within('key.create', access.headKey, (options) =>
        access.sealer.rotate(access.scope, former, options),
      )
      made = { former, next }
    }
    return made.next
  }
  const deadline = deadlineFor(access, signal)
  const head = writer.known === undefined ? await writer.refresh(deadline) : writer.known.head
  // Before it is queued: the writes of others need not wait for a key service.
  if (head !== undefined) await next(head.keys, deadline)
  await writer.submit(
    {
      weight: KEYS_WEIGHT,
      lease,
      apply: async (draft: Draft, within: Deadline) => {
        if (draft.base === undefined) throw absent()
        const keys = await next(draft.keys, within)
        return { body: { ...draft.body, ...earlierIn(keys) }, keys, result: undefined }
      },
    },
    signal,
  )
}

const KEYS_WEIGHT = 1_024 // one more earlier data key, and wraps of a key service

function alike(one: DocumentKeys, other: DocumentKeys): boolean {
  return same(one.keyId, other.keyId) && one.earlier === other.earlier
}

function earlierIn({ earlier }: DocumentKeys): { keys?: string } {
  return earlier === undefined ? {} : { keys: earlier }
}
