import { KeelstateError } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { corrupt } from './header.ts'
import { ObjectGone } from './objects.ts'
import type { Deadline } from './retry.ts'

/**
 * Runs `use` on a head that is read now, and again on the next one as often as an object was pruned under it.
 *
 * @throws {KeelstateError} `Corrupt` when an object is missing although the head that refers to it has not moved; `Unavailable` when the head moves
 *   faster than it can be used until the time is up.
 */
export async function onFreshHead<R>(
  writer: HeadWriter,
  deadline: Deadline,
  use: (head: Head | undefined) => Promise<R>,
): Promise<R> {
  let before: Head | undefined
  for (;;) {
    const head = await writer.refresh(deadline)
    try {
      return await use(head)
    } catch (error) {
      if (!(error instanceof ObjectGone)) throw error
      if (head?.token === before?.token) throw missing(error)
      if (deadline.left <= 0) throw movesTooFast(writer.access.headKey)
      before = head
    }
  }
}

/** The error for a document that is pruned and collected while it is read, time and again. */
export function movesTooFast(headKey: string): KeelstateError<'Unavailable'> {
  return new KeelstateError('Unavailable', {
    key: headKey,
    message: `${headKey} changes, and what it refers to is deleted, faster than it can be read.`,
    hint: 'Collect with a longer grace period.',
  })
}

/** The error for an object that is lost, as opposed to pruned. */
export function missing(gone: ObjectGone): KeelstateError<'Corrupt'> {
  return corrupt(gone.key, 'is missing although the head refers to it', 'object', gone)
}
