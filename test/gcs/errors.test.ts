import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ServiceErrorRow } from '../../src/core/driver-error.ts'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { GCS_ERRORS, GCS_ERRORS_BY_STATUS } from '../../src/gcs/errors.ts'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type GcsServer, type GcsServerOptions, startGcsServer } from '../../src/testing/index.ts'

const HEAD = 'heads/state/doc/~'
const OBJECT = 'objects/state/doc/~/1'
const ABSENT = { ifAbsent: true } as const
const body = Buffer.from('body')

let server: GcsServer
const stores: ObjectStore[] = []

async function start(options?: GcsServerOptions): Promise<void> {
  await server?.close()
  server = await startGcsServer(options)
  server.createBucket('state')
}

function open(options: Partial<GcsStoreOptions> = {}): ObjectStore {
  const store = gcsStore({ ...server.clientConfig, bucket: 'state', prefix: 'p', ...options })
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
  const statusFor = ({ code }: ServiceErrorRow) =>
    ({
      PreconditionFailed: 412,
      AccessDenied: 403,
      Unauthenticated: 401,
      Throttled: 429,
      TooLarge: 413,
      NoSpace: 403,
      Unsupported: 501,
      Unavailable: 503,
      Timeout: 504,
    })[code as string] ?? 400
  // Names that only Node, the library or the driver itself give; the cases below make them happen.
  const ofTheService = (name: string) => /^[A-Za-z.]*[a-z][A-Za-z.]*$/.test(name)
  const cases = GCS_ERRORS.flatMap((row) => row.names.filter(ofTheService).map((name) => [name, row] as const))

  it.each(cases)('%s is what the table says, whatever was called', async (name, row) => {
    const store = open()
    for (const [operation, call] of Object.entries(calls)) {
      server.faults.add({}, { do: 'status', status: statusFor(row), code: name })
      const error = await refusal(call(store), row.code)
      expect(error.details).toMatchObject({ status: statusFor(row), serviceCode: name })
      expect(error.details.requestId).toMatch(/^[0-9A-F]{16}$/)
      expect(error.details.notExecuted).toBe(row.notExecuted)
      expect(error.details.retryAfterMs).toBe(row.retryAfterMs)
      expect(error.message).toContain(row.says)
      expect(error.hint).toBe(row.hint)
      expect(error.operation).toBe(operation)
    }
    expect(server.requests.every(({ executions }) => executions === 0)).toBe(true)
  })

  it.each(
    GCS_ERRORS_BY_STATUS.flatMap((row) => [...new Set(row.statuses)].map((status) => [status, row] as const)).filter(
      ([status, row]) =>
        GCS_ERRORS_BY_STATUS.find(({ statuses: [from, to] }) => status >= from && status <= to) === row &&
        ![300, 404].includes(status), // 300 is followed, 404 has cases of its own
    ),
  )('an answer %i whose reason nobody knows is judged by its status', async (status, row) => {
    server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code: 'strange' })
    for (const call of Object.values(calls)) expect((await refusal(call(open()), row.code)).details.status).toBe(status)
  })

  it.each(
    GCS_ERRORS.flatMap((row) =>
      row.names
        .filter((name) => !ofTheService(name) && !['BUCKET_MISSING', 'DIGEST', 'CREDENTIALS', 'TLS'].includes(name))
        .map((name) => [name, row] as const),
    ),
  )('%s, which comes from the library or the network, is what the table says', async (name, row) => {
    const failing = {
      bucket() {
        throw Object.assign(new Error('failed'), { name: 'FetchError', code: name })
      },
    }
    for (const call of Object.values(calls)) {
      const error = await refusal(call(gcsStore({ bucket: 'state', client: failing })), row.code)
      expect(error.details).toMatchObject({ serviceCode: name })
      expect(error.details.notExecuted).toBe(row.notExecuted)
    }
  })

  it('has a page of its vendor, and names no reason twice', () => {
    const names = GCS_ERRORS.flatMap((row) => row.names)
    expect(new Set(names).size).toBe(names.length)
    for (const { page } of [...GCS_ERRORS, ...GCS_ERRORS_BY_STATUS]) expect(page).toMatch(/^https:\/\//)
  })
})

describe('a write', () => {
  it('on a condition that does not hold is PreconditionFailed, on an absent object too', async () => {
    const store = open()
    const token = await store.put(HEAD, body, ABSENT)
    expect(token).toMatch(/^\d{16}$/)
    const taken = await refusal(store.put(HEAD, body, ABSENT), 'PreconditionFailed')
    expect([taken.details.status, taken.retry]).toEqual([412, 'after-refresh'])
    await refusal(store.put(HEAD, body, { ifMatch: '1' }), 'PreconditionFailed')
    await refusal(store.put('heads/state/other/~', body, { ifMatch: token }), 'PreconditionFailed')
  })

  it('whose body was damaged on its way is refused by the service, which compares the hash', async () => {
    const md5Hash = Buffer.alloc(16).toString('base64')
    const answer = await fetch(`${server.endpoint}/upload/storage/v1/b/state/o?uploadType=media&name=k`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.credential.token}`, 'x-goog-hash': `md5=${md5Hash}` },
      body: 'damaged',
    })
    const { error } = (await answer.json()) as { error: { code: number; message: string; errors: object[] } }
    const client = {
      bucket() {
        throw Object.assign(new Error(error.message), error)
      },
    }
    const refused = await refusal(gcsStore({ bucket: 'state', client }).put(HEAD, body, ABSENT), 'Unavailable')
    expect(refused.details).toMatchObject({ status: 400, notExecuted: true })
    expect(refused.message).toContain('damaged')
  })

  it.each([409, 500, 503])('that was executed and answered with %i is of unknown outcome', async (status) => {
    const store = open()
    server.faults.add({}, { do: 'status', status, code: 'strange', when: 'after' })
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
      expect(error.message).not.toContain(server.endpoint)
    }
    expect(await store.get('heads/state/drop-request/~')).toBeUndefined()
    expect(await store.get('heads/state/drop-answer/~')).toBeDefined()
    expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(2) // one attempt each
  })

  it('whose answer ends early is of unknown outcome, soon', async () => {
    const store = open()
    for (const bytes of [0, 1, 100]) {
      server.faults.add({}, { do: 'truncate', bytes })
      await refusal(store.put(`heads/state/${bytes}/~`, body, ABSENT), 'Unavailable')
    }
    server.faults.add({}, { do: 'corrupt' })
    await refusal(store.put('heads/state/damaged/~', body, ABSENT), 'Unavailable')
    expect(server.bucket('state').keys()).toHaveLength(4)
  })

  it('whose refusal breaks off is of unknown outcome too, and so is any other call: a status alone is no verdict', async () => {
    const store = open()
    await store.put(HEAD, body, ABSENT)
    const elsewhere = open({ bucket: 'no-such-bucket' })
    const calls: Record<string, () => Promise<unknown>> = {
      '412 of a write': () => store.put(HEAD, body, ABSENT),
      '404 of a write': () => elsewhere.put(HEAD, body, ABSENT),
      '404 of a read': () => store.get('heads/state/absent/~'),
      '404 of a listing': () => elsewhere.list(''),
      '404 of a deletion': () => store.delete(['objects/state/absent/~/1']),
    }
    for (const [what, call] of Object.entries(calls)) {
      for (const bytes of [0, 1, 20]) {
        server.faults.add({}, { do: 'truncate', bytes })
        expect((await refusal(call(), 'Unavailable')).details.notExecuted, `${what}, ${bytes}`).toBeUndefined()
      }
    }
  })

  it('that replaces something needs the permission to delete, and the hint says so', async () => {
    const store = open()
    const token = await store.put(HEAD, body, ABSENT)
    server.deny(server.credential.token, ['storage.objects.delete'])
    await store.put('heads/state/other/~', body, ABSENT)
    const error = await refusal(store.put(HEAD, body, { ifMatch: token }), 'AccessDenied')
    expect([error.details.notExecuted, error.hint]).toEqual([true, expect.stringContaining('.delete')])
  })
})

describe('a deletion', () => {
  it('that was refused for one of its keys names that key', async () => {
    const { token } = server.credential
    server.deny(token, [{ permission: 'storage.objects.delete', name: 'p/objects/kept/*' }])
    const error = await refusal(open().delete([OBJECT, 'objects/kept/~/1']), 'AccessDenied')
    expect(error).toMatchObject({ key: 'objects/kept/~/1', details: { status: 403, notExecuted: true } })
  })
})

describe('a read', () => {
  it('whose body ends early, anywhere, is Unavailable and safe to repeat, without waiting for the timeout', async () => {
    const store = open()
    const large = new Uint8Array(200_000).fill(7)
    await store.put(HEAD, large, ABSENT)
    const started = Date.now()
    for (const bytes of [0, 1, 65_536, 199_999]) {
      server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
      const error = await refusal(store.get(HEAD), 'Unavailable')
      expect([error.retry, error.details.serviceCode]).toEqual(['safe', 'TRUNCATED'])
    }
    expect(Date.now() - started).toBeLessThan(20_000)
    const whole = await store.get(HEAD)
    expect(Buffer.compare((whole as { bytes: Uint8Array }).bytes, large)).toBe(0)
  })

  it('of more bytes than maxBytes is TooLarge', async () => {
    await open().put(HEAD, new Uint8Array(1001), ABSENT)
    const error = await refusal(open({ maxBytes: 1000 }).get(HEAD), 'TooLarge')
    expect(error.details).toMatchObject({ bytes: 1001, maxBytes: 1000 })
  })

  it('without permission to list is AccessDenied for an absent object, never "absent", and the hint says why', async () => {
    server.deny(server.credential.token, ['storage.objects.list'])
    expect((await refusal(open().get(HEAD), 'AccessDenied')).hint).toContain('storage.objects.list')
  })
})

describe('what is missing', () => {
  it('is BucketMissing in every call, where it is the bucket', async () => {
    for (const call of Object.values(calls)) {
      const error = await refusal(call(open({ bucket: 'missing' })), 'BucketMissing')
      expect(error.details).toMatchObject({ subject: 'bucket', status: 404 })
    }
  })

  it('is asked about once more where a service does not say what it is, as emulators do', async () => {
    const vague = { do: 'status', status: 404, code: 'notFound' } as const
    server.faults.add({ method: 'GET', operation: 'GetObject' }, vague)
    expect(await open().get(HEAD)).toBeUndefined()
    server.faults.add({ operation: 'DeleteObject' }, vague)
    await open().delete([OBJECT])
    expect(server.takeRequests().map(({ operation }) => operation)).toEqual([
      'GetObject',
      'ListObjects',
      'DeleteObject',
      'ListObjects',
    ])
    server.faults.add({ times: Number.POSITIVE_INFINITY }, vague)
    for (const call of Object.values(calls)) await refusal(call(open({ bucket: 'missing' })), 'BucketMissing')
  })
})

describe('credentials', () => {
  const SECRET = 'token-that-must-stay-secret'

  it.each([
    ['an unknown token', `${SECRET}-2`],
    ['an ended session', SECRET],
  ])('%s is Unauthenticated, and nothing secret is in the error', async (_, token) => {
    await start({ credentials: [{ token: 'live' }, { token: SECRET, expired: true }] })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(open({ credentials: async () => token })), 'Unauthenticated')
      expect(error.details).toMatchObject({ status: 401, notExecuted: true })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
    }
  })

  it('stay out of every other error too', async () => {
    await start({ credentials: [{ token: SECRET }] })
    for (const action of [{ do: 'drop-answer' }, { do: 'status', status: 503, code: 'backendError' }] as const) {
      for (const call of Object.values(calls)) {
        server.faults.add({}, action)
        const error = await refusal(call(open()), 'Unavailable')
        expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
      }
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

  it('that are a broken key are Unauthenticated, and the key is not repeated', async () => {
    const credentials = { client_email: 'a@b.example', private_key: `-----BEGIN PRIVATE KEY-----\n${SECRET}` }
    const error = await refusal(open({ credentials }).get(HEAD), 'Unauthenticated')
    expect(error.details.notExecuted).toBe(true)
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
  })
})

describe('an endpoint', () => {
  it('where nobody listens is Unavailable, and nothing was executed', async () => {
    const store = open()
    await server.close()
    const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
    expect(error.details).toMatchObject({ serviceCode: 'ECONNREFUSED', notExecuted: true })
    expect(error.hint).toContain('endpoint')
  })

  it('that speaks no TLS where https: was written is InvalidOptions', async () => {
    const error = await refusal(
      open({ endpoint: server.endpoint.replace('http:', 'https:') }).get(HEAD),
      'InvalidOptions',
    )
    expect([error.details.notExecuted, error.message]).toEqual([true, expect.stringContaining('TLS')])
  })
})
