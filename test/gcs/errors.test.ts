import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gcsStore } from '../../src/gcs/index.ts'
import { ABSENT, callsWith, gcsBench, HEAD, OBJECT, refusal } from '../clouds/bench.ts'

const body = Buffer.from('body')
const calls = callsWith(body)

const bench = gcsBench({ prefix: 'p' })
beforeEach(() => bench.start())
afterEach(() => bench.stop())

describe('a write', () => {
  it('on a condition that does not hold is PreconditionFailed, on an absent object too', async () => {
    const store = bench.open()
    const token = await store.put(HEAD, body, ABSENT)
    expect(token).toMatch(/^\d{16}$/)
    const taken = await refusal(store.put(HEAD, body, ABSENT), 'PreconditionFailed')
    expect([taken.details.status, taken.retry]).toEqual([412, 'after-refresh'])
    await refusal(store.put(HEAD, body, { ifMatch: '1' }), 'PreconditionFailed')
    await refusal(store.put('heads/state/other/~', body, { ifMatch: token }), 'PreconditionFailed')
  })

  it('whose body was damaged on its way is refused by the service, which compares the hash', async () => {
    const md5Hash = Buffer.alloc(16).toString('base64')
    const answer = await fetch(`${bench.server.endpoint}/upload/storage/v1/b/state/o?uploadType=media&name=k`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.server.credential.token}`, 'x-goog-hash': `md5=${md5Hash}` },
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

  it('whose answer ends early is of unknown outcome, soon', async () => {
    const store = bench.open()
    for (const bytes of [0, 1, 100]) {
      bench.server.faults.add({}, { do: 'truncate', bytes })
      await refusal(store.put(`heads/state/${bytes}/~`, body, ABSENT), 'Unavailable')
    }
    bench.server.faults.add({}, { do: 'corrupt' })
    await refusal(store.put('heads/state/damaged/~', body, ABSENT), 'Unavailable')
    expect(bench.server.bucket('state').keys()).toHaveLength(4)
  })

  it('whose refusal breaks off is of unknown outcome too, and so is any other call: a status alone is no verdict', async () => {
    const store = bench.open()
    await store.put(HEAD, body, ABSENT)
    const elsewhere = bench.open({ bucket: 'no-such-bucket' })
    const calls: Record<string, () => Promise<unknown>> = {
      '412 of a write': () => store.put(HEAD, body, ABSENT),
      '404 of a write': () => elsewhere.put(HEAD, body, ABSENT),
      '404 of a read': () => store.get('heads/state/absent/~'),
      '404 of a listing': () => elsewhere.list(''),
      '404 of a deletion': () => store.delete(['objects/state/absent/~/1']),
    }
    for (const [what, call] of Object.entries(calls)) {
      for (const bytes of [0, 1, 20]) {
        bench.server.faults.add({}, { do: 'truncate', bytes })
        expect((await refusal(call(), 'Unavailable')).details.notExecuted, `${what}, ${bytes}`).toBeUndefined()
      }
    }
  })

  it('that replaces something needs the permission to delete, and the hint says so', async () => {
    const store = bench.open()
    const token = await store.put(HEAD, body, ABSENT)
    bench.server.deny(bench.server.credential.token, ['storage.objects.delete'])
    await store.put('heads/state/other/~', body, ABSENT)
    const error = await refusal(store.put(HEAD, body, { ifMatch: token }), 'AccessDenied')
    expect([error.details.notExecuted, error.hint]).toEqual([true, expect.stringContaining('.delete')])
  })
})

describe('a deletion', () => {
  it('that was refused for one of its keys names that key', async () => {
    const { token } = bench.server.credential
    bench.server.deny(token, [{ permission: 'storage.objects.delete', name: 'p/objects/kept/*' }])
    const error = await refusal(bench.open().delete([OBJECT, 'objects/kept/~/1']), 'AccessDenied')
    expect(error).toMatchObject({ key: 'objects/kept/~/1', details: { status: 403, notExecuted: true } })
  })
})

describe('what is missing', () => {
  it('is asked about once more where a service does not say what it is, as emulators do', async () => {
    const vague = { do: 'status', status: 404, code: 'notFound' } as const
    bench.server.faults.add({ method: 'GET', operation: 'GetObject' }, vague)
    expect(await bench.open().get(HEAD)).toBeUndefined()
    bench.server.faults.add({ operation: 'DeleteObject' }, vague)
    await bench.open().delete([OBJECT])
    expect(bench.server.takeRequests().map(({ operation }) => operation)).toEqual([
      'GetObject',
      'ListObjects',
      'DeleteObject',
      'ListObjects',
    ])
    bench.server.faults.add({ times: Number.POSITIVE_INFINITY }, vague)
    for (const call of Object.values(calls)) await refusal(call(bench.open({ bucket: 'missing' })), 'BucketMissing')
  })
})

describe('credentials', () => {
  const SECRET = 'token-that-must-stay-secret'

  it.each([
    ['an unknown token', `${SECRET}-2`],
    ['an ended session', SECRET],
  ])('%s is Unauthenticated, and nothing secret is in the error', async (_, token) => {
    await bench.start({ credentials: [{ token: 'live' }, { token: SECRET, expired: true }] })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(bench.open({ credentials: async () => token })), 'Unauthenticated')
      expect(error.details).toMatchObject({ status: 401, notExecuted: true })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
    }
  })

  it('stay out of every other error too', async () => {
    await bench.start({ credentials: [{ token: SECRET }] })
    for (const action of [{ do: 'drop-answer' }, { do: 'status', status: 503, code: 'backendError' }] as const) {
      for (const call of Object.values(calls)) {
        bench.server.faults.add({}, action)
        const error = await refusal(call(bench.open()), 'Unavailable')
        expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
      }
    }
  })

  it('that are a broken key are Unauthenticated, and the key is not repeated', async () => {
    const credentials = { client_email: 'a@b.example', private_key: `-----BEGIN PRIVATE KEY-----\n${SECRET}` }
    const error = await refusal(bench.open({ credentials }).get(HEAD), 'Unauthenticated')
    expect(error.details.notExecuted).toBe(true)
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/must-stay-secret/)
  })
})

describe('an endpoint', () => {
  it('where nobody listens is Unavailable, and nothing was executed', async () => {
    const store = bench.open()
    await bench.server.close()
    const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
    expect(error.details).toMatchObject({ serviceCode: 'ECONNREFUSED', notExecuted: true })
    expect(error.hint).toContain('endpoint')
  })
})
