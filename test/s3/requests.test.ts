import { S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type S3StoreOptions, s3Store } from '../../src/s3/index.ts'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'

const HEAD = 'heads/state/doc/~'
const OBJECT = 'objects/state/doc/~/1'
const ABSENT = { ifAbsent: true } as const
const THREE_MB = new Uint8Array(3_000_000)

let server: S3Server
const stores: ObjectStore[] = []

function open(options: Partial<S3StoreOptions> = {}): ObjectStore {
  const store = s3Store({ ...server.clientConfig, bucket: 'state', ...options })
  stores.push(store)
  return store
}

const sent = (operation: string) => server.requests.filter((request) => request.operation === operation)

beforeEach(async () => {
  server = await startS3Server()
  server.createBucket('state')
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
})

describe('what a call sends', () => {
  it('is one request each, and nothing for opening, closing or an empty deletion', async () => {
    const store = open()
    await store.delete([])
    expect(server.requests).toEqual([])
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    const next = await store.put(HEAD, Buffer.from('2'), { ifMatch: token })
    await store.get(HEAD)
    await store.get(HEAD, { unlessToken: next })
    await store.get('heads/state/absent/~')
    await store.list('heads/')
    await store.delete([OBJECT, 'objects/state/doc/~/2'])
    await store.close()
    expect(server.requests.map(({ operation, status }) => [operation, status])).toEqual([
      ['PutObject', 200],
      ['PutObject', 200],
      ['GetObject', 200],
      ['GetObject', 304],
      ['GetObject', 404],
      ['ListObjectsV2', 200],
      ['DeleteObjects', 200],
    ])
    expect(server.connectionCount).toBe(1)
  })

  it('carries the condition, the type, and no-store for what is moved', async () => {
    const store = open()
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
    const store = open({
      expectedBucketOwner: '111122223333',
      serverSideEncryption: 'aws:kms',
      kmsKeyId: 'alias/state',
    })
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    expect(await store.get(HEAD)).toMatchObject({ token })
    await store.list('')
    await store.delete([OBJECT])
    expect(new Set(server.requests.map(({ headers }) => headers['x-amz-expected-bucket-owner']))).toEqual(
      new Set(['111122223333']),
    )
    expect(server.bucket('state').current(HEAD)?.encryption).toEqual({ algorithm: 'aws:kms', keyId: 'alias/state' })
  })

  it('is no Expect header and no new connection for large bodies', async () => {
    const store = open()
    for (const n of [1, 2, 3]) await store.put(`objects/state/doc/~/${n}`, THREE_MB, ABSENT)
    expect(sent('PutObject').map(({ headers, connection, bytesIn }) => [headers.expect, connection, bytesIn])).toEqual(
      [1, 2, 3].map(() => [undefined, 1, THREE_MB.length]),
    )
  })

  it('is no checksum to a custom endpoint but where S3 demands one, and one on AWS', async () => {
    const checksums = () =>
      server
        .takeRequests()
        .map(({ headers }) => Object.keys(headers).filter((name) => /checksum|content-md5|trailer/.test(name)))
    const custom = open()
    await custom.put(HEAD, Buffer.from('1'), ABSENT)
    await custom.get(HEAD)
    await custom.delete([OBJECT])
    expect(checksums()).toEqual([[], [], ['x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32']])

    // The SDK's own switch sends what is meant for AWS to the fixture.
    process.env.AWS_ENDPOINT_URL_S3 = server.endpoint
    try {
      const { endpoint: _, ...options } = server.clientConfig
      const aws = s3Store({ ...options, bucket: 'state', prefix: 'aws' })
      stores.push(aws)
      await aws.put(HEAD, Buffer.from('1'), ABSENT)
      expect(await aws.get(HEAD)).toMatchObject({ bytes: new Uint8Array([49]) })
      expect(checksums()).toEqual([['x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32'], ['x-amz-checksum-mode']])
    } finally {
      delete process.env.AWS_ENDPOINT_URL_S3
    }
  })

  it('is one attempt, whatever the service answers', async () => {
    const store = open()
    for (const [status, code] of [
      [500, 'InternalError'],
      [503, 'SlowDown'],
      [429, 'TooManyRequests'],
      [409, 'OperationAborted'],
    ] as const) {
      server.takeRequests()
      server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code })
      await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toThrow(code)
      await expect(store.get(HEAD)).rejects.toThrow(code)
      expect(server.requests).toHaveLength(2)
      expect(server.requests.map(({ headers }) => headers['amz-sdk-request'])).toEqual([
        'attempt=1; max=1',
        'attempt=1; max=1',
      ])
      server.faults.clear()
    }
  })

  it('goes through a client that was passed in, which stays open', async () => {
    const client = new S3Client({ ...server.clientConfig, maxAttempts: 1 })
    const store = s3Store({ bucket: 'state', client })
    await store.put(HEAD, Buffer.from('1'), ABSENT)
    await store.close()
    expect(await s3Store({ bucket: 'state', client }).get(HEAD)).toMatchObject({ bytes: new Uint8Array([49]) })
    client.destroy()
  })

  it('may be many at once without a warning about listeners', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const store = open()
    await Promise.all(Array.from({ length: 60 }, (_, n) => store.put(`heads/state/${n}/~`, Buffer.from('1'), ABSENT)))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})

describe('names', () => {
  it('lie below the prefix, and listings show what lies there and nothing beside it', async () => {
    const store = open({ prefix: 'team a/prod' })
    await store.put(HEAD, Buffer.from('123'), ABSENT)
    server.bucket('state').put('team a/prod2/heads/x', Buffer.from(''))
    server.bucket('state').put('team a/other', Buffer.from(''))
    expect(server.bucket('state').keys()).toContain(`team a/prod/${HEAD}`)
    expect(await store.list('')).toEqual({ objects: [{ key: HEAD, size: 3 }] })
  })

  it('of what is moved are not deleted, and what is immutable is not replaced', async () => {
    const store = open()
    const refused = async (call: Promise<unknown>) =>
      expect(KeelstateError.is(await call.catch((error) => error), 'InvalidInput')).toBe(true)
    await refused(store.delete([OBJECT, HEAD]))
    await refused(store.put(OBJECT, Buffer.from('1'), { ifMatch: '"x"' }))
    await refused(store.delete(Array.from({ length: 1001 }, () => OBJECT)))
    await refused(store.list('heads'))
    await refused(store.list('', { limit: 0 }))
    expect(server.requests).toEqual([])
  })
})
