export { S3_DEVIATIONS, type S3Engine, s3MatrixProblems } from './deviations.ts'
export { S3_MATRIX, type S3MatrixRow, type S3MatrixState, type S3MatrixTokens } from './rows.ts'
export { runS3Matrix, type S3Endpoint } from './run.ts'
