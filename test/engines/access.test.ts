import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { s3Store } from '../../src/s3/index.ts'
import { engines } from './engines.ts'

// LocalStack takes any credentials: its rows of the S3 matrix say so and check it.
for (const engine of engines.filter(({ name }) => name === 'minio')) {
  describe(`${engine.name}, credentials`, () => {
    test.each([
      ['a wrong secret', { ...engine.credentials, secretAccessKey: 'not-the-secret' }],
      ['an unknown key id', { accessKeyId: 'nobody', secretAccessKey: 'not-the-secret' }],
    ])('%s is Unauthenticated in every call, never an empty store', async (_, credentials) => {
      const { endpoint, region } = engine
      const store = s3Store({ bucket: await engine.newBucket(), endpoint, region, credentials })
      for (const call of everyCall(store)) await expect(call()).rejects.toMatchObject({ code: 'Unauthenticated' })
      await store.close()
    })
  })
}

function everyCall(store: ObjectStore): (() => Promise<unknown>)[] {
  const body = new Uint8Array(3)
  return [
    () => store.get('heads/state/a/~'),
    () => store.put('heads/state/a/~', body, { ifAbsent: true }),
    () => store.put('heads/state/a/~', body, { ifMatch: '"11111111111111111111111111111111"' }),
    () => store.delete(['objects/state/a/~/1']),
    () => store.list(''),
  ]
}
