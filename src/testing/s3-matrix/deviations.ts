import { type MatrixObservations, matrixProblems } from '../matrix.ts'
import { S3_MATRIX, type S3MatrixRow } from './rows.ts'

/** Engines whose deviations are known. */
export type S3Engine = 'localstack' | 'minio'

/** What engines answer instead, by row. Each is observed and has to stay true. */
export const S3_DEVIATIONS: Record<S3Engine, Readonly<Record<string, string>>> = {
  // LocalStack 4.14.0
  localstack: {
    'put wrong checksum': '400 BadDigest, unreadable', // and the object that was there is damaged
    'put wrong secret': '200, written',
    'put unknown key id': '200, written',
    'delete if-match same': '501 NotImplemented, unchanged',
    'delete if-match other': '501 NotImplemented, unchanged',
  },
  // MinIO 2026-02-12
  minio: {
    'put if-none-match:etag': '200, written',
    'put if-match:*': '200, written',
    'put both conditions': '412 PreconditionFailed, unchanged',
    'put wrong checksum': '400 XAmzContentChecksumMismatch, unchanged',
    'put key with //': '400 XMinioInvalidObjectName, unreadable',
    'delete if-match other': '204, absent',
    'list object and what lies below it': '200 a |',
  },
}

/**
 * Compares what was observed with what S3 answers and with the known deviations of the engine: none for S3 and for anything that claims to be like it.
 *
 * @returns one line for each difference: a deviation that is not known, or a known one that is no longer true.
 */
export function s3MatrixProblems(
  observed: MatrixObservations,
  engine?: S3Engine,
  rows: readonly S3MatrixRow[] = S3_MATRIX,
): string[] {
  const subject = engine === undefined ? undefined : { name: engine, deviations: S3_DEVIATIONS[engine] }
  return matrixProblems(observed, rows, { service: 'S3', engine: subject })
}
