import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { openStore, type Store } from '../../src/index.ts'
import type { FaultAction, FaultProxy } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { run } from '../file/children.ts'
import { testFolder } from '../file/folder.ts'
import { randomFrom } from '../file/random.ts'
import { bundle } from '../kill/bundle.ts'
import { type DynamoDbEngine, dynamoDbEngines } from './aws.ts'
import { judgeDocument, judgeHandOvers, judgeMemory } from './soak-judge.ts'
import {
  HANDED,
  type MemorySample,
  type SoakAttempt,
  type SoakLine,
  type SoakTask,
  sharedNow,
  TURNS,
} from './soak-script.ts'
import { type EnginePlace, type StoreEngine, startProxyBefore, storeEngines } from './stores.ts'

/** Two at a time, so that every engine has what it had alone, and the time is shared out. */
const PAIRS: readonly (readonly Soaked[])[] = [
  [soaked('s3 on localstack', 'localstack'), soaked('gcs on fake-gcs-server')],
  [soaked('s3 on minio'), soaked('gcs on fake-gcs-server', 'dynamodb-local')],
]
const SECONDS = count(30 * 60, 120) / PAIRS.length
const GENERATION_MS = 20_000
const PROCESSES = 3
const SEED = 1_000
const START_MS = 3_000 // until every process runs
const LATE_MS = 2_200 // the attempt is given up by then
const BETWEEN_FAULTS_MS = 300
const LEASE_MS = 8_000
const LEASE_WHERE_WRITES_ARE_PACED_MS = 10_000

/** An engine, and where locks are kept: in a table, or beside the documents. */
interface Soaked {
  readonly name: string
  readonly engine: StoreEngine
  readonly table: DynamoDbEngine | undefined
}

function soaked(name: string, locks?: DynamoDbEngine['name']): Soaked {
  const engine = storeEngines.find((one) => one.name === name)!
  const table = dynamoDbEngines.find((one) => one.name === locks)
  return { name: `${name}, locks ${table === undefined ? 'beside the documents' : `in ${table.name}`}`, engine, table }
}

function faultsOf({ busy, broken }: StoreEngine): readonly (FaultAction | 'cut')[] {
  return [
    'cut',
    { do: 'drop-request' },
    { do: 'drop-answer' },
    { do: 'delay-before', ms: 50 },
    { do: 'delay-before', ms: LATE_MS },
    { do: 'delay-answer', ms: LATE_MS },
    { do: 'double', ms: 30 },
    { do: 'double', answer: 'second' },
    { do: 'status', ...busy },
    { do: 'status', ...broken, when: 'after' },
    { do: 'stall' },
    { do: 'stall', when: 'after' },
    { do: 'truncate', bytes: 7 },
  ]
}

const soaker = await bundle(new URL('programs/soaker.ts', import.meta.url))
reportCounts(
  import.meta.filename,
  { 'seconds on each engine': SECONDS, 'processes on each engine': PROCESSES },
  `${SEED + 1}–${SEED + PROCESSES}`,
)

for (const pair of PAIRS) {
  describe(`mixed work of ${PROCESSES} processes for ${SECONDS} s, over a network that fails`, () => {
    test.concurrent.for(pair)(
      'loses nothing that was acknowledged, leaks no memory and passes locks on fairly, on $name',
      { timeout: SECONDS * 3_000 + 300_000 },
      async (place, { expect, onTestFinished }) => {
        const soak = await Soak.on(place, await testFolder(onTestFinished))
        const { attempts, memory } = await soak.work()
        await using store = await soak.past()
        const documents = new Map<string, SoakAttempt[]>()
        for (const one of attempts) documents.set(one.document, [...(documents.get(one.document) ?? []), one])
        let acknowledged = 0
        for (const [name, about] of documents) acknowledged += await judgeDocument(store, name, about)
        expect(acknowledged).toBeGreaterThanOrEqual(TURNS * PROCESSES)
        const turns = judgeHandOvers(documents.get(HANDED) ?? [], soak.names)
        for (const samples of memory) judgeMemory(samples)
        expect(soak.happened.size, 'kinds of fault that happened').toBe(soak.faults.length)
        reportCounts(import.meta.filename, {
          [`acknowledged changes on ${place.name}`]: acknowledged,
          [`hand-overs of one lock on ${place.name}`]: turns.reduce((sum, some) => sum + some, 0),
        })
        await soak.close()
      },
    )
  })
}

/** A bucket behind a proxy, perhaps a lock table, and processes that work there. */
class Soak {
  readonly names: readonly string[] = Array.from({ length: PROCESSES }, (_, n) => `p${n + 1}`)
  readonly faults: readonly (FaultAction | 'cut')[]
  /** Kinds of fault that hit a request. */
  readonly happened: Set<number> = new Set()
  readonly #engine: StoreEngine
  readonly #place: EnginePlace
  readonly #lock: string
  readonly #folder: string
  readonly #proxy: FaultProxy
  readonly #env: NodeJS.ProcessEnv

  private constructor({ engine, table }: Soaked, bucket: string, lock: string, folder: string, proxy: FaultProxy) {
    this.#engine = engine
    this.#place = { bucket, prefix: 'soak' }
    this.#lock = lock
    this.#folder = folder
    this.#proxy = proxy
    this.faults = faultsOf(engine)
    this.#env = {
      PATH: process.env.PATH,
      ...(table && {
        AWS_ACCESS_KEY_ID: table.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: table.credentials.secretAccessKey,
      }),
      ...engine.env,
      STATE_KEY: randomBytes(32).toString('base64'),
      XDG_CACHE_HOME: join(folder, 'cache'),
    }
  }

  static async on(place: Soaked, folder: string): Promise<Soak> {
    const { engine, table } = place
    const lock =
      table === undefined
        ? 'store'
        : `dynamodb://${await table.newLockTable()}?region=${table.region}&endpoint=${table.endpoint}`
    const soak = new Soak(place, await engine.newBucket(), lock, folder, await startProxyBefore(engine))
    await using store = await soak.past()
    await store.init()
    return soak
  }

  /** Opens the store as somebody whose network does not fail. */
  async past(): Promise<Store> {
    const key = Buffer.from(this.#env.STATE_KEY!, 'base64')
    const store = this.#engine.open(this.#place)
    return await openStore({ store, keys: [new StaticKeyProvider({ key })], memory: false, cache: false })
  }

  async work(): Promise<{ attempts: SoakAttempt[]; memory: MemorySample[][] }> {
    const begin = sharedNow() + START_MS
    const end = begin + SECONDS * 1_000
    const store = this.#engine.address({ ...this.#place, endpoint: this.#proxy.endpoint })
    const leaseMs = this.#engine.shortestLease === undefined ? LEASE_MS : LEASE_WHERE_WRITES_ARE_PACED_MS
    const logs = this.names.map((name) => join(this.#folder, `${name}.jsonl`))
    const processes = this.names.map((name, n) => {
      const memory = join(this.#folder, 'memory')
      const times = { begin, end, generationMs: GENERATION_MS }
      const task: SoakTask = {
        name,
        seed: SEED + n + 1,
        store,
        lock: this.#lock,
        leaseMs,
        memory,
        log: logs[n]!,
        ...times,
      }
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
    for (let kind = 0; sharedNow() < end; kind = (kind + 1) % this.faults.length) {
      const fault = this.faults[kind]!
      // Each kind happens before any is left to chance, however few requests there are.
      const match = { nth: this.happened.size < this.faults.length ? 1 : 1 + Math.floor(random() * 9) }
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
