import type { Store } from '../index.ts'
import type { Call } from './command.ts'
import { durationText } from './durations.ts'

/**
 * Says so at the start when the credentials end before the work does: what is to be saved then cannot be.
 *
 * @param forMs How long they are needed.
 * @param what What would outlive them, such as "the lock".
 */
export async function warnOfCredentials(
  { output, signal }: Pick<Call, 'output' | 'signal'>,
  store: Store,
  forMs: number,
  what: string,
): Promise<void> {
  const end = await store.credentialsEnd({ signal })
  const left = end === undefined ? Number.POSITIVE_INFINITY : end.getTime() - Date.now()
  if (left >= forMs) return
  const when = left <= 0 ? 'have ended' : `end in ${durationText(Math.max(1_000, Math.round(left / 1_000) * 1_000))}`
  await output.talk(
    `warning: the credentials ${when} (${end!.toISOString()}), before ${what}; unless they are renewed by themselves, sign in again first`,
  )
}
