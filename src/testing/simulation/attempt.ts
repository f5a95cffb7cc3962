import type { Content, Made } from './matter.ts'

/** One call of one actor, as the checker sees it. */
export interface Attempt {
  readonly actor: string
  readonly what: string
  /** What the revision that it makes says in its message: unique in the schedule. */
  readonly mark: string
  /** Makes a revision when it succeeds. */
  readonly change: boolean
  /** Virtual time in ms, and the order of events within the same ms. */
  readonly invoked: number
  answered?: number
  /** `ok`, or the code of the error. Absent: the process died, or is still waiting. */
  outcome?: string
  /** Of an `OutcomeUnknown`: the write, to be asked for later. */
  write?: string
  /** The revision that was made or read; 0 for none. */
  number?: number
  /** Of a reading: seq of the head that it saw. */
  seenSeq?: number
  /** Of a reading: what it brought. */
  value?: Content
  /** What a change makes; of one that is made again whenever another came first, what it made last. */
  made?: Made
  /** What else there is to say. */
  detail?: string
}

/** What a call brought. */
export type Brought = Pick<Attempt, 'number' | 'seenSeq' | 'value' | 'detail'>

/** Outcomes of a change that may have landed all the same. Whatever else it ends with, it certainly did not. */
export const UNDECIDED: readonly string[] = ['OutcomeUnknown', 'RolledBack']

/** What those are called whose key is not always a recipient's. */
export const GUEST = 'guest'

export function told({ actor, what, mark }: Attempt): string {
  return `${actor} ${what}${mark === '' ? '' : ` ${mark}`}`
}
