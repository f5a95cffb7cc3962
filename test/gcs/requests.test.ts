import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type GcsServer, type GcsServerOptions, startGcsServer } from '../../src/testing/index.ts'

const HEAD = 'heads/state/doc/~'
const OBJECT = 'objects/state/doc/~/1'
const ABSENT = { ifAbsent: true } as const
const KMS_KEY = 'projects/p/locations/eu/keyRings/r/cryptoKeys/k'

let server: GcsServer
const stores: ObjectStore[] = []

async function start(options?: GcsServerOptions): Promise<void> {
  await server?.close()
  server = await startGcsServer(options)
  server.createBucket('state')
}

function open(options: Partial<GcsStoreOptions> = {}): ObjectStore {
  const store = gcsStore({ ...server.clientConfig, bucket: 'state', ...options })
  stores.push(store)
  return store
}

const sent = (operation: string) => server.requests.filter((request) => request.operation === operation)
const idempotencyTokens = () => sent('PutObject').map(({ headers }) => headers['x-goog-gcs-idempotency-token'])

beforeEach(() => start())
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
})

describe('what a call sends', () => {
  it('is one request each, one a key for a deletion, and nothing for opening, closing or an empty deletion', async () => {
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
      ['ListObjects', 200],
      ['DeleteObject', 404],
      ['DeleteObject', 404],
    ])
  })

  it('goes over a connection that is kept', async () => {
    const store = open()
    let token = await store.put(HEAD, Buffer.from('0'), ABSENT)
    for (let n = 0; n < 10; n += 1) token = await store.put(HEAD, Buffer.from(`${n}`), { ifMatch: token })
    for (let n = 0; n < 10; n += 1) await store.get(HEAD)
    expect(server.connectionCount).toBeLessThanOrEqual(2)
  })

  it('carries the condition, the type, the hash, and no-store for what is moved', async () => {
    const store = open()
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    await store.put(HEAD, Buffer.from('2'), { ifMatch: token })
    await store.put(OBJECT, Buffer.from('3'), ABSENT)
    await store.put('store', Buffer.from('3'), ABSENT)
    await store.put('locks/state/doc/~', Buffer.from('3'), ABSENT)
    expect(sent('PutObject').map(({ query, key }) => [query.ifGenerationMatch, query.uploadType, key])).toEqual([
      ['0', 'multipart', HEAD],
      [token, 'multipart', HEAD],
      ['0', 'multipart', OBJECT],
      ['0', 'multipart', 'store'],
      ['0', 'multipart', 'locks/state/doc/~'],
    ])
    const bucket = server.bucket('state')
    const stored = [HEAD, OBJECT, 'store', 'locks/state/doc/~'].map((key) => bucket.live(key)!)
    expect(stored.map(({ cacheControl }) => cacheControl)).toEqual(['no-store', undefined, undefined, 'no-store'])
    expect(new Set(stored.map(({ contentType }) => contentType))).toEqual(new Set(['application/octet-stream']))
    expect(stored[0]?.md5Hash).toBe(createHash('md5').update('2').digest('base64'))
    expect(stored[0]?.generation).toBeGreaterThan(BigInt(token))
  })

  it('names the project that pays and the key that encrypts, where they were given', async () => {
    server.createBucket('paid', { requesterPays: true })
    const store = open({ bucket: 'paid', userProject: 'payer', kmsKeyName: KMS_KEY })
    const token = await store.put(OBJECT, Buffer.from('1'), ABSENT)
    expect(await store.get(OBJECT)).toMatchObject({ token })
    await store.list('')
    await store.delete([OBJECT])
    expect(new Set(server.requests.map(({ query }) => query.userProject))).toEqual(new Set(['payer']))
    expect(sent('PutObject')[0]?.query.kmsKeyName).toBe(KMS_KEY)
    const unpaid = await open({ bucket: 'paid' })
      .get(OBJECT)
      .catch((error: unknown) => error)
    expect(KeelstateError.is(unpaid, 'InvalidOptions') && unpaid.hint).toContain('userProject=')
  })

  it('is no warning about listeners for a deletion of many, and the signal of its caller is left as it was', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const { signal } = new AbortController()
    await open().delete(
      Array.from({ length: 40 }, (_, n) => `objects/state/doc/~/${n}`),
      { signal },
    )
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is one attempt, whatever the service answers, also through a client that would repeat it', async () => {
    await start({ anonymous: true })
    const eager = new Storage({ apiEndpoint: server.endpoint })
    const stores = [open(), gcsStore({ bucket: 'state', client: eager })]
    for (const [status, reason] of [
      [500, 'internalError'],
      [503, 'backendError'],
      [429, 'rateLimitExceeded'],
      [408, 'uploadBrokenConnection'],
    ] as const) {
      for (const store of stores) {
        server.takeRequests()
        server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code: reason })
        await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toThrow(reason)
        await expect(store.get(HEAD)).rejects.toThrow(reason)
        await expect(store.list('')).rejects.toThrow(reason)
        await expect(store.delete([OBJECT])).rejects.toThrow(reason)
        expect(server.requests).toHaveLength(4)
        server.faults.clear()
      }
    }
    expect(eager.retryOptions.autoRetry).toBe(true) // somebody else's client is left as it was
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

  it('finds the emulator that STORAGE_EMULATOR_HOST names, and leaves the variable as it was', async () => {
    await start({ anonymous: true })
    process.env.STORAGE_EMULATOR_HOST = server.endpoint
    try {
      const store = open({ endpoint: undefined, credentials: undefined })
      const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
      expect(await store.get(HEAD)).toMatchObject({ token })
      expect(process.env.STORAGE_EMULATOR_HOST).toBe(server.endpoint)
    } finally {
      delete process.env.STORAGE_EMULATOR_HOST
    }
  })
})

describe('the idempotency token of a write', () => {
  it('is kept for the resend of a write whose outcome is not known, so that the service tells what became of it', async () => {
    await start({ idempotencyTokens: true })
    const store = open()
    server.faults.add({}, { do: 'drop-answer' })
    await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    expect(server.bucket('state').live(HEAD)?.generation).toBe(BigInt(token))
    expect(new Set(idempotencyTokens()).size).toBe(1)
  })

  it('is another one for another write, be its bytes the same: a creation succeeds once', async () => {
    await start({ idempotencyTokens: true })
    const store = open()
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => store.put(HEAD, Buffer.from('1'), ABSENT)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    expect(new Set(idempotencyTokens()).size).toBe(5)
  })

  it('is another one after a deletion', async () => {
    await start({ idempotencyTokens: true })
    const store = open()
    server.faults.add({}, { do: 'drop-answer' })
    await expect(store.put(OBJECT, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    await store.delete([OBJECT])
    await store.put(OBJECT, Buffer.from('1'), ABSENT)
    expect(await store.get(OBJECT)).toBeDefined()
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
    await refused(store.put(OBJECT, Buffer.from('1'), { ifMatch: '1' }))
    await refused(store.delete(Array.from({ length: 1001 }, () => OBJECT)))
    await refused(store.list('heads'))
    await refused(store.list('', { limit: 0 }))
    expect(server.requests).toEqual([])
  })
})
