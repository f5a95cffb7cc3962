export type { AcceptedHead } from './core/accept.ts'
export { type BodyType, chooseBodyType, detectBodyType } from './core/body-type.ts'
export type { AddOptions, ChangeOptions, MadeElsewhere, Parent } from './core/change-options.ts'
export { bytes, type Codec, json } from './core/codec.ts'
export type { CollectOptions, CollectReport } from './core/collect.ts'
export type { CompactOptions, CompactReport } from './core/compact.ts'
export type { Change } from './core/diff.ts'
export type { VersionedDocument } from './core/document.ts'
export type { CommitOptions } from './core/document-changes.ts'
export type { DocumentStatus, RevisionDiff } from './core/document-reader.ts'
export type { ComparedSave, OpenedSave, Recovered, RecoverOptions } from './core/document-recovery.ts'
export type { Environment } from './core/environment.ts'
export {
  type CommonDetails,
  type ErrorCode,
  type ErrorDetailsByCode,
  type ErrorSubject,
  KeelstateError,
  type RetryAdvice,
} from './core/errors.ts'
export type { HeadStatus } from './core/head-status.ts'
export type { Finding } from './core/inspection.ts'
export type { KeyedChange, KeyedDocument, KeyedValue } from './core/keyed.ts'
export type { LockHolder, LockOptions, LockStatus, UnreadableLock } from './core/lease.ts'
export type { LockedDocument } from './core/locked-document.ts'
export { type DocumentName, formatName, parseName } from './core/names.ts'
export type { PrunePolicy, PruneReport } from './core/prune.ts'
export type { Limits } from './core/retry.ts'
export type { Revision, RevisionInfo } from './core/revision.ts'
export type { Saving } from './core/saving.ts'
export type { RecipientInfo } from './core/sealer.ts'
export type { SpooledSave, UnreadableSave } from './core/spool.ts'
export type { Store, UnreadableHead } from './core/state-store.ts'
export type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectKey,
  ObjectStore,
  ObjectStoreCapabilities,
  PutCondition,
  StoredObject,
  VersionToken,
} from './core/store.ts'
export type { VerifyOptions, VerifyProblem, VerifyReport } from './core/verify.ts'
export { type DoctorOptions, type DoctorReport, doctor } from './diagnose.ts'
export { type CacheOptions, type OpenStoreOptions, openStore } from './open.ts'
