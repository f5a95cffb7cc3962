export type { ObjectStoreCase, ObjectStoreContext } from './object-store/context.ts'
export { type ObjectStoreHarness, type ObjectStoreSuiteOptions, testObjectStore } from './object-store.ts'
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
