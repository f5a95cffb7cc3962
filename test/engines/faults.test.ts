import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import type { FaultProxy } from '../../src/testing/proxy.ts'
import { startProxyBefore, storeEngines } from './stores.ts'

const HEAD = 'heads/state/shop/prod/~'
const ABSENT = { ifAbsent: true } as const

for (const engine of storeEngines) {
  describe(`${engine.name} behind a network that fails`, () => {
    let proxy: FaultProxy
    /** Through the proxy, and beside it. */
    let store: ObjectStore
    let beside: ObjectStore

    beforeEach(async () => {
      const bucket = await engine.newBucket()
      proxy = await startProxyBefore(engine)
      store = engine.open({ bucket, endpoint: proxy.endpoint })
      beside = engine.open({ bucket })
    })

    afterEach(async () => {
      await Promise.all([store.close(), beside.close()])
      await proxy.close()
    })

    test('a write whose answer is lost is not reported as refused, and it is there', async () => {
      proxy.faults.add({ operation: 'PutObject' }, { do: 'drop-answer' })
      await expect(store.put(HEAD, body('one'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
      expect(await read()).toBe('one')
      await expect(store.put(HEAD, body('one'), ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    })

    test('a write that is lost on its way leaves nothing, and neither does one that is cut in two', async () => {
      proxy.faults.add({ operation: 'PutObject' }, { do: 'drop-request' })
      await expect(store.put(HEAD, body('one'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
      proxy.cut({ operation: 'PutObject' })
      await expect(store.put(HEAD, new Uint8Array(300_000), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
      expect(await read()).toBeUndefined()
      await store.put(HEAD, body('two'), ABSENT)
      expect(await read()).toBe('two')
    })

    test('a late write lands after its sender has given up, if nobody was faster', async () => {
      const hold = proxy.faults.hold({ operation: 'PutObject' })
      await giveUp((signal) => store.put(HEAD, body('late'), ABSENT, { signal }), hold.arrived())
      expect(await read()).toBeUndefined()
      await hold.release()
      expect(await read()).toBe('late')
    })

    test('a late write does not land on what somebody else has written since', async () => {
      const token = await store.put(HEAD, body('one'), ABSENT)
      const hold = proxy.faults.hold({ operation: 'PutObject' })
      await giveUp((signal) => store.put(HEAD, body('late'), { ifMatch: token }, { signal }), hold.arrived())
      await beside.put(HEAD, body('two'), { ifMatch: token })
      await hold.release()
      expect(proxy.requests.at(-1)).toMatchObject({ operation: 'PutObject', statuses: [412] })
      expect(await read()).toBe('two')
    })

    test('a doubled write is done once, whichever of its two answers comes back', async () => {
      proxy.faults.add({ operation: 'PutObject' }, { do: 'double' })
      const token = await store.put(HEAD, body('one'), ABSENT)
      await proxy.settled()
      expect(proxy.requests.at(-1)?.statuses).toEqual([200, 412])
      proxy.faults.add({ operation: 'PutObject' }, { do: 'double', answer: 'second' })
      const write = store.put(HEAD, body('two'), { ifMatch: token })
      await expect(write).rejects.toMatchObject({ code: 'PreconditionFailed' })
      expect(proxy.requests.at(-1)?.statuses).toEqual([200, 412])
      expect(await read()).toBe('two')
    })

    test('a service that never answers is given up when its caller says so, and what it did is done', async () => {
      proxy.faults.add({ operation: 'PutObject' }, { do: 'stall', when: 'after' })
      await giveUp((signal) => store.put(HEAD, body('one'), ABSENT, { signal }), arrival())
      await proxy.settled()
      expect(await read()).toBe('one')
    })

    test('a body that is cut short is an error, never a short body', async () => {
      await store.put(HEAD, body('a body of some length'), ABSENT)
      for (const bytes of [0, 1, 20]) {
        proxy.faults.add({ operation: 'GetObject' }, { do: 'truncate', bytes })
        await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'Unavailable' })
      }
      proxy.faults.add({ method: 'GET', key: 'heads/' }, { do: 'truncate', bytes: 40 })
      await expect(store.list('heads/')).rejects.toMatchObject({ code: 'Unavailable' })
    })

    test('an error status after the write was done leaves its outcome open', async () => {
      proxy.faults.add(
        { operation: 'PutObject' },
        { do: 'status', status: 503, code: 'ServiceUnavailable', when: 'after' },
      )
      await expect(store.put(HEAD, body('one'), ABSENT)).rejects.toMatchObject({ code: 'Unavailable' })
      expect(await read()).toBe('one')
    })

    test('calls go on as before once the network is well again', async () => {
      proxy.faults.add({ times: 3 }, { do: 'drop-request' })
      for (let call = 0; call < 3; call += 1) {
        await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'Unavailable' })
      }
      await delay(10)
      expect(await store.get(HEAD)).toBeUndefined()
      await store.put(HEAD, body('one'), ABSENT)
      expect(await read()).toBe('one')
      expect(proxy.faults.unfired()).toEqual([])
    })

    /** Makes a call, and gives it up once `arrived`. */
    async function giveUp(call: (signal: AbortSignal) => Promise<unknown>, arrived: Promise<unknown>): Promise<void> {
      const abort = new AbortController()
      const ended = expect(call(abort.signal)).rejects.toMatchObject({ code: 'Aborted' })
      await arrived
      abort.abort()
      await ended
    }

    /** Resolves when the proxy has the next request. */
    async function arrival(): Promise<void> {
      const before = proxy.requests.length
      while (proxy.requests.length === before) await delay(5)
    }

    async function read(): Promise<string | undefined> {
      const found = await beside.get(HEAD)
      return found === undefined || found === 'unchanged' ? undefined : Buffer.from(found.bytes).toString()
    }
  })
}

function body(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
