export { decodeSnapshot, encodeSnapshot } from './codec.ts'
export { type Encrypter, type EnvKeyOptions, envKey, noop } from './encrypter.ts'
export { nextRevisionId, sortRevisions } from './revisions.ts'
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
