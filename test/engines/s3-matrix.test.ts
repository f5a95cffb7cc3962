import { expect, test } from 'vitest'
import { runS3Matrix, s3MatrixProblems } from '../../src/testing/s3-matrix/index.ts'
import { engines } from './engines.ts'

for (const engine of engines) {
  test(`${engine.name} answers as S3 does, but for the deviations that are known, and those are still there`, async () => {
    expect(s3MatrixProblems(await runS3Matrix(engine), engine.name)).toEqual([])
  })
}
