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
