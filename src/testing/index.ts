export { type FaultAction, type FaultMatch, FaultPlan, type FaultRule, type FaultTarget, type Hold } from './faults.ts'
export { type KeyProviderHarness, type KeyProviderSuiteOptions, testKeyProvider } from './key-provider.ts'
export type { ObjectStoreCase, ObjectStoreContext } from './object-store/context.ts'
export { type ObjectStoreHarness, type ObjectStoreSuiteOptions, testObjectStore } from './object-store.ts'
export { type FaultProxy, type ProxiedRequest, startFaultProxy } from './proxy.ts'
export * from './s3-matrix/index.ts'
export * from './s3-server/index.ts'
export type { WireProtocol } from './s3-wire.ts'
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
