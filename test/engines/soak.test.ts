import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { openStore, type Store } from '../../src/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { type FaultAction, type FaultProxy, startFaultProxy } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { run } from '../file/children.ts'
import { testFolder } from '../file/folder.ts'
import { randomFrom } from '../file/random.ts'
import { bundle } from '../kill/bundle.ts'
import { dynamoDbEngines } from './aws.ts'
import { type EngineUnderTest, engines } from './engines.ts'
import { judgeDocument, judgeHandOvers, judgeMemory } from './soak-judge.ts'
import { HANDED, type MemorySample, type SoakAttempt, type SoakLine, type SoakTask, sharedNow } from './soak-script.ts'

const SECONDS = count(30 * 60, 120)
const GENERATION_MS = 20_000
const PROCESSES = 3
const SEED = 1_000
const START_MS = 3_000 // until every process runs
const LATE_MS = 2_200 // the attempt is given up by then
const BETWEEN_FAULTS_MS = 300

const FAULTS: readonly (FaultAction | 'cut')[] = [
  'cut',
  { do: 'drop-request' },
  { do: 'drop-answer' },
  { do: 'delay-before', ms: 50 },
  { do: 'delay-before', ms: LATE_MS },
  { do: 'delay-answer', ms: LATE_MS },
  { do: 'double', ms: 30 },
  { do: 'double', answer: 'second' },
  { do: 'status', status: 503, code: 'SlowDown' },
  { do: 'status', status: 500, code: 'InternalError', when: 'after' },
  { do: 'stall' },
  { do: 'stall', when: 'after' },
  { do: 'truncate', bytes: 7 },
]

const soaker = await bundle(new URL('programs/soaker.ts', import.meta.url))
reportCounts(
  import.meta.filename,
  { seconds: SECONDS, 'processes on each engine': PROCESSES },
  `${SEED + 1}–${SEED + PROCESSES}`,
)

describe.concurrent(`mixed work of ${PROCESSES} processes for ${SECONDS} s, over a network that fails`, () => {
  test.for([...engines])(
    'loses nothing that was acknowledged, leaks no memory and passes locks on fairly, on $name',
    { timeout: SECONDS * 3_000 + 300_000 },
    async (engine) => {
      const soak = await Soak.on(engine)
      const { attempts, memory } = await soak.work()
      await using store = await soak.past()
      const documents = new Map<string, SoakAttempt[]>()
      for (const one of attempts) documents.set(one.document, [...(documents.get(one.document) ?? []), one])
      let acknowledged = 0
      for (const [name, about] of documents) acknowledged += await judgeDocument(store, name, about)
      expect(acknowledged).toBeGreaterThan(10 * PROCESSES)
      const turns = judgeHandOvers(documents.get(HANDED) ?? [], soak.names)
      for (const samples of memory) judgeMemory(samples)
      expect(soak.happened.size, 'kinds of fault that happened').toBe(FAULTS.length)
      reportCounts(import.meta.filename, {
        [`acknowledged changes on ${engine.name}`]: acknowledged,
        [`hand-overs of one lock on ${engine.name}`]: turns.reduce((sum, some) => sum + some, 0),
      })
      await soak.close()
    },
  )
})

/** A bucket behind a proxy, a lock table where the engine has one, and processes that work there. */
class Soak {
  readonly names: readonly string[] = Array.from({ length: PROCESSES }, (_, n) => `p${n + 1}`)
  /** Kinds of fault that hit a request. */
  readonly happened: Set<number> = new Set()
  readonly #engine: EngineUnderTest
  readonly #bucket: string
  readonly #lock: string
  readonly #folder: string
  readonly #proxy: FaultProxy
  readonly #env: NodeJS.ProcessEnv

  private constructor(engine: EngineUnderTest, bucket: string, lock: string, folder: string, proxy: FaultProxy) {
    this.#engine = engine
    this.#bucket = bucket
    this.#lock = lock
    this.#folder = folder
    this.#proxy = proxy
    const { accessKeyId, secretAccessKey } = engine.credentials
    const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    this.#env = { PATH: process.env.PATH, ...credentials, STATE_KEY: randomBytes(32).toString('base64') }
  }

  static async on(engine: EngineUnderTest): Promise<Soak> {
    const table = dynamoDbEngines.find(({ name }) => name === engine.name)
    const { region, endpoint } = engine
    const lock =
      table === undefined ? 'store' : `dynamodb://${await table.newLockTable()}?region=${region}&endpoint=${endpoint}`
    const soak = new Soak(engine, await engine.newBucket(), lock, await testFolder(), await startFaultProxy(endpoint))
    await using store = await soak.past()
    await store.init()
    return soak
  }

  /** Opens the store as somebody whose network does not fail. */
  async past(): Promise<Store> {
    const { credentials, endpoint } = this.#engine
    const store = s3Store({
      bucket: this.#bucket,
      prefix: 'soak',
      region: this.#engine.region,
      endpoint,
      credentials,
      conditionalWrites: 'trusted',
    })
    const key = Buffer.from(this.#env.STATE_KEY!, 'base64')
    return await openStore({ store, keys: [new StaticKeyProvider({ key })], memory: false, cache: false })
  }

  async work(): Promise<{ attempts: SoakAttempt[]; memory: MemorySample[][] }> {
    const begin = sharedNow() + START_MS
    const end = begin + SECONDS * 1_000
    const store = `s3://${this.#bucket}/soak?region=${this.#engine.region}&endpoint=${this.#proxy.endpoint}&conditionalWrites=trusted`
    const logs = this.names.map((name) => join(this.#folder, `${name}.jsonl`))
    const processes = this.names.map((name, n) => {
      const memory = join(this.#folder, 'memory')
      const times = { begin, end, generationMs: GENERATION_MS }
      const task: SoakTask = { name, seed: SEED + n + 1, store, lock: this.#lock, memory, log: logs[n]!, ...times }
      return run(process.execPath, ['--expose-gc', soaker, JSON.stringify(task)], { env: this.#env })
    })
    const all = Promise.all(processes)
    await Promise.race([this.#fail(end), all])
    await all
    await this.#proxy.settled()
    const lines = logs.map((log) =>
      readFileSync(log, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as SoakLine),
    )
    return {
      attempts: lines.flat().flatMap((line) => ('attempt' in line ? [line.attempt] : [])),
      memory: lines.map((some) => some.flatMap((line) => ('memory' in line ? [line.memory] : []))),
    }
  }

  /** Plans one fault after another, all kinds in turn, until the end; one that nothing has met yet is waited for. */
  async #fail(end: number): Promise<void> {
    const random = randomFrom(SEED)
    for (let kind = 0; sharedNow() < end; kind = (kind + 1) % FAULTS.length) {
      const fault = FAULTS[kind]!
      const match = { nth: 1 + Math.floor(random() * 9) }
      const rule = fault === 'cut' ? this.#proxy.cut(match) : this.#proxy.faults.add(match, fault)
      while (rule.fired === 0 && sharedNow() < end) await sleep(BETWEEN_FAULTS_MS)
      if (rule.fired > 0) this.happened.add(kind)
      rule.remove()
    }
  }

  async close(): Promise<void> {
    await this.#proxy.close()
  }
}
