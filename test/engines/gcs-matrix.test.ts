import { expect, test } from 'vitest'
import { gcsMatrixProblems, runGcsMatrix } from '../../src/testing/gcs-matrix/index.ts'
import { fakeGcsServer } from './gcs.ts'

test('fake-gcs-server answers as Google Cloud Storage does, but for the deviations that are known, and those are still there', async () => {
  expect(gcsMatrixProblems(await runGcsMatrix(fakeGcsServer), fakeGcsServer.name)).toEqual([])
})
