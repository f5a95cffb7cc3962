import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import { ABSENT, gcsBench, HEAD, OBJECT } from '../clouds/bench.ts'

const KMS_KEY = 'projects/p/locations/eu/keyRings/r/cryptoKeys/k'

const bench = gcsBench()
beforeEach(() => bench.start())
afterEach(() => bench.stop())

const sent = (operation: string) => bench.server.requests.filter((request) => request.operation === operation)
const idempotencyTokens = () => sent('PutObject').map(({ headers }) => headers['x-goog-gcs-idempotency-token'])

describe('what a call sends', () => {
  it('goes over a connection that is kept', async () => {
    const store = bench.open()
    let token = await store.put(HEAD, Buffer.from('0'), ABSENT)
    for (let n = 0; n < 10; n += 1) token = await store.put(HEAD, Buffer.from(`${n}`), { ifMatch: token })
    for (let n = 0; n < 10; n += 1) await store.get(HEAD)
    expect(bench.server.connectionCount).toBeLessThanOrEqual(2)
  })

  it('carries the condition, the type, the hash, and no-store for what is moved', async () => {
    const store = bench.open()
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
    const bucket = bench.server.bucket('state')
    const stored = [HEAD, OBJECT, 'store', 'locks/state/doc/~'].map((key) => bucket.live(key)!)
    expect(stored.map(({ cacheControl }) => cacheControl)).toEqual(['no-store', undefined, undefined, 'no-store'])
    expect(new Set(stored.map(({ contentType }) => contentType))).toEqual(new Set(['application/octet-stream']))
    expect(stored[0]?.md5Hash).toBe(createHash('md5').update('2').digest('base64'))
    expect(stored[0]?.generation).toBeGreaterThan(BigInt(token))
  })

  it('names the project that pays and the key that encrypts, where they were given', async () => {
    bench.server.createBucket('paid', { requesterPays: true })
    const store = bench.open({ bucket: 'paid', userProject: 'payer', kmsKeyName: KMS_KEY })
    const token = await store.put(OBJECT, Buffer.from('1'), ABSENT)
    expect(await store.get(OBJECT)).toMatchObject({ token })
    await store.list('')
    await store.delete([OBJECT])
    expect(new Set(bench.server.requests.map(({ query }) => query.userProject))).toEqual(new Set(['payer']))
    expect(sent('PutObject')[0]?.query.kmsKeyName).toBe(KMS_KEY)
    const unpaid = await bench
      .open({ bucket: 'paid' })
      .get(OBJECT)
      .catch((error: unknown) => error)
    expect(KeelstateError.is(unpaid, 'InvalidOptions') && unpaid.hint).toContain('userProject=')
  })

  it('is no warning about listeners for a deletion of many, and the signal of its caller is left as it was', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const { signal } = new AbortController()
    await bench.open().delete(
      Array.from({ length: 40 }, (_, n) => `objects/state/doc/~/${n}`),
      { signal },
    )
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is one attempt, whatever the service answers, also through a client that would repeat it', async () => {
    await bench.start({ anonymous: true })
    const eager = new Storage({ apiEndpoint: bench.server.endpoint })
    const stores = [bench.open(), gcsStore({ bucket: 'state', client: eager })]
    for (const [status, reason] of [
      [500, 'internalError'],
      [503, 'backendError'],
      [429, 'rateLimitExceeded'],
      [408, 'uploadBrokenConnection'],
    ] as const) {
      for (const store of stores) {
        bench.server.takeRequests()
        bench.server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code: reason })
        await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toThrow(reason)
        await expect(store.get(HEAD)).rejects.toThrow(reason)
        await expect(store.list('')).rejects.toThrow(reason)
        await expect(store.delete([OBJECT])).rejects.toThrow(reason)
        expect(bench.server.requests).toHaveLength(4)
        bench.server.faults.clear()
      }
    }
    expect(eager.retryOptions.autoRetry).toBe(true) // somebody else's client is left as it was
  })

  it('finds the emulator that STORAGE_EMULATOR_HOST names, and leaves the variable as it was', async () => {
    await bench.start({ anonymous: true })
    process.env.STORAGE_EMULATOR_HOST = bench.server.endpoint
    try {
      const store = bench.open({ endpoint: undefined, credentials: undefined })
      const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
      expect(await store.get(HEAD)).toMatchObject({ token })
      expect(process.env.STORAGE_EMULATOR_HOST).toBe(bench.server.endpoint)
    } finally {
      delete process.env.STORAGE_EMULATOR_HOST
    }
  })
})

describe('the idempotency token of a write', () => {
  it('is kept for the resend of a write whose outcome is not known, so that the service tells what became of it', async () => {
    await bench.start({ idempotencyTokens: true })
    const store = bench.open()
    bench.server.faults.add({}, { do: 'drop-answer' })
    await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
    expect(bench.server.bucket('state').live(HEAD)?.generation).toBe(BigInt(token))
    expect(new Set(idempotencyTokens()).size).toBe(1)
  })

  it('is another one for another write, be its bytes the same: a creation succeeds once', async () => {
    await bench.start({ idempotencyTokens: true })
    const store = bench.open()
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => store.put(HEAD, Buffer.from('1'), ABSENT)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expect(store.put(HEAD, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    expect(new Set(idempotencyTokens()).size).toBe(5)
  })

  it('is another one after a deletion', async () => {
    await bench.start({ idempotencyTokens: true })
    const store = bench.open()
    bench.server.faults.add({}, { do: 'drop-answer' })
    await expect(store.put(OBJECT, Buffer.from('1'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
    await store.delete([OBJECT])
    await store.put(OBJECT, Buffer.from('1'), ABSENT)
    expect(await store.get(OBJECT)).toBeDefined()
  })
})
