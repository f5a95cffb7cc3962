import { createHash, randomBytes } from 'node:crypto'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type S3Server, type S3ServerOptions, startS3Server } from '../../src/testing/s3-server/index.ts'

const Bucket = 'state'
let server: S3Server
const clients: S3Client[] = []

async function start(options?: S3ServerOptions): Promise<void> {
  await server?.close()
  server = await startS3Server(options)
  server.createBucket(Bucket)
}

function connect(config: S3ClientConfig = {}): S3Client {
  const client = new S3Client({ ...server.clientConfig, maxAttempts: 1, ...config })
  clients.push(client)
  return client
}

/** Status and code of what `send` is refused with. */
async function refusal(send: Promise<unknown>): Promise<string> {
  const error = await send.then(
    () => expect.unreachable('the request was not refused'),
    (reason: { name: string; $metadata: { httpStatusCode: number } }) => reason,
  )
  return `${error.$metadata.httpStatusCode} ${error.name}`
}

const put = (client: S3Client, Key: string, Body: string, more = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const get = (client: S3Client, Key: string, more = {}) => client.send(new GetObjectCommand({ Bucket, Key, ...more }))
const md5 = (body: string | Uint8Array) => createHash('md5').update(body).digest('hex')

beforeEach(() => start())
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await server.close()
})

describe('who may ask', () => {
  it('takes only requests that are signed with a key it knows, and says what is wrong with others', async () => {
    const { accessKeyId } = server.credential
    expect(await refusal(get(connect({ credentials: { accessKeyId, secretAccessKey: 'wrong' } }), 'k'))).toBe(
      '403 SignatureDoesNotMatch',
    )
    expect(await refusal(get(connect({ credentials: { accessKeyId: 'other', secretAccessKey: 'x' } }), 'k'))).toBe(
      '403 InvalidAccessKeyId',
    )
    expect((await fetch(`${server.endpoint}/${Bucket}/k`)).status).toBe(403)
    expect(await refusal(get(connect({ region: 'eu-west-1' }), 'k'))).toBe('400 AuthorizationHeaderMalformed')
  })

  it('verifies the signature over names that need encoding', async () => {
    const client = connect()
    for (const key of ['a b+c', "it's (1)!*", 'é/😀', 'a%2Fb', '~', 'x=y&z', '.../q?']) {
      await put(client, key, key)
      expect(await (await get(client, key)).Body?.transformToString(), key).toBe(key)
    }
    expect(server.bucket(Bucket).keys()).toHaveLength(7)
  })

  it('refuses a clock that is more than 15 minutes off, and an ended session', async () => {
    server.clockOffsetMs = 16 * 60_000
    expect(await refusal(get(connect(), 'k'))).toBe('403 RequestTimeTooSkewed')
    const session = { accessKeyId: 'temporary', secretAccessKey: 's', sessionToken: 'token' }
    await start({
      credentials: [
        { ...session, expired: true },
        { accessKeyId: 'live', secretAccessKey: 's', sessionToken: 't' },
      ],
    })
    expect(await refusal(get(connect({ credentials: session }), 'k'))).toBe('400 ExpiredToken')
    const other = { accessKeyId: 'live', secretAccessKey: 's', sessionToken: 'stale' }
    expect(await refusal(get(connect({ credentials: other }), 'k'))).toBe('400 InvalidToken')
  })

  it('keeps to the permissions of a key, everywhere or for some objects', async () => {
    const client = connect()
    await put(client, 'open/k', '1')
    await put(client, 'shut/k', '1')
    server.deny('fixture-key', [{ permission: 'GetObject', key: 'shut/*' }, 'DeleteObject'])
    expect((await get(client, 'open/k')).$metadata.httpStatusCode).toBe(200)
    expect(await refusal(get(client, 'shut/k'))).toBe('403 AccessDenied')
    expect(await refusal(put(client, 'shut/k', '2', { IfMatch: '"x"' }))).toBe('403 AccessDenied')
    expect(await refusal(client.send(new DeleteObjectCommand({ Bucket, Key: 'open/k' })))).toBe('403 AccessDenied')
    server.deny('fixture-key', ['PutObject', 'ListBucket'])
    expect(await refusal(put(client, 'open/k', '2'))).toBe('403 AccessDenied')
    expect(await refusal(client.send(new ListObjectsV2Command({ Bucket })))).toBe('403 AccessDenied')
  })

  it('does not tell a missing object from a forbidden one to a key that may not list', async () => {
    server.deny('fixture-key', ['ListBucket'])
    expect(await refusal(get(connect(), 'missing'))).toBe('403 AccessDenied')
  })

  it('refuses a bucket of another owner, of another region, and one that is not there', async () => {
    server.createBucket('elsewhere', { region: 'eu-west-1' })
    const client = connect()
    expect(
      (await client.send(new HeadBucketCommand({ Bucket, ExpectedBucketOwner: '111122223333' }))).$metadata
        .httpStatusCode,
    ).toBe(200)
    expect(await refusal(put(client, 'k', '1', { ExpectedBucketOwner: '999999999999' }))).toBe('403 AccessDenied')
    expect(await refusal(put(client, 'k', '1', { Bucket: 'elsewhere' }))).toBe('301 PermanentRedirect')
    expect(await refusal(put(client, 'k', '1', { Bucket: 'missing' }))).toBe('404 NoSuchBucket')
  })
})

describe('what it does not do', () => {
  it.each([
    ['an operation', { method: 'GET', path: '/k?tagging' }],
    ['the first version of listing', { method: 'GET', path: '?prefix=a' }],
    ['an upload in parts', { method: 'POST', path: '/k?uploads' }],
    ['a copy', { method: 'PUT', path: '/k', headers: { 'x-amz-copy-source': '/state/other' } }],
    ['an access list', { method: 'PUT', path: '/k', headers: { 'x-amz-acl': 'public-read' } }],
    ['a part of an object', { method: 'GET', path: '/k', headers: { range: 'bytes=0-1' } }],
    [
      'a condition on dates',
      { method: 'GET', path: '/k', headers: { 'if-unmodified-since': 'Tue, 01 Jan 2030 00:00:00 GMT' } },
    ],
  ])(
    'is refused with 501 and never ignored: %s',
    async (_, { method, path, headers = {} }: { method: string; path: string; headers?: Record<string, string> }) => {
      await start({ anonymous: true })
      server.bucket(Bucket).put('k', Buffer.from('0123'))
      const answer = await fetch(`${server.endpoint}/${Bucket}${path}`, { method, headers })
      expect(answer.status).toBe(501)
      expect(await answer.text()).toContain('<Code>NotImplemented</Code>')
      expect(server.requests.at(-1)).toMatchObject({ status: 501, code: 'NotImplemented' })
    },
  )

  it('is refused to the SDK as well', async () => {
    expect(await refusal(connect().send(new GetObjectTaggingCommand({ Bucket, Key: 'k' })))).toBe('501 NotImplemented')
  })
})

describe('what is stored', () => {
  it('comes back with its bytes, content headers and metadata, and the MD5 in quotes as its tag', async () => {
    const client = connect()
    const body = randomBytes(300_000)
    const written = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'k',
        Body: body,
        ContentType: 'text/x',
        CacheControl: 'no-store',
        Metadata: { who: 'me' },
      }),
    )
    expect(written.ETag).toBe(`"${md5(body)}"`)
    const answer = await get(client, 'k')
    expect(Buffer.compare((await answer.Body?.transformToByteArray()) ?? body.subarray(1), body)).toBe(0)
    expect(answer).toMatchObject({
      ETag: written.ETag,
      ContentType: 'text/x',
      CacheControl: 'no-store',
      Metadata: { who: 'me' },
      ContentLength: body.length,
      ServerSideEncryption: 'AES256',
    })
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }))
    expect(head).toMatchObject({ ETag: written.ETag, ContentLength: body.length })
  })

  it('has an opaque tag when a KMS key encrypts it, a new one for the same bytes', async () => {
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'key-1' }
    const first = await put(connect(), 'k', 'same', kms)
    const second = await put(connect(), 'k', 'same', kms)
    expect(first).toMatchObject(kms)
    expect(new Set([first.ETag, second.ETag, `"${md5('same')}"`]).size).toBe(3)
    expect(await get(connect(), 'k')).toMatchObject({ ...kms, ETag: second.ETag })
  })

  it('is refused when it is larger than the limit', async () => {
    await start({ maxObjectBytes: 10 })
    expect(await refusal(put(connect(), 'k', '12345678901'))).toBe('400 EntityTooLarge')
    await put(connect(), 'k', '1234567890')
    expect(await refusal(put(connect(), 'x'.repeat(1025), ''))).toBe('400 KeyTooLongError')
  })
})

describe('checksums', () => {
  it.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)(
    'of the kind %s are verified, kept and given back',
    async (kind) => {
      const client = connect()
      const written = await put(client, 'k', 'body', { ChecksumAlgorithm: kind })
      const field = `Checksum${kind}` as const
      expect(written[field]).toBeTruthy()
      const answer = await get(client, 'k', { ChecksumMode: 'ENABLED' })
      expect(answer[field]).toBe(written[field])
      expect(await answer.Body?.transformToString()).toBe('body')
      expect(await refusal(put(client, 'k', 'other', { [field]: written[field] }))).toBe('400 BadDigest')
      expect(Buffer.from(server.bucket(Bucket).bytes('k') ?? []).toString()).toBe('body')
    },
  )

  it('of the oldest kind, Content-MD5, are verified too', async () => {
    const ContentMD5 = createHash('md5').update('body').digest('base64')
    await put(connect(), 'k', 'body', { ContentMD5 })
    expect(await refusal(put(connect(), 'k', 'other', { ContentMD5 }))).toBe('400 BadDigest')
    expect(await refusal(put(connect(), 'k', 'other', { ContentMD5: 'x' }))).toBe('400 InvalidDigest')
  })

  it('in the trailer of a body in chunks are verified', async () => {
    await start({ anonymous: true })
    const send = (checksum: string) =>
      fetch(`${server.endpoint}/${Bucket}/k`, {
        method: 'PUT',
        headers: {
          'content-encoding': 'aws-chunked',
          'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
          'x-amz-decoded-content-length': '4',
          'x-amz-trailer': 'x-amz-checksum-sha256',
        },
        body: `3\r\nbod\r\n1\r\ny\r\n0\r\nx-amz-checksum-sha256:${checksum}\r\n\r\n`,
      })
    expect((await send(createHash('sha256').update('body').digest('base64'))).status).toBe(200)
    expect(Buffer.from(server.bucket(Bucket).bytes('k') ?? []).toString()).toBe('body')
    expect((await send(createHash('sha256').update('bodx').digest('base64'))).status).toBe(400)
  })
})

describe('listings', () => {
  it('come in pages, in the order of UTF-8 bytes, and restart where they ended', async () => {
    const keys = Array.from({ length: 2345 }, (_, i) => `p/${String(i).padStart(5, '0')}`)
    for (const key of [...keys, 'q/1']) server.bucket(Bucket).put(key, Buffer.from(key))
    const client = connect()
    const seen: (string | undefined)[] = []
    const sizes: number[] = []
    let ContinuationToken: string | undefined
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket, Prefix: 'p/', MaxKeys: 5000, ContinuationToken }),
      )
      seen.push(...(page.Contents ?? []).map(({ Key }) => Key))
      sizes.push(page.KeyCount ?? -1)
      ContinuationToken = page.NextContinuationToken
      expect(page.IsTruncated).toBe(ContinuationToken !== undefined)
    } while (ContinuationToken !== undefined)
    expect(seen).toEqual(keys)
    expect(sizes).toEqual([1000, 1000, 345])
  })

  it('count a common prefix once, across pages too', async () => {
    for (const key of ['a/1', 'a/2', 'b', 'c/1']) server.bucket(Bucket).put(key, Buffer.from(''))
    const client = connect()
    const first = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', MaxKeys: 1 }))
    expect(first.CommonPrefixes).toEqual([{ Prefix: 'a/' }])
    const rest = await client.send(
      new ListObjectsV2Command({ Bucket, Delimiter: '/', ContinuationToken: first.NextContinuationToken }),
    )
    expect([rest.Contents?.map(({ Key }) => Key), rest.CommonPrefixes]).toEqual([['b'], [{ Prefix: 'c/' }]])
  })

  it('write odd keys so that they can be read back, plain or encoded', async () => {
    const keys = ['a&<>"b', 'c d+e', 'f\u0001g']
    for (const key of keys) server.bucket(Bucket).put(key, Buffer.from(''))
    const plain = await connect().send(new ListObjectsV2Command({ Bucket }))
    expect(plain.Contents?.map(({ Key }) => Key)).toEqual(keys)
    const encoded = await connect().send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }))
    expect(encoded.Contents?.map(({ Key }) => Key)).toEqual(['a%26%3C%3E%22b', 'c+d%2Be', 'f%01g'])
  })

  it('refuse a page size or a token that makes no sense', async () => {
    expect(await refusal(connect().send(new ListObjectsV2Command({ Bucket, MaxKeys: -1 })))).toBe('400 InvalidArgument')
    expect(await refusal(connect().send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'x' })))).toBe(
      '400 InvalidArgument',
    )
  })
})

describe('versions', () => {
  it('keep what was overwritten or deleted, under ids that reads and deletions can name', async () => {
    server.createBucket('versioned', { versioning: 'enabled' })
    const client = connect()
    const target = { Bucket: 'versioned', Key: 'k' }
    const one = await client.send(new PutObjectCommand({ ...target, Body: '1' }))
    const two = await client.send(new PutObjectCommand({ ...target, Body: '2' }))
    const gone = await client.send(new DeleteObjectCommand(target))
    expect(gone.DeleteMarker).toBe(true)
    expect(await refusal(client.send(new GetObjectCommand(target)))).toBe('404 NoSuchKey')
    const old = await client.send(new GetObjectCommand({ ...target, VersionId: one.VersionId }))
    expect(await old.Body?.transformToString()).toBe('1')
    expect(await refusal(client.send(new GetObjectCommand({ ...target, VersionId: gone.VersionId })))).toBe(
      '405 MethodNotAllowed',
    )

    const ids = (page: ListObjectVersionsCommandOutput) =>
      [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ VersionId }) => VersionId)
    const all = await client.send(new ListObjectVersionsCommand({ Bucket: 'versioned' }))
    expect(ids(all)).toEqual([two.VersionId, one.VersionId, gone.VersionId])
    const first = await client.send(new ListObjectVersionsCommand({ Bucket: 'versioned', MaxKeys: 2 }))
    const second = await client.send(
      new ListObjectVersionsCommand({
        Bucket: 'versioned',
        KeyMarker: first.NextKeyMarker,
        VersionIdMarker: first.NextVersionIdMarker,
      }),
    )
    expect([ids(first).length, ids(second)]).toEqual([2, [one.VersionId]])

    await client.send(new DeleteObjectCommand({ ...target, VersionId: gone.VersionId }))
    expect(await (await client.send(new GetObjectCommand(target))).Body?.transformToString()).toBe('2')
  })

  it('are not kept while versioning is suspended', async () => {
    const bucket = server.createBucket('suspended', { versioning: 'suspended' })
    bucket.put('k', Buffer.from('1'))
    bucket.put('k', Buffer.from('2'))
    expect(bucket.versions('k').map(({ versionId }) => versionId)).toEqual(['null'])
    bucket.setVersioning('enabled')
    bucket.put('k', Buffer.from('3'))
    expect(bucket.versions('k')).toHaveLength(2)
  })
})

describe('deleting in batches', () => {
  it('answers for each key apart, deletes absent ones too, and stays silent about success when asked to', async () => {
    for (const key of ['a', 'b', 'kept/c']) server.bucket(Bucket).put(key, Buffer.from(''))
    server.deny('fixture-key', [{ permission: 'DeleteObject', key: 'kept/*' }])
    const Objects = ['a', 'kept/c', 'missing'].map((Key) => ({ Key }))
    const answer = await connect().send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    expect(answer.$metadata.httpStatusCode).toBe(200)
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(['a', 'missing'])
    expect(answer.Errors).toMatchObject([{ Key: 'kept/c', Code: 'AccessDenied' }])
    const quiet = await connect().send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }))
    expect([quiet.Deleted, quiet.Errors?.length]).toEqual([undefined, 1])
    expect(server.bucket(Bucket).keys()).toEqual(['b', 'kept/c'])
  })

  it('needs a checksum of the request, and well-formed XML', async () => {
    await start({ anonymous: true })
    const send = (body: string, headers = {}) =>
      fetch(`${server.endpoint}/${Bucket}?delete`, { method: 'POST', body, headers })
    expect(await (await send('<Delete><Object><Key>k</Key></Object></Delete>')).text()).toContain('InvalidRequest')
    const proof = (body: string) => ({ 'content-md5': createHash('md5').update(body).digest('base64') })
    for (const body of ['<Delete><Object><Key>k</Object></Delete>', '<Delete/>', 'text', '<Delete>']) {
      expect(await (await send(body, proof(body))).text(), body).toContain('MalformedXML')
    }
  })
})

describe('preconditions', () => {
  it('let exactly one of 16 racing writers win, also in a versioned bucket', async () => {
    server.createBucket('versioned', { versioning: 'enabled' })
    const client = connect()
    for (const bucket of [Bucket, 'versioned']) {
      const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'base' }))
      const race = (condition: object, Key: string) =>
        Promise.allSettled(
          Array.from({ length: 16 }, (_, i) =>
            client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: String(i), ...condition })),
          ),
        )
      for (const results of [await race({ IfMatch: ETag }, 'k'), await race({ IfNoneMatch: '*' }, 'new')]) {
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      }
    }
  })

  it('can be ignored or raced, as the stores do that doctor has to find out', async () => {
    const client = connect()
    const winners = async (Key: string) => {
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) => put(client, Key, String(i), { IfNoneMatch: '*' })),
      )
      return results.filter(({ status }) => status === 'fulfilled').length
    }
    server.conditions = 'racy'
    expect(await winners('racy')).toBeGreaterThan(1)
    expect(await refusal(put(client, 'racy', 'later', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed')
    server.conditions = 'ignored'
    expect(await winners('ignored')).toBe(8)
  })
})

describe('the log', () => {
  it('counts requests, bytes and connections, and holds no secret', async () => {
    const client = connect()
    await put(client, 'k', '12345', { IfNoneMatch: '*' })
    await refusal(put(client, 'k', '12345', { IfNoneMatch: '*' }))
    await (await get(client, 'k')).Body?.transformToByteArray()
    const log = server.takeRequests()
    expect(log).toMatchObject([
      {
        operation: 'PutObject',
        method: 'PUT',
        bucket: Bucket,
        key: 'k',
        bytesIn: 5,
        status: 200,
        executions: 1,
        outcome: 'answered',
        connection: 1,
      },
      { operation: 'PutObject', status: 412, code: 'PreconditionFailed', headers: { 'if-none-match': '*' } },
      { operation: 'GetObject', bytesIn: 0, bytesOut: 5, connection: 1 },
    ])
    expect(server.requests).toEqual([])
    expect(server.connectionCount).toBe(1)
    expect(JSON.stringify(log)).not.toContain('Signature')
  })

  it('goes with answers that carry a request id and a date', async () => {
    await start({ anonymous: true })
    const answer = await fetch(`${server.endpoint}/${Bucket}/missing`)
    expect(answer.headers.get('x-amz-request-id')).toMatch(/^[0-9A-F]{16}$/)
    expect(await answer.text()).toContain(answer.headers.get('x-amz-request-id'))
    expect(Math.abs(Date.parse(answer.headers.get('date') ?? '') - Date.now())).toBeLessThan(60_000)
  })
})

describe('a bucket in a test’s hands', () => {
  it('can be brought back to what it was', async () => {
    const bucket = server.bucket(Bucket)
    bucket.put('k', Buffer.from('1'))
    const earlier = bucket.snapshot()
    bucket.put('k', Buffer.from('2'))
    bucket.put('other', Buffer.from('2'))
    bucket.restore(earlier)
    expect(bucket.keys()).toEqual(['k'])
    expect(await (await get(connect(), 'k')).Body?.transformToString()).toBe('1')
  })
})
