import { incrementBase32, ulid } from 'ulid'
import type { Environment } from './environment.ts'

/** How a document's revisions are named. */
export interface RevisionIds {
  /** Names the form of the ids, so that a document may hold two forms. */
  readonly form: string
  /** Makes the next id, which sorts after `last`: the newest id of this form in the document, or ''. */
  next(environment: Environment, last: string): string
}

/** ULIDs that only grow within a document, whatever the writers' clocks say. https://github.com/ulid/spec */
export const ulidRevisionIds: RevisionIds = {
  form: 'ulid',
  next(environment, last) {
    const fresh = ulid(storableTime(environment.now()), () => environment.random())
    return fresh > last ? fresh : incrementBase32(last)
  },
}

const MAX_TIME = 2 ** 48 - 1 // ms; what the ten digits of a ULID's time hold

/** A clock that is set to nonsense costs the id its meaning, not the revision. */
function storableTime(now: number): number {
  return now >= 1 ? Math.min(Math.floor(now), MAX_TIME) : 1
}
