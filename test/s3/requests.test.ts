import { S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { s3Store } from '../../src/s3/index.ts'
import { ABSENT, HEAD, OBJECT, s3Bench } from '../clouds/bench.ts'

const THREE_MB = new Uint8Array(3_000_000)

const bench = s3Bench()
beforeEach(() => bench.start())
afterEach(() => bench.stop())

const sent = (operation: string) => bench.server.requests.filter((request) => request.operation === operation)

describe('what a call sends', () => {
  it('carries the condition, the type, and no-store for what is moved', async () => {
    const store = bench.open()
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    await store.put(HEAD, Buffer.from('2'), { ifMatch: token })
    await store.put(OBJECT, Buffer.from('3'), ABSENT)
    await store.put('store', Buffer.from('3'), ABSENT)
    await store.put('locks/state/doc/~', Buffer.from('3'), ABSENT)
    expect(
      sent('PutObject').map(({ headers }) => [headers['if-none-match'], headers['if-match'], headers['cache-control']]),
    ).toEqual([
      ['*', undefined, 'no-store'],
      [undefined, token, 'no-store'],
      ['*', undefined, undefined],
      ['*', undefined, undefined],
      ['*', undefined, 'no-store'],
    ])
    expect(new Set(sent('PutObject').map(({ headers }) => headers['content-type']))).toEqual(
      new Set(['application/octet-stream']),
    )
  })

  it('names the owner that the bucket must have, and the encryption that was asked for', async () => {
    const store = bench.open({
      expectedBucketOwner: '111122223333',
      serverSideEncryption: 'aws:kms',
      kmsKeyId: 'alias/state',
    })
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    expect(await store.get(HEAD)).toMatchObject({ token })
    await store.list('')
    await store.delete([OBJECT])
    expect(new Set(bench.server.requests.map(({ headers }) => headers['x-amz-expected-bucket-owner']))).toEqual(
      new Set(['111122223333']),
    )
    expect(bench.server.bucket('state').current(HEAD)?.encryption).toEqual({
      algorithm: 'aws:kms',
      keyId: 'alias/state',
    })
  })

  it('is no Expect header and no new connection for large bodies', async () => {
    const store = bench.open()
    for (const n of [1, 2, 3]) await store.put(`objects/state/doc/~/${n}`, THREE_MB, ABSENT)
    expect(sent('PutObject').map(({ headers, connection, bytesIn }) => [headers.expect, connection, bytesIn])).toEqual(
      [1, 2, 3].map(() => [undefined, 1, THREE_MB.length]),
    )
  })

  it('is no checksum to a custom endpoint but where S3 demands one, and one on AWS', async () => {
    const checksums = () =>
      bench.server
        .takeRequests()
        .map(({ headers }) => Object.keys(headers).filter((name) => /checksum|content-md5|trailer/.test(name)))
    const custom = bench.open()
    await custom.put(HEAD, Buffer.from('1'), ABSENT)
    await custom.get(HEAD)
    await custom.delete([OBJECT])
    expect(checksums()).toEqual([[], [], ['x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32']])

    // The SDK's own switch sends what is meant for AWS to the fixture.
    process.env.AWS_ENDPOINT_URL_S3 = bench.server.endpoint
    try {
      const aws = bench.open({ endpoint: undefined, prefix: 'aws' })
      await aws.put(HEAD, Buffer.from('1'), ABSENT)
      expect(await aws.get(HEAD)).toMatchObject({ bytes: new Uint8Array([49]) })
      expect(checksums()).toEqual([['x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32'], ['x-amz-checksum-mode']])
    } finally {
      delete process.env.AWS_ENDPOINT_URL_S3
    }
  })

  it('is one attempt, whatever the service answers', async () => {
    const store = bench.open()
    for (const [status, code] of [
      [500, 'InternalError'],
      [503, 'SlowDown'],
      [429, 'TooManyRequests'],
      [409, 'OperationAborted'],
    ] as const) {
      bench.server.takeRequests()
      bench.server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code })
      await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toThrow(code)
      await expect(store.get(HEAD)).rejects.toThrow(code)
      expect(bench.server.requests).toHaveLength(2)
      expect(bench.server.requests.map(({ headers }) => headers['amz-sdk-request'])).toEqual([
        'attempt=1; max=1',
        'attempt=1; max=1',
      ])
      bench.server.faults.clear()
    }
  })

  it('goes through a client that was passed in, which stays open', async () => {
    const client = new S3Client({ ...bench.server.clientConfig, maxAttempts: 1 })
    const store = s3Store({ bucket: 'state', client })
    await store.put(HEAD, Buffer.from('1'), ABSENT)
    await store.close()
    expect(await s3Store({ bucket: 'state', client }).get(HEAD)).toMatchObject({ bytes: new Uint8Array([49]) })
    client.destroy()
  })
})
