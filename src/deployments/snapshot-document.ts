import type { VersionedDocument } from '../core/document.ts'
import type { DocumentName } from '../core/names.ts'
import type { Store } from '../core/state-store.ts'
import { revisionIdsByType } from './revision-ids.ts'
import type { Snapshot } from './snapshot.ts'
import { type SnapshotChange, snapshotCodec } from './snapshot-change.ts'

/** The document of `stateDocument`, read and written as snapshots. */
export function snapshotDocument(
  store: Store,
  name: string | DocumentName,
): VersionedDocument<Snapshot, SnapshotChange> {
  return store.document(name, snapshotCodec, { revisionIds: revisionIdsByType })
}
