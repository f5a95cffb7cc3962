import type { RevisionIds } from '../core/revision-id.ts'
import { nextRevisionId } from './revisions.ts'

/** Contract 000 names revisions by the time at which they were written: RFC 3339 with nanoseconds, at least one later than the newest. */
export const timeRevisionIds: RevisionIds = {
  form: 'time',
  next: (environment, last) => nextRevisionId(environment.now(), last === '' ? undefined : last),
}
