import { bytes } from '../core/codec.ts'
import type { VersionedDocument } from '../core/document.ts'
import type { DocumentName } from '../core/names.ts'
import type { Store } from '../core/state-store.ts'
import { revisionIdsByType } from './revision-ids.ts'

/** A document whose bodies are taken as they are. Its revisions are named by what they hold: snapshots by time, others by ULID. Makes no request. */
export function stateDocument(store: Store, name: string | DocumentName): VersionedDocument<Uint8Array> {
  return store.document(name, bytes(), { revisionIds: revisionIdsByType })
}
