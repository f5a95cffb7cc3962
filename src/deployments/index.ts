export type { Backend, DeploymentLockOptions, Lock } from './backend.ts'
export {
  type BackendType,
  type BackendTypes,
  backendTypes,
  createBackendTypes,
  openBackend,
  registerBackendType,
} from './backend-types.ts'
export { decodeSnapshot, encodeSnapshot } from './codec.ts'
export { Deployment, type DeploymentName, type DeploymentOptions, deployment } from './deployment.ts'
export { type Encrypter, type EnvKeyOptions, envKey, noop } from './encrypter.ts'
export {
  type EntryJson,
  type EntryMove,
  entriesJson,
  findEntryJson,
  moveEntries,
  removeEntry,
  type ShowOptions,
} from './entries.ts'
export { type ExportOptions, type ExportReport, exportStack } from './export.ts'
export { type ImportOptions, type ImportPlan, importStack, planImport } from './import.ts'
export {
  findOriginalStacks,
  type OriginalLock,
  type OriginalStack,
  readOriginalStack,
} from './original-tree.ts'
export { nextRevisionId, sortRevisions } from './revisions.ts'
export { MASK } from './sensitive.ts'
export {
  currentFormatVersion,
  type Entry,
  type EntryType,
  entryAction,
  entryLeaf,
  entryLibraryCall,
  type FactoryInfo,
  find,
  newSnapshot,
  type Snapshot,
  validate,
} from './snapshot.ts'
export { type SnapshotChange, snapshotCodec } from './snapshot-change.ts'
export { diffSnapshots, type EntryChange, type SnapshotDiff } from './snapshot-diff.ts'
export { snapshotDocument } from './snapshot-document.ts'
export { stateDocument } from './state-document.ts'
