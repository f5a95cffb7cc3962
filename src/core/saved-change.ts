import type { Encoded } from './additions.ts'
import { Chains, type Opening } from './chains.ts'
import { encodeDelta } from './delta.ts'
import { KeelstateError } from './errors.ts'
import type { HeadWriter } from './head-writer.ts'
import { History } from './history.ts'
import type { Parts } from './parts.ts'
import { Deadline } from './retry.ts'
import type { SavedBytes } from './saving.ts'

const READ_MS = 2_000 // for what the change is of, when it is not at hand

/**
 * A change of parts as a save holds it. Some can only be said of what they change: of the revision that was current when this process saw the head last.
 *
 * @throws {KeelstateError} `Unavailable` when that was never read; what reading its content comes to.
 */
export async function savedChange<T, C>(
  writer: HeadWriter,
  opening: Opening,
  { change, changes }: Extract<Encoded<T, C>, { change: unknown }>,
): Promise<SavedBytes> {
  const type = changes.form.name
  try {
    return { form: 'change', bytes: encodeDelta(change.on(undefined)), type }
  } catch (error) {
    if (!KeelstateError.is(error, 'InvalidInput')) throw error
    const now = await partsLastSeen(writer, opening)
    if (now !== undefined) return { form: 'change', bytes: encodeDelta(change.on(now)), type }
    throw new KeelstateError('Unavailable', {
      message: 'It is a change, which cannot be told apart from what it is a change of, and that was not read.',
    })
  }
}

async function partsLastSeen(writer: HeadWriter, opening: Opening): Promise<Parts | undefined> {
  const { access, lastSeen } = writer
  const current = lastSeen?.body.current
  if (lastSeen === undefined || current === undefined) return undefined
  const deadline = new Deadline(access.environment, { ...access.limits, operationMs: READ_MS })
  const history = new History(access, writer.segments, lastSeen, deadline)
  return await new Chains(access, history, lastSeen.keys, deadline, opening).parts(current)
}
