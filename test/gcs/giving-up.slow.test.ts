import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'
import { start } from '../file/children.ts'
import { bundle } from '../kill/bundle.ts'

const HEAD = 'heads/state/doc/~'
const ABSENT = { ifAbsent: true } as const
const FOREVER = { times: Number.POSITIVE_INFINITY }

let server: GcsServer
const stores: ObjectStore[] = []

function open(options: Partial<GcsStoreOptions> = {}): ObjectStore {
  const store = gcsStore({ ...server.clientConfig, bucket: 'state', ...options })
  stores.push(store)
  return store
}

const calls: Record<string, (store: ObjectStore, signal?: AbortSignal) => Promise<unknown>> = {
  get: (store, signal) => store.get(HEAD, { signal }),
  put: (store, signal) => store.put(HEAD, new Uint8Array(100_000), ABSENT, { signal }),
  delete: (store, signal) => store.delete(['objects/state/doc/~/1'], { signal }),
  list: (store, signal) => store.list('', { signal }),
}

async function refusal<C extends ErrorCode>(call: Promise<unknown>, code: C): Promise<KeelstateError<C>> {
  const error: unknown = await call.then(
    () => expect.unreachable('the call resolved'),
    (reason: unknown) => reason,
  )
  if (!KeelstateError.is(error, code)) throw error
  return error
}

beforeEach(async () => {
  server = await startGcsServer({ anonymous: true })
  server.createBucket('state')
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
})

describe('a service that is silent', () => {
  it('ends every call with Timeout after attemptTimeoutMs, of unknown outcome', async () => {
    server.faults.add(FOREVER, { do: 'stall', when: 'after' })
    const store = open({ attemptTimeoutMs: 400 })
    for (const call of Object.values(calls)) {
      const started = Date.now()
      const error = await refusal(call(store), 'Timeout')
      expect([error.retry, error.details.notExecuted]).toEqual(['safe', undefined])
      expect(Date.now() - started).toBeLessThan(5_000)
    }
    expect(server.requests).toHaveLength(4)
    expect(server.bucket('state').keys()).toEqual([HEAD]) // it did happen
  })

  it('does so through a client without any timeout too', async () => {
    server.faults.add(FOREVER, { do: 'stall' })
    const client = new Storage({ apiEndpoint: server.endpoint })
    const store = gcsStore({ bucket: 'state', client, attemptTimeoutMs: 400 })
    for (const call of Object.values(calls))
      expect((await refusal(call(store), 'Timeout')).details.timeoutMs).toBeGreaterThan(0)
  })

  it('gives a large body a second more for each MB', async () => {
    server.faults.add(FOREVER, { do: 'delay-before', ms: 600 })
    const store = open({ attemptTimeoutMs: 100 })
    await store.put(HEAD, new Uint8Array(6_000_000), ABSENT)
    await refusal(store.get(HEAD), 'Timeout')
  })

  describe('in the middle of a body', () => {
    let half: Server
    beforeEach(async () => {
      half = createServer((_, response) => {
        response.writeHead(200, { 'content-length': 1_000_000, 'x-goog-generation': '1' })
        response.write(Buffer.alloc(500_000))
      })
      await new Promise<void>((resolve) => half.listen(0, '127.0.0.1', resolve))
    })
    afterEach(() => void half.closeAllConnections())
    const endpoint = () => `http://127.0.0.1:${(half.address() as AddressInfo).port}`

    it('ends a read with Timeout', async () => {
      await refusal(open({ endpoint: endpoint(), attemptTimeoutMs: 200 }).get(HEAD), 'Timeout')
    })

    it('lets a read be aborted, and its connection goes', async () => {
      const abort = new AbortController()
      const reading = open({ endpoint: endpoint() }).get(HEAD, { signal: abort.signal })
      setTimeout(() => abort.abort(), 100)
      await refusal(reading, 'Aborted')
      while ((await new Promise<number>((resolve) => half.getConnections((_, count) => resolve(count)))) > 0) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
  })
})

describe('a caller who gives up', () => {
  it('before the call sends nothing', async () => {
    const store = open()
    for (const call of Object.values(calls)) await refusal(call(store, AbortSignal.abort()), 'Aborted')
    expect(server.requests).toEqual([])
  })

  it('during the call gets Aborted soon, and a write may still land', async () => {
    const hold = server.faults.hold(FOREVER)
    const store = open()
    for (const [index, call] of Object.values(calls).entries()) {
      const abort = new AbortController()
      const calling = call(store, abort.signal)
      await hold.arrived(index + 1)
      abort.abort(new Error('enough'))
      const error = await refusal(calling, 'Aborted')
      expect([error.details.notExecuted, (error.cause as Error).message]).toEqual([undefined, 'enough'])
    }
    expect(server.bucket('state').keys()).toEqual([])
    await hold.releaseAll()
    expect(server.bucket('state').keys()).toEqual([HEAD])
  })

  it('while credentials are looked for gets Aborted, and nothing was executed', async () => {
    const store = open({ credentials: () => new Promise(() => {}) })
    for (const call of Object.values(calls)) {
      const error = await refusal(call(store, AbortSignal.timeout(50)), 'Aborted')
      expect(error.details.notExecuted).toBe(true)
    }
    expect(
      (await refusal(open({ credentials: () => new Promise(() => {}), attemptTimeoutMs: 50 }).get(HEAD), 'Timeout'))
        .details.notExecuted,
    ).toBe(true)
  })
})

describe('a read that ends early', () => {
  it('leaves the requests of others alone: their connections stay', async () => {
    const store = open()
    await store.put(HEAD, new Uint8Array(1_000_000), ABSENT)
    const hold = server.faults.hold({ operation: 'PutObject' })
    const writing = store.put('heads/state/other/~', new Uint8Array(10), ABSENT)
    await hold.arrived()
    server.faults.add({ operation: 'GetObject' }, { do: 'truncate', bytes: 500_000 })
    await refusal(store.get(HEAD), 'Unavailable')
    await refusal(open({ maxBytes: 1_000 }).get(HEAD), 'TooLarge')
    const abort = new AbortController()
    server.faults.add({ operation: 'GetObject' }, { do: 'stall' })
    const reading = store.get(HEAD, { signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    await refusal(reading, 'Aborted')
    await hold.release()
    expect(await writing).toMatch(/^\d+$/)
  })
})

describe('closing a store', () => {
  it('gives up what is under way, of unknown outcome, and refuses what comes later', async () => {
    const hold = server.faults.hold()
    const store = open()
    const writing = store.put(HEAD, new Uint8Array(10), ABSENT)
    await hold.arrived()
    await store.close()
    const error = await refusal(writing, 'Aborted')
    expect([error.details.notExecuted, error.message]).toEqual([undefined, expect.stringContaining('closed')])
    for (const call of Object.values(calls)) await refusal(call(store), 'Closed')
    await hold.release()
    expect(server.bucket('state').keys()).toEqual([HEAD])
  })

  it('gives up its connections', async () => {
    const store = open()
    await store.get(HEAD)
    await store.close()
    await store.close()
    expect(server.connectionCount).toBe(1)
    await refusal(store.get(HEAD), 'Closed')
  })
})

describe('answers that all break off', () => {
  it('keep no process alive that has closed its store: the client would wait for the rest of them for a minute', async () => {
    const program = await bundle(new URL('programs/broken-answers.ts', import.meta.url))
    server.faults.add(FOREVER, { do: 'truncate', bytes: 7 })
    const { child, ended } = start(process.execPath, [program, server.endpoint])
    let closedAt: number | undefined
    child.stdout!.on('data', (chunk: Buffer) => {
      if (chunk.includes('closed')) closedAt = performance.now()
    })
    const { code, stdout, stderr } = await ended
    expect([code, stdout, stderr]).toEqual([0, 'Unavailable\n'.repeat(4) + 'closed\n', ''])
    expect(performance.now() - closedAt!).toBeLessThan(20_000)
  })
})
