import type { Codec } from '../core/codec.ts'
import type { VersionedDocument } from '../core/document.ts'
import type { DocumentName } from '../core/names.ts'
import type { Store } from '../core/state-store.ts'
import { decodeSnapshot, encodeSnapshot } from './codec.ts'
import { revisionIdsByType } from './revision-ids.ts'
import type { Snapshot } from './snapshot.ts'

/** Snapshots as documents hold them, unencrypted: the store seals them. */
export const snapshotCodec: Codec<Snapshot> = { type: 'snapshot', encode: encodeSnapshot, decode: decodeSnapshot }

/** The document of `stateDocument`, read and written as snapshots. */
export function snapshotDocument(store: Store, name: string | DocumentName): VersionedDocument<Snapshot> {
  return store.document(name, snapshotCodec, { revisionIds: revisionIdsByType })
}
