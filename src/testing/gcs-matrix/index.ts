export { GCS_DEVIATIONS, type GcsEngine, gcsMatrixProblems } from './deviations.ts'
export { GCS_MATRIX, type GcsMatrixRow, type GcsMatrixState, type GcsMatrixTokens } from './rows.ts'
export { type GcsEndpoint, runGcsMatrix } from './run.ts'
