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
