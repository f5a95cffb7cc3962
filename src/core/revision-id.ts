import { incrementBase32, ulid } from 'ulid'
import type { Environment } from './environment.ts'

/** Makes the id of the next revision, which sorts after `last` (the highest one made so far, or ''). */
export type RevisionIds = (environment: Environment, last: string) => string

/** ULIDs that only grow within a document, whatever the writers' clocks say. https://github.com/ulid/spec */
export const ulidRevisionIds: RevisionIds = (environment, last) => {
  const fresh = ulid(environment.now(), () => environment.random())
  return fresh > last ? fresh : incrementBase32(last)
}
