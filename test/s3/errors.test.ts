import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type S3StoreOptions, s3Store } from '../../src/s3/index.ts'
import { ABSENT, callsWith, HEAD, OBJECT, refusal, s3Bench } from '../clouds/bench.ts'

const body = Buffer.from('body')
const calls = callsWith(body)

const bench = s3Bench({ prefix: 'p' })
beforeEach(() => bench.start())
afterEach(() => bench.stop())

describe('a write', () => {
  it('on a condition that does not hold is PreconditionFailed, on an absent object NotFound', async () => {
    const store = bench.open()
    const token = await store.put(HEAD, body, ABSENT)
    expect(token).toBe('"841a2d689ad86bd1611447453c22c6fc"') // with its quotes
    const taken = await refusal(store.put(HEAD, body, ABSENT), 'PreconditionFailed')
    expect([taken.details.status, taken.retry]).toEqual([412, 'after-refresh'])
    await refusal(store.put(HEAD, body, { ifMatch: '"other"' }), 'PreconditionFailed')
    const absent = await refusal(store.put('heads/state/other/~', body, { ifMatch: token }), 'NotFound')
    expect(absent.details).toMatchObject({ subject: 'object', status: 404, serviceCode: 'NoSuchKey' })
  })

  it('whose refusal breaks off is of unknown outcome: the refusal may have been the answer to a copy', async () => {
    const store = bench.open()
    await store.put(HEAD, body, ABSENT)
    for (const bytes of [0, 1, 50]) {
      bench.server.faults.add({ method: 'PUT' }, { do: 'truncate', bytes })
      const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
      expect([bytes, error.retry, error.details.notExecuted]).toEqual([bytes, 'safe', undefined])
    }
  })

  it('whose answer has no tag is of unknown outcome, and a read without one is refused', async () => {
    const untagged = bench.open({
      region: undefined,
      endpoint: undefined,
      forcePathStyle: undefined,
      credentials: undefined,
      client: { send: async () => ({ $metadata: { httpStatusCode: 200 } }) },
    } as Partial<S3StoreOptions>)
    await refusal(untagged.put(HEAD, body, ABSENT), 'Unavailable')
    await refusal(untagged.get(HEAD), 'Unsupported')
  })
})

describe('a deletion', () => {
  it('that was refused for one of its keys names that key, though the answer was 200', async () => {
    bench.server.deny(bench.server.credential.accessKeyId, [{ permission: 'DeleteObject', key: 'p/objects/kept/*' }])
    const error = await refusal(bench.open().delete([OBJECT, 'objects/kept/~/1', 'objects/kept/~/2']), 'AccessDenied')
    expect(error).toMatchObject({
      key: 'objects/kept/~/1',
      details: { serviceCode: 'AccessDenied', notExecuted: true },
    })
  })
})

describe('a read', () => {
  it('whose answer says that the object is not there, and breaks off, says nothing: Unavailable and safe to repeat', async () => {
    const store = bench.open()
    const whole = (await fetch(`${bench.server.endpoint}/state/p/${HEAD}`)).headers.get('content-length')
    for (const bytes of [0, 1, 7, 100, Number(whole) - 1]) {
      bench.server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
      const error = await refusal(store.get(HEAD), 'Unavailable')
      expect([bytes, error.retry, error.details.notExecuted]).toEqual([bytes, 'safe', undefined])
    }
    expect(await store.get(HEAD)).toBeUndefined()
  })

  it('that a checksum of the service proves wrong is Unavailable, where checksums are on as on AWS', async () => {
    const { S3Client } = await import('@aws-sdk/client-s3')
    const client = new S3Client({ ...bench.server.clientConfig, maxAttempts: 1 })
    const store = s3Store({ bucket: 'state', client })
    await store.put(HEAD, body, ABSENT)
    bench.server.faults.add({ method: 'GET' }, { do: 'corrupt' })
    expect((await refusal(store.get(HEAD), 'Unavailable')).message).toContain('damaged')
    bench.server.faults.add({ method: 'GET' }, { do: 'truncate', bytes: 2 })
    await refusal(store.get(HEAD), 'Unavailable')
    await store.close()
    expect(await s3Store({ bucket: 'state', client }).get(HEAD)).toBeDefined() // a client that was passed in stays open
    client.destroy()
  })

  it('that brings fewer or more bytes than were announced is Unavailable', async () => {
    for (const ContentLength of [3, 5]) {
      const client = {
        send: async () => ({
          ETag: '"1"',
          ContentLength,
          Body: (async function* () {
            yield Buffer.from('four')
          })(),
        }),
      }
      await refusal(s3Store({ bucket: 'state', client }).get(HEAD), 'Unavailable')
    }
  })

  it('whose length was not announced is collected all the same', async () => {
    const send = async () => ({
      ETag: '"1"',
      Body: (async function* () {
        for (let n = 0; n < 100; n += 1) yield new Uint8Array(1_000).fill(n)
      })(),
    })
    const found = await s3Store({ bucket: 'state', client: { send } }).get(HEAD)
    const expected = Buffer.concat(Array.from({ length: 100 }, (_, n) => Buffer.alloc(1_000, n)))
    expect(Buffer.compare((found as { bytes: Uint8Array }).bytes, expected)).toBe(0)
    await refusal(s3Store({ bucket: 'state', client: { send }, maxBytes: 99_999 }).get(HEAD), 'TooLarge')
  })

  it('that the timeout of a client ends is Timeout', async () => {
    const { S3Client } = await import('@aws-sdk/client-s3')
    const client = new S3Client({
      ...bench.server.clientConfig,
      maxAttempts: 1,
      requestHandler: { socketTimeout: 100 },
    })
    bench.server.faults.add({}, { do: 'stall' })
    const error = await refusal(s3Store({ bucket: 'state', client }).get(HEAD), 'Timeout')
    expect(error.details.serviceCode).toBe('TimeoutError')
    client.destroy()
  })
})

describe('a missing bucket', () => {
  it('of somebody else, or of another region, is refused as such', async () => {
    await refusal(bench.open({ expectedBucketOwner: '999999999999' }).get(HEAD), 'AccessDenied')
    bench.server.createBucket('far', { region: 'eu-west-1' })
    expect((await refusal(bench.open({ bucket: 'far' }).get(HEAD), 'InvalidOptions')).hint).toContain(
      'region=eu-west-1',
    )
    expect((await refusal(bench.open({ region: 'eu-west-2' }).get(HEAD), 'InvalidOptions')).hint).toContain(
      'region=us-east-1',
    )
  })
})

describe('credentials', () => {
  const TOKEN = 'session-token-that-must-stay-secret'
  const SECRET = 'secret-key-that-must-stay-secret'

  it.each([
    ['an unknown key', { accessKeyId: 'unknown', secretAccessKey: SECRET, sessionToken: TOKEN }, 'InvalidAccessKeyId'],
    ['a wrong secret', { accessKeyId: 'live', secretAccessKey: SECRET, sessionToken: TOKEN }, 'SignatureDoesNotMatch'],
    ['an ended session', { accessKeyId: 'ended', secretAccessKey: SECRET, sessionToken: TOKEN }, 'ExpiredToken'],
    ['another session', { accessKeyId: 'live', secretAccessKey: SECRET, sessionToken: `${TOKEN}-2` }, 'InvalidToken'],
  ])('%s is Unauthenticated, and nothing secret is in the error', async (_, credentials, serviceCode) => {
    await bench.start({
      credentials: [
        { accessKeyId: 'live', secretAccessKey: 'right', sessionToken: TOKEN },
        { accessKeyId: 'ended', secretAccessKey: SECRET, sessionToken: TOKEN, expired: true },
      ],
    })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(bench.open({ credentials })), 'Unauthenticated')
      expect(error.details).toMatchObject({ serviceCode, notExecuted: true })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
    }
  })

  it('and a region that nobody configured are told apart', async () => {
    const lonely = {
      AWS_CONFIG_FILE: '/nowhere',
      AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ENDPOINT_URL_S3: bench.server.endpoint,
    }
    const before = { ...process.env }
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, lonely)
    try {
      for (const call of Object.values(calls)) {
        const error = await refusal(call(s3Store({ bucket: 'state', region: 'us-east-1' })), 'Unauthenticated')
        expect(error.details).toEqual({ serviceCode: 'CredentialsProviderError', notExecuted: true })
        const placeless = await refusal(
          call(s3Store({ bucket: 'state', credentials: bench.server.credential })),
          'InvalidOptions',
        )
        expect([placeless.details.notExecuted, placeless.hint]).toEqual([true, expect.stringContaining('region')])
      }
      expect(bench.server.requests).toEqual([])
    } finally {
      for (const name of Object.keys(lonely)) delete process.env[name]
      Object.assign(process.env, before)
    }
  })

  it('of a provider whose service refuses are not taken for a refusal by the bucket', async () => {
    const refused = Object.assign(new Error('not allowed to assume the role'), {
      name: 'AccessDenied',
      $metadata: { httpStatusCode: 403 },
    })
    await refusal(bench.open({ credentials: () => Promise.reject(refused) }).get(HEAD), 'Unauthenticated')
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
    const error = await refusal(bench.open({ credentials: () => Promise.reject(away) }).get(HEAD), 'Unavailable')
    expect(error.details.notExecuted).toBe(true)
  })

  it('of a command whose failure repeats its arguments are not told', async () => {
    const leaky = new Error(`Command failed: fetch-key --password ${SECRET}`)
    const error = await refusal(bench.open({ credentials: () => Promise.reject(leaky) }).get(HEAD), 'Unauthenticated')
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
  })

  it('on a clock that is off are Unauthenticated with a hint on the clock', async () => {
    bench.server.clockOffsetMs = -3_600_000
    expect((await refusal(bench.open().get(HEAD), 'Unauthenticated')).hint).toContain('clock')
  })
})

describe('a service that cannot be reached', () => {
  it.each([
    ['a closed port', 'http://127.0.0.1:1', 'Unavailable', 'ECONNREFUSED'],
    ['a closed port of a host with several addresses', 'http://localhost:1', 'Unavailable', 'ECONNREFUSED'],
    ['a name that does not exist', 'http://keelstate.invalid', 'Unavailable', 'ENOTFOUND'],
  ] as const)('%s: nothing was executed', async (_, endpoint, code, serviceCode) => {
    for (const call of Object.values(calls)) {
      const error = await refusal(call(bench.open({ endpoint })), code)
      expect(error.details).toMatchObject({ notExecuted: true, serviceCode })
    }
  })
})
