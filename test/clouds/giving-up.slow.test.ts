import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { S3Client } from '@aws-sdk/client-s3'
import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gcsStore } from '../../src/gcs/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { ABSENT, callsWith, FOREVER, gcsBench, HEAD, refusal, s3Bench } from './bench.ts'

const calls = callsWith(new Uint8Array(100_000))

const s3 = s3Bench()
const gcs = gcsBench()

const DRIVERS = [
  {
    name: 'S3',
    bench: s3,
    /** On a client of somebody else's that has no timeout. */
    onPatientClient(attemptTimeoutMs: number) {
      const client = new S3Client({ ...s3.server.clientConfig, maxAttempts: 1 })
      return { store: s3Store({ bucket: 'state', client, attemptTimeoutMs }), release: () => client.destroy() }
    },
  },
  {
    name: 'Google Cloud Storage',
    bench: gcs,
    onPatientClient(attemptTimeoutMs: number) {
      const client = new Storage({ apiEndpoint: gcs.server.endpoint })
      return { store: gcsStore({ bucket: 'state', client, attemptTimeoutMs }), release: () => {} }
    },
  },
]

describe.each(DRIVERS)('$name', ({ bench, onPatientClient }) => {
  beforeEach(() => bench.start({ anonymous: true })) // for the client of somebody else's, which has no credentials
  afterEach(() => bench.stop())

  describe('a service that is silent', () => {
    it('ends every call with Timeout after attemptTimeoutMs, of unknown outcome', async () => {
      bench.server.faults.add(FOREVER, { do: 'stall', when: 'after' })
      const store = bench.open({ attemptTimeoutMs: 400 })
      for (const call of Object.values(calls)) {
        const started = Date.now()
        const error = await refusal(call(store), 'Timeout')
        expect([error.retry, error.details.notExecuted]).toEqual(['safe', undefined])
        expect(Date.now() - started).toBeLessThan(5_000)
      }
      expect(bench.server.requests).toHaveLength(4)
      expect(bench.server.bucket('state').keys()).toEqual([HEAD]) // it did happen
    })

    it('does so through a client without any timeout too', async () => {
      bench.server.faults.add(FOREVER, { do: 'stall' })
      const { store, release } = onPatientClient(400)
      for (const call of Object.values(calls))
        expect((await refusal(call(store), 'Timeout')).details.timeoutMs).toBeGreaterThan(0)
      release()
    })

    it('gives a large body a second more for each MB', async () => {
      bench.server.faults.add(FOREVER, { do: 'delay-before', ms: 600 })
      const store = bench.open({ attemptTimeoutMs: 100 })
      await store.put(HEAD, new Uint8Array(6_000_000), ABSENT)
      await refusal(store.get(HEAD), 'Timeout')
    })

    describe('in the middle of a body', () => {
      let half: Server
      beforeEach(async () => {
        half = createServer((_, response) => {
          response.writeHead(200, { 'content-length': 1_000_000, etag: '"1"', 'x-goog-generation': '1' })
          response.write(Buffer.alloc(500_000))
        })
        await new Promise<void>((resolve) => half.listen(0, '127.0.0.1', resolve))
      })
      afterEach(() => void half.closeAllConnections())
      const endpoint = () => `http://127.0.0.1:${(half.address() as AddressInfo).port}`

      it('ends a read with Timeout', async () => {
        await refusal(bench.open({ endpoint: endpoint(), attemptTimeoutMs: 200 }).get(HEAD), 'Timeout')
      })

      it('lets a read be aborted, and its connection goes', async () => {
        const abort = new AbortController()
        const reading = bench.open({ endpoint: endpoint() }).get(HEAD, { signal: abort.signal })
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
      const store = bench.open()
      for (const call of Object.values(calls)) await refusal(call(store, AbortSignal.abort()), 'Aborted')
      expect(bench.server.requests).toEqual([])
    })

    it('during the call gets Aborted soon, and a write may still land', async () => {
      const hold = bench.server.faults.hold(FOREVER)
      const store = bench.open()
      for (const [index, call] of Object.values(calls).entries()) {
        const abort = new AbortController()
        const calling = call(store, abort.signal)
        await hold.arrived(index + 1)
        abort.abort(new Error('enough'))
        const error = await refusal(calling, 'Aborted')
        expect([error.details.notExecuted, (error.cause as Error).message]).toEqual([undefined, 'enough'])
      }
      expect(bench.server.bucket('state').keys()).toEqual([])
      await hold.releaseAll()
      expect(bench.server.bucket('state').keys()).toEqual([HEAD])
    })

    it('while credentials are looked for gets Aborted, and nothing was executed', async () => {
      const store = bench.open({ credentials: () => new Promise<never>(() => {}) })
      for (const call of Object.values(calls)) {
        const error = await refusal(call(store, AbortSignal.timeout(50)), 'Aborted')
        expect(error.details.notExecuted).toBe(true)
      }
      expect(
        (
          await refusal(
            bench.open({ credentials: () => new Promise<never>(() => {}), attemptTimeoutMs: 50 }).get(HEAD),
            'Timeout',
          )
        ).details.notExecuted,
      ).toBe(true)
    })
  })

  describe('closing a store', () => {
    it('gives up what is under way, of unknown outcome, and refuses what comes later', async () => {
      const hold = bench.server.faults.hold()
      const store = bench.open()
      const writing = store.put(HEAD, new Uint8Array(10), ABSENT)
      await hold.arrived()
      await store.close()
      const error = await refusal(writing, 'Aborted')
      expect([error.details.notExecuted, error.message]).toEqual([undefined, expect.stringContaining('closed')])
      for (const call of Object.values(calls)) await refusal(call(store), 'Closed')
      await hold.release()
      expect(bench.server.bucket('state').keys()).toEqual([HEAD])
    })

    it('gives up its connections', async () => {
      const store = bench.open()
      await store.get(HEAD)
      await store.close()
      await store.close()
      expect(bench.server.connectionCount).toBe(1)
      await refusal(store.get(HEAD), 'Closed')
    })
  })
})
