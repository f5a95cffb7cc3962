import { describe, expect, it } from 'vitest'
import { runS3Matrix, S3_MATRIX, s3MatrixProblems } from '../../src/testing/s3-matrix/index.ts'
import { startS3Server } from '../../src/testing/s3-server/index.ts'

describe('the status matrix of S3', () => {
  it('is what the fixture server answers, row by row', async () => {
    await using server = await startS3Server()
    const observed = await runS3Matrix({ ...server.clientConfig })
    expect(observed).toEqual(Object.fromEntries(S3_MATRIX.map((row) => [row.id, row.expected])))
    expect(s3MatrixProblems(observed)).toEqual([])
  })
})
