import { type RevisionIds, type RevisionIdsByType, ulidRevisionIds } from '../core/revision-id.ts'
import { compareRevisions, isTimeName, nextRevisionId } from './revisions.ts'

/** Contract 000 names revisions by the time at which they were written: RFC 3339 with nanoseconds, at least one later than the newest. */
export const timeRevisionIds: RevisionIds = {
  form: 'time',
  next: (environment, last) => nextRevisionId(environment.now(), last === '' ? undefined : last),
  has: isTimeName,
  compare: compareRevisions,
}

/** For documents that hold any body, as those of the command line do: snapshots are named by time, and so is all that follows one; the rest by ULID. */
export const revisionIdsByType: RevisionIdsByType = (type, last) =>
  type === 'snapshot' || last.has(timeRevisionIds.form) ? timeRevisionIds : ulidRevisionIds
