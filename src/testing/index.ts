export { type BackendContext, type BackendHarness, type BackendPlace, testBackend } from './backend.ts'
export { type CountedRequest, CountingStore, countingStore, type RequestCount } from './counting-store.ts'
export { dynamoDbWire } from './dynamodb-wire.ts'
export {
  type FaultAction,
  type FaultMatch,
  FaultPlan,
  type FaultRule,
  type FaultTarget,
  type Hold,
  type HoldPoint,
} from './faults.ts'
export { type FaultyLockStore, faultyLockStore } from './faulty-lock-store.ts'
export { type FaultyStore, faultyStore } from './faulty-store.ts'
export * from './gcp-kms-server/index.ts'
export * from './gcs-matrix/index.ts'
export * from './gcs-server/index.ts'
export { gcsWire } from './gcs-wire.ts'
export { type KeyProviderHarness, type KeyProviderSuiteOptions, testKeyProvider } from './key-provider.ts'
export * from './kms-server/index.ts'
export type { LockStoreCase, LockStoreContext } from './lock-store/context.ts'
export { type LockStoreHarness, type LockStoreSuiteOptions, testLockStore } from './lock-store.ts'
export type { MatrixObservations } from './matrix.ts'
export { MemoryLockTable, memoryLockStore } from './memory-lock-store.ts'
export type { ObjectStoreCase, ObjectStoreContext } from './object-store/context.ts'
export { type ObjectStoreHarness, type ObjectStoreSuiteOptions, testObjectStore } from './object-store.ts'
export { type FaultProxy, type ProxiedRequest, startFaultProxy } from './proxy.ts'
export * from './s3-matrix/index.ts'
export * from './s3-server/index.ts'
export type { WireProtocol } from './s3-wire.ts'
export * from './simulation/index.ts'
export {
  type CaseResult,
  type Manifest,
  registerSuite,
  runSuite,
  type Suite,
  type SuiteCase,
  type SuiteReport,
  type TestRunner,
  tableProblems,
} from './suite.ts'
export {
  type FaultKind,
  testVerdicts,
  type VerdictCase,
  type VerdictContext,
  type VerdictHarness,
  type VerdictOptions,
  type VerdictPlace,
} from './verdicts.ts'
export { type Frozen, type VirtualMachine, VirtualTime, type VirtualTimeOptions } from './virtual-environment.ts'
export { type NetworkRequest, VirtualNetwork, type Weather } from './virtual-network.ts'
