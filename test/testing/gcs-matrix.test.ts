import { describe, expect, it } from 'vitest'
import { GCS_MATRIX, gcsMatrixProblems, runGcsMatrix } from '../../src/testing/gcs-matrix/index.ts'
import { startGcsServer } from '../../src/testing/gcs-server/index.ts'

describe('the status matrix of Google Cloud Storage', () => {
  it('is what the fixture server answers, row by row', async () => {
    await using server = await startGcsServer()
    let made = 0
    const observed = await runGcsMatrix({
      endpoint: server.endpoint,
      token: server.credential.token,
      newBucket: async (options) => server.createBucket(`matrix-${++made}`, options).name,
    })
    expect(observed).toEqual(Object.fromEntries(GCS_MATRIX.map((row) => [row.id, row.expected])))
    expect(gcsMatrixProblems(observed)).toEqual([])
  })

  it('names each answer that differs, and each known deviation that is no longer one', () => {
    const right = Object.fromEntries(GCS_MATRIX.map((row) => [row.id, row.expected]))
    expect(gcsMatrixProblems({ ...right, 'get absent': '200' })).toEqual([
      'get absent: 200, where Google Cloud Storage answers 404: the object',
    ])
    expect(gcsMatrixProblems(right, 'fake-gcs-server').join()).toContain('is known for')
  })
})
