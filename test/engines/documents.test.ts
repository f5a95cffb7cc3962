import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytes, openStore, type Store } from '../../src/index.ts'
import type { FaultAction, FaultProxy, FaultRule } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { randomFrom } from '../file/random.ts'
import { begin, judge, LoadedProcess } from './mixed-load.ts'
import { type StoreEngine, startProxyBefore, storeEngines } from './stores.ts'

const SMALL = 350
const LARGE = 20_000
const CALLS = count(300, 50) // of each process under load
reportCounts(import.meta.filename, { 'calls of each process': CALLS }, '0–2, 4')

const ATTEMPT_MS = 1_000
const PATIENCE = [30_000, 30_000, 1_500] // of each process, for one call, in ms: the last one gives up soon
const LATE_MS = ATTEMPT_MS + 200 // the attempt is given up by then

const faultsOf = ({ busy }: StoreEngine): readonly (FaultAction | 'cut')[] => [
  'cut',
  { do: 'drop-request' },
  { do: 'drop-answer' },
  { do: 'delay-before', ms: 50 },
  { do: 'delay-before', ms: LATE_MS },
  { do: 'delay-answer', ms: LATE_MS },
  { do: 'double', ms: 30 },
  { do: 'double', answer: 'second' },
  { do: 'status', ...busy },
  { do: 'status', status: 500, code: 'InternalError', when: 'after' },
  { do: 'stall' },
  { do: 'stall', when: 'after' },
  { do: 'truncate', bytes: 7 },
]

for (const engine of storeEngines) {
  const { unchanged } = engine
  describe(`documents, ${engine.name}, behind the proxy`, () => {
    let proxy: FaultProxy
    let opened: Store[]
    /** Opens the bucket as another process does. */
    let open: (
      way: 'through the proxy' | 'past it',
      limits?: { attemptMs: number; operationMs: number },
    ) => Promise<Store>

    beforeEach(async () => {
      proxy = await startProxyBefore(engine)
      opened = []
      const bucket = await engine.newBucket({ versioning: true })
      process.env.STATE_KEY = randomBytes(32).toString('base64')
      open = async (way, limits = { attemptMs: 60_000, operationMs: 120_000 }) => {
        const endpoint = way === 'past it' ? engine.endpoint : proxy.endpoint
        const store = engine.open({ bucket, prefix: 'team/prod', endpoint })
        opened.push(await openStore({ store, keys: 'env:STATE_KEY', memory: false, cache: false, limits }))
        return opened.at(-1)!
      }
      await (await open('past it')).init()
    })

    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()))
      await proxy.close()
    })

    /** What went over the wire, in order. */
    async function requestsOf(work: () => Promise<unknown>): Promise<string[]> {
      const before = proxy.requests.length
      await work()
      return proxy.requests.slice(before).map(({ operation, statuses }) => `${operation} ${statuses.join()}`)
    }

    test('reads and commits make as many requests as they may, and no other', async () => {
      const elsewhere = (await open('past it')).document('shop/prod', bytes())
      const any = { parent: 'any' } as const
      await elsewhere.commit(randomBytes(SMALL), any)

      let store: Store | undefined
      expect(await requestsOf(async () => (store = await open('through the proxy')))).toEqual([])
      expect(await requestsOf(() => store!.id())).toEqual(['GetObject 200'])
      const document = store!.document('shop/prod', bytes())
      expect(await requestsOf(() => document.read())).toEqual(['GetObject 200'])
      expect(await requestsOf(() => document.read())).toEqual([`GetObject ${unchanged}`])
      await elsewhere.commit(randomBytes(LARGE), any)
      expect(await requestsOf(() => document.read())).toEqual(['GetObject 200', 'GetObject 200'])
      expect(await requestsOf(() => document.read())).toEqual([`GetObject ${unchanged}`])
      expect(await requestsOf(() => document.commit(randomBytes(SMALL), any))).toEqual(['PutObject 200'])
      expect(await requestsOf(() => document.commit(randomBytes(LARGE), any))).toEqual([
        'PutObject 200',
        'PutObject 200',
      ])
      expect(await requestsOf(() => document.status())).toEqual([`GetObject ${unchanged}`])
    })

    test(`of ${PATIENCE.length * CALLS} calls by three processes, over a network that fails at every sixth request, nothing acknowledged is lost, and nothing is done twice`, async () => {
      const direct = await open('past it')
      await begin(direct)
      const faults = faultsOf(engine)
      const rules = planFaults(proxy, faults)
      const processes: LoadedProcess[] = []
      for (const [index, operationMs] of PATIENCE.entries()) {
        const store = await open('through the proxy', { attemptMs: ATTEMPT_MS, operationMs })
        processes.push(new LoadedProcess(`${index + 1}`, store, randomFrom(index)))
      }
      await Promise.all(processes.map((one) => one.run(CALLS)))
      proxy.faults.clear()
      await proxy.settled()

      const told = await judge(direct, processes)
      expect(told).toBeGreaterThan(CALLS)
      const happened = new Set(rules.flatMap(({ fired }, index) => (fired > 0 ? [index % faults.length] : [])))
      expect(happened.size, 'kinds of fault that happened').toBe(faults.length)
    })
  })
}

/** Plans one fault after the other, all kinds in turn, each some requests after the one before: one in six or so. */
function planFaults(proxy: FaultProxy, faults: readonly (FaultAction | 'cut')[]): FaultRule[] {
  const random = randomFrom(4)
  const rules: FaultRule[] = []
  for (let nth = 1; nth <= 20 * PATIENCE.length * CALLS; nth += 1 + Math.floor(random() * 9)) {
    const fault = faults[rules.length % faults.length]!
    rules.push(fault === 'cut' ? proxy.cut({ nth }) : proxy.faults.add({ nth }, fault))
  }
  return rules
}
