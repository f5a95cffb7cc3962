import { incrementBase32, ulid } from 'ulid'
import type { Environment } from './environment.ts'

/** How a document's revisions are named. */
export interface RevisionIds {
  /** Names the form of the ids, so that a document may hold two forms. */
  readonly form: string
  /** Makes the next id, which sorts after `last`: the newest id of this form in the document, or ''. */
  next(environment: Pick<Environment, 'now' | 'random'>, last: string): string
  /** Whether a text is an id of this form. */
  has(id: string): boolean
  /** Below 0 when `a` sorts before `b`. Both are of this form. */
  compare(a: string, b: string): number
}

/**
 * Chooses the form of a new revision's id.
 *
 * @param type What will be recorded with the revision.
 * @param last The newest id of each form that the document has, by form.
 */
export type RevisionIdsByType = (type: string, last: ReadonlyMap<string, string>) => RevisionIds

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** ULIDs that only grow within a document, whatever the writers' clocks say. https://github.com/ulid/spec */
export const ulidRevisionIds: RevisionIds = {
  form: 'ulid',
  next(environment, last) {
    const fresh = ulid(storableTime(environment.now()), () => environment.random())
    return fresh > last ? fresh : incrementBase32(last)
  },
  has: (id) => ULID.test(id),
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
}

const MAX_TIME = 2 ** 48 - 1 // ms; what the ten digits of a ULID's time hold

/** A clock that is set to nonsense costs the id its meaning, not the revision. */
function storableTime(now: number): number {
  return now >= 1 ? Math.min(Math.floor(now), MAX_TIME) : 1
}
