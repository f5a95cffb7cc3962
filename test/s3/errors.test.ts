import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ServiceErrorRow } from '../../src/core/driver-error.ts'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { S3_ERRORS, S3_ERRORS_BY_STATUS } from '../../src/s3/errors.ts'
import { type S3StoreOptions, s3Store } from '../../src/s3/index.ts'
import { type S3Server, type S3ServerOptions, startS3Server } from '../../src/testing/index.ts'

const HEAD = 'heads/state/doc/~'
const OBJECT = 'objects/state/doc/~/1'
const ABSENT = { ifAbsent: true } as const
const body = Buffer.from('body')

let server: S3Server
const stores: ObjectStore[] = []

async function start(options?: S3ServerOptions): Promise<void> {
  await server?.close()
  server = await startS3Server(options)
  server.createBucket('state')
}

function open(options: Partial<S3StoreOptions> = {}): ObjectStore {
  const store = s3Store({ ...server.clientConfig, bucket: 'state', prefix: 'p', ...options })
  stores.push(store)
  return store
}

async function refusal<C extends ErrorCode>(call: Promise<unknown>, code: C): Promise<KeelstateError<C>> {
  const error: unknown = await call.then(
    () => expect.unreachable('the call resolved'),
    (reason: unknown) => reason,
  )
  if (!KeelstateError.is(error, code)) throw error
  return error
}

const calls: Record<string, (store: ObjectStore) => Promise<unknown>> = {
  get: (store) => store.get(HEAD),
  put: (store) => store.put(HEAD, body, ABSENT),
  delete: (store) => store.delete([OBJECT]),
  list: (store) => store.list(''),
}

beforeEach(() => start())
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
})

describe('each row of the table', () => {
  const statusFor = (row: ServiceErrorRow) =>
    ({
      PreconditionFailed: 412,
      AccessDenied: 403,
      Unauthenticated: 403,
      Throttled: 503,
      NotFound: 404,
      BucketMissing: 404,
      Unsupported: 501,
      Unavailable: 503,
      Timeout: 400,
    })[row.code as string] ?? 400
  // Names that only Node, the SDK or the driver itself give; the cases below make them happen.
  const ofTheService = (name: string) =>
    /^([A-Z][a-zA-Z0-9]*[a-z][a-zA-Z0-9]*|KMS\..*)$/.test(name) && !/ProviderError$|^TimeoutError$/.test(name)
  const cases = S3_ERRORS.flatMap((row) => row.names.filter(ofTheService).map((name) => [name, row] as const))

  it.each(cases)('%s is what the table says, whatever was called', async (name, row) => {
    const store = open()
    for (const [operation, call] of Object.entries(calls)) {
      if (row.on !== undefined && row.on !== operation) continue
      server.faults.add({}, { do: 'status', status: statusFor(row), code: name })
      const error = await refusal(call(store), row.code)
      expect(error.details).toMatchObject({
        status: statusFor(row),
        serviceCode: name,
        requestId: expect.stringMatching(/^[0-9A-F]{16}$/),
      })
      expect(error.details.notExecuted).toBe(row.notExecuted)
      expect(error.message).toContain(row.says)
      expect(error.hint).toBe(row.hint)
      expect(error.operation).toBe(operation)
    }
    expect(server.requests.every(({ executions }) => executions === 0)).toBe(true)
  })

  it.each(
    S3_ERRORS_BY_STATUS.flatMap((row) => [...new Set(row.statuses)].map((status) => [status, row] as const)).filter(
      ([status, row]) => S3_ERRORS_BY_STATUS.find(({ statuses: [from, to] }) => status >= from && status <= to) === row,
    ),
  )('an answer %i whose code nobody knows is judged by its status', async (status, row) => {
    server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code: 'Strange' })
    for (const call of Object.values(calls)) expect((await refusal(call(open()), row.code)).details.status).toBe(status)
  })

  it.each(
    S3_ERRORS.flatMap((row) => row.names.filter((name) => !ofTheService(name)).map((name) => [name, row] as const)),
  )('%s, which comes from the SDK or the network, is what the table says', async (name, row) => {
    const client = { send: () => Promise.reject(Object.assign(new Error('failed'), { name })) }
    for (const call of Object.values(calls)) {
      const error = await refusal(call(s3Store({ bucket: 'state', client })), row.code)
      expect(error.details).toMatchObject({ serviceCode: name })
      expect(error.details.notExecuted).toBe(row.notExecuted)
    }
  })

  it('has a page of its vendor, and names no code twice for one call', () => {
    const seen = new Set<string>()
    for (const { names, page, on } of S3_ERRORS) {
      expect(page).toMatch(/^https:\/\//)
      for (const name of names) {
        expect(seen.has(`${name} ${on}`), name).toBe(false)
        seen.add(`${name} ${on}`)
      }
    }
  })
})

describe('a write', () => {
  it('on a condition that does not hold is PreconditionFailed, on an absent object NotFound', async () => {
    const store = open()
    const token = await store.put(HEAD, body, ABSENT)
    expect(token).toBe('"841a2d689ad86bd1611447453c22c6fc"') // with its quotes
    const taken = await refusal(store.put(HEAD, body, ABSENT), 'PreconditionFailed')
    expect([taken.details.status, taken.retry]).toEqual([412, 'after-refresh'])
    await refusal(store.put(HEAD, body, { ifMatch: '"other"' }), 'PreconditionFailed')
    const absent = await refusal(store.put('heads/state/other/~', body, { ifMatch: token }), 'NotFound')
    expect(absent.details).toMatchObject({ subject: 'object', status: 404, serviceCode: 'NoSuchKey' })
  })

  it.each([409, 500, 503])('that was executed and answered with %i is of unknown outcome', async (status) => {
    const store = open()
    server.faults.add({}, { do: 'status', status, code: 'Strange', when: 'after' })
    const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
    expect([error.retry, error.details.notExecuted]).toEqual(['safe', undefined])
    expect(await store.get(HEAD)).toMatchObject({ bytes: new Uint8Array(body) })
  })

  it('whose connection breaks is of unknown outcome, whether it was executed or not', async () => {
    const store = open()
    for (const action of ['drop-request', 'drop-answer'] as const) {
      server.faults.add({}, { do: action })
      const error = await refusal(store.put(`heads/state/${action}/~`, body, ABSENT), 'Unavailable')
      expect([error.details.serviceCode, error.details.notExecuted]).toEqual(['ECONNRESET', undefined])
    }
    expect(await store.get('heads/state/drop-request/~')).toBeUndefined()
    expect(await store.get('heads/state/drop-answer/~')).toBeDefined()
    expect(server.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2) // one attempt each
  })

  it('whose refusal breaks off is of unknown outcome: the refusal may have been the answer to a copy', async () => {
    const store = open()
    await store.put(HEAD, body, ABSENT)
    for (const bytes of [0, 1, 50]) {
      server.faults.add({ method: 'PUT' }, { do: 'truncate', bytes })
      const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
      expect([bytes, error.retry, error.details.notExecuted]).toEqual([bytes, 'safe', undefined])
    }
  })

  it('whose answer has no tag is of unknown outcome, and a read without one is refused', async () => {
    const untagged = open({
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
    server.deny(server.credential.accessKeyId, [{ permission: 'DeleteObject', key: 'p/objects/kept/*' }])
    const error = await refusal(open().delete([OBJECT, 'objects/kept/~/1', 'objects/kept/~/2']), 'AccessDenied')
    expect(error).toMatchObject({
      key: 'objects/kept/~/1',
      details: { serviceCode: 'AccessDenied', notExecuted: true },
    })
  })
})

describe('a read', () => {
  it('whose body ends early, anywhere, is Unavailable and safe to repeat', async () => {
    const store = open()
    const large = new Uint8Array(200_000).fill(7)
    await store.put(HEAD, large, ABSENT)
    for (const bytes of [0, 1, 65_536, 199_999]) {
      server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
      const error = await refusal(store.get(HEAD), 'Unavailable')
      expect(error.retry).toBe('safe')
    }
    const whole = await store.get(HEAD)
    expect(Buffer.compare((whole as { bytes: Uint8Array }).bytes, large)).toBe(0)
  })

  it('whose answer says that the object is not there, and breaks off, says nothing: Unavailable and safe to repeat', async () => {
    const store = open()
    const whole = (await fetch(`${server.endpoint}/state/p/${HEAD}`)).headers.get('content-length')
    for (const bytes of [0, 1, 7, 100, Number(whole) - 1]) {
      server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
      const error = await refusal(store.get(HEAD), 'Unavailable')
      expect([bytes, error.retry, error.details.notExecuted]).toEqual([bytes, 'safe', undefined])
    }
    expect(await store.get(HEAD)).toBeUndefined()
  })

  it('that a checksum of the service proves wrong is Unavailable, where checksums are on as on AWS', async () => {
    const { S3Client } = await import('@aws-sdk/client-s3')
    const client = new S3Client({ ...server.clientConfig, maxAttempts: 1 })
    const store = s3Store({ bucket: 'state', client })
    await store.put(HEAD, body, ABSENT)
    server.faults.add({ method: 'GET' }, { do: 'corrupt' })
    expect((await refusal(store.get(HEAD), 'Unavailable')).message).toContain('damaged')
    server.faults.add({ method: 'GET' }, { do: 'truncate', bytes: 2 })
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
    const client = new S3Client({ ...server.clientConfig, maxAttempts: 1, requestHandler: { socketTimeout: 100 } })
    server.faults.add({}, { do: 'stall' })
    const error = await refusal(s3Store({ bucket: 'state', client }).get(HEAD), 'Timeout')
    expect(error.details.serviceCode).toBe('TimeoutError')
    client.destroy()
  })

  it('of more bytes than maxBytes is TooLarge', async () => {
    await open().put(HEAD, new Uint8Array(1001), ABSENT)
    const error = await refusal(open({ maxBytes: 1000 }).get(HEAD), 'TooLarge')
    expect(error.details).toMatchObject({ bytes: 1001, maxBytes: 1000 })
  })

  it('without permission to list is AccessDenied for an absent object, never "absent", and the hint says why', async () => {
    server.deny(server.credential.accessKeyId, ['ListBucket'])
    expect((await refusal(open().get(HEAD), 'AccessDenied')).hint).toContain('s3:ListBucket')
  })
})

describe('a missing bucket', () => {
  it('is BucketMissing in every call', async () => {
    for (const call of Object.values(calls)) {
      const error = await refusal(call(open({ bucket: 'missing' })), 'BucketMissing')
      expect(error.details).toMatchObject({ subject: 'bucket', serviceCode: 'NoSuchBucket' })
    }
  })

  it('of somebody else, or of another region, is refused as such', async () => {
    await refusal(open({ expectedBucketOwner: '999999999999' }).get(HEAD), 'AccessDenied')
    server.createBucket('far', { region: 'eu-west-1' })
    expect((await refusal(open({ bucket: 'far' }).get(HEAD), 'InvalidOptions')).hint).toContain('region=eu-west-1')
    expect((await refusal(open({ region: 'eu-west-2' }).get(HEAD), 'InvalidOptions')).hint).toContain(
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
    await start({
      credentials: [
        { accessKeyId: 'live', secretAccessKey: 'right', sessionToken: TOKEN },
        { accessKeyId: 'ended', secretAccessKey: SECRET, sessionToken: TOKEN, expired: true },
      ],
    })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(open({ credentials })), 'Unauthenticated')
      expect(error.details).toMatchObject({ serviceCode, notExecuted: true })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
    }
  })

  it('that cannot be had are Unauthenticated, nothing was sent, and the reason is told', async () => {
    const failing = open({ credentials: () => Promise.reject(new Error('the vault is sealed')) })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(failing), 'Unauthenticated')
      expect([error.details.notExecuted, error.message]).toEqual([true, expect.stringContaining('the vault is sealed')])
    }
    expect(server.requests).toEqual([])
  })

  it('and a region that nobody configured are told apart', async () => {
    const lonely = {
      AWS_CONFIG_FILE: '/nowhere',
      AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ENDPOINT_URL_S3: server.endpoint,
    }
    const before = { ...process.env }
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, lonely)
    try {
      for (const call of Object.values(calls)) {
        const error = await refusal(call(s3Store({ bucket: 'state', region: 'us-east-1' })), 'Unauthenticated')
        expect(error.details).toEqual({ serviceCode: 'CredentialsProviderError', notExecuted: true })
        const placeless = await refusal(
          call(s3Store({ bucket: 'state', credentials: server.credential })),
          'InvalidOptions',
        )
        expect([placeless.details.notExecuted, placeless.hint]).toEqual([true, expect.stringContaining('region')])
      }
      expect(server.requests).toEqual([])
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
    await refusal(open({ credentials: () => Promise.reject(refused) }).get(HEAD), 'Unauthenticated')
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
    const error = await refusal(open({ credentials: () => Promise.reject(away) }).get(HEAD), 'Unavailable')
    expect(error.details.notExecuted).toBe(true)
  })

  it('of a command whose failure repeats its arguments are not told', async () => {
    const leaky = new Error(`Command failed: fetch-key --password ${SECRET}`)
    const error = await refusal(open({ credentials: () => Promise.reject(leaky) }).get(HEAD), 'Unauthenticated')
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
  })

  it('on a clock that is off are Unauthenticated with a hint on the clock', async () => {
    server.clockOffsetMs = -3_600_000
    expect((await refusal(open().get(HEAD), 'Unauthenticated')).hint).toContain('clock')
  })
})

describe('a service that cannot be reached', () => {
  it.each([
    ['a closed port', 'http://127.0.0.1:1', 'Unavailable', 'ECONNREFUSED'],
    ['a closed port of a host with several addresses', 'http://localhost:1', 'Unavailable', 'ECONNREFUSED'],
    ['a name that does not exist', 'http://keelstate.invalid', 'Unavailable', 'ENOTFOUND'],
  ] as const)('%s: nothing was executed', async (_, endpoint, code, serviceCode) => {
    for (const call of Object.values(calls)) {
      const error = await refusal(call(open({ endpoint })), code)
      expect(error.details).toMatchObject({ notExecuted: true, serviceCode })
    }
  })

  it('because it does not speak TLS is InvalidOptions', async () => {
    const error = await refusal(
      open({ endpoint: server.endpoint.replace('http:', 'https:') }).get(HEAD),
      'InvalidOptions',
    )
    expect(error.hint).toContain('NODE_EXTRA_CA_CERTS')
  })
})
