import { type MatrixObservations, matrixProblems } from '../matrix.ts'
import { GCS_MATRIX, type GcsMatrixRow } from './rows.ts'

/** Engines whose deviations are known. */
export type GcsEngine = 'fake-gcs-server'

/** What engines answer instead, by row. Each is observed and has to stay true. */
export const GCS_DEVIATIONS: Record<GcsEngine, Readonly<Record<string, string>>> = {
  // fake-gcs-server 1.56.1: of preconditions, it honours those on the generation, in uploads; nothing is denied to anybody
  'fake-gcs-server': {
    'put other metageneration': '200, written',
    'put no bucket': '404 notFound: something',
    'put unknown token': '200, written',
    'get absent': '404: something',
    'get deleted, versioned': '404: something',
    'get no bucket': '404: something',
    'get other generation': '200 with its generation',
    'get unless same generation': '200 with its generation',
    'get other metageneration': '200 with its generation',
    'delete present': '200, absent',
    'delete absent': '404 notFound: something, absent',
    'delete no bucket': '404 notFound: something',
    'delete same generation': '200, absent',
    'delete other generation': '200, absent',
    'delete other metageneration': '200, absent',
    'patch other generation': '200',
    'patch other metageneration': '200',
    'list no bucket': '404 notFound: something',
  },
}

/**
 * Compares what was observed with what Google Cloud Storage answers and with the known deviations of the engine: none for the service, and for
 * anything that claims to be like it.
 *
 * @returns one line for each difference: a deviation that is not known, or a known one that is no longer true.
 */
export function gcsMatrixProblems(
  observed: MatrixObservations,
  engine?: GcsEngine,
  rows: readonly GcsMatrixRow[] = GCS_MATRIX,
): string[] {
  const subject = engine === undefined ? undefined : { name: engine, deviations: GCS_DEVIATIONS[engine] }
  return matrixProblems(observed, rows, { service: 'Google Cloud Storage', engine: subject })
}
