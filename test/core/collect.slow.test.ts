import { describe, expect, it } from 'vitest'
import { type Environment, systemEnvironment } from '../../src/core/environment.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { json, KeelstateError, openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'
import { STORE_ID } from './workbench.ts'

const SCHEDULES = count(500, 10)
reportCounts(import.meta.filename, { schedules: SCHEDULES }, `1–${SCHEDULES}`)
const AT_ONCE = 5
const HOUR = 3_600_000
const LIMITS = { attemptMs: 20, operationMs: 4_000 }
const HEAD_OR_OBJECT = /^(heads|objects)\//

/** Answers take their time; now and then one is lost, late, doubled, or never comes. */
function unreliable(bucket: MemoryBucket, random: Random): ObjectStore {
  const store = faultyStore(memoryStore({ bucket }))
  const next = () => {
    const at = { key: HEAD_OR_OBJECT, nth: 1 + random.below(12) }
    const fault = random.pick([
      { do: 'drop-answer' },
      { do: 'drop-request' },
      { do: 'delay-before', ms: 30 },
      { do: 'delay-answer', ms: 5 },
      { do: 'double', ms: 5 },
      { do: 'status', status: 503, code: 'SlowDown' },
    ] as const)
    return store.faults.add(at, fault)
  }
  let planned = next()
  return {
    address: store.address,
    capabilities: store.capabilities,
    get: (...args) => around(() => store.get(...args)),
    put: (...args) => around(() => store.put(...args)),
    delete: (...args) => around(() => store.delete(...args)),
    list: (...args) => around(() => store.list(...args)),
    close: () => store.close(),
  }
  async function around<T>(work: () => Promise<T>): Promise<T> {
    if (planned.fired > 0) planned = next()
    for (let turns = random.below(6); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
    return await work()
  }
}

/** Some failures are the faults' doing; anything else fails the test. */
async function attempt<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const harmless = ['Conflict', 'OutcomeUnknown', 'Unavailable', 'Timeout', 'Throttled', 'NotFound'] as const
    if (harmless.some((code) => KeelstateError.is(error, code))) return undefined
    throw error
  }
}

async function schedule(seed: number): Promise<{ deleted: number; commits: number }> {
  const random = new Random(seed)
  const bucket = new MemoryBucket()
  const document = async (store: ObjectStore, offMs = 0): Promise<VersionedDocument<string>> => {
    const environment: Environment = {
      ...systemEnvironment,
      now: () => Date.now() + offMs,
      sleep: (ms, signal) => systemEnvironment.sleep(ms / 40, signal), // waits between attempts only keep the others waiting
      random: () => random.next(),
    }
    const opened = await openStore({
      store,
      keys: 'plaintext',
      storeId: STORE_ID,
      memory: false,
      environment,
      limits: LIMITS,
    })
    return opened.document('doc', json<string>())
  }
  const clean = await document(memoryStore({ bucket }))
  await clean.commit('start', { parent: 'none' })
  const acknowledged = new Map<string, string>()
  let deleted = 0
  let working = true

  const writer = async (name: string) => {
    const doc = await document(unreliable(bucket, random))
    for (let n = 0; n < 8; n++) {
      const value = `${name}.${n} `.repeat(random.below(3) === 0 ? 10 : 3_000)
      const made =
        random.below(5) === 0
          ? await attempt(doc.rollback('current~1'))
          : await attempt(doc.commit(value, { parent: 'any' }))
      if (made !== undefined) acknowledged.set(made.id, made.value)
    }
  }
  const maintainer = async (offMs: number) => {
    const doc = await document(unreliable(bucket, random), offMs)
    while (working) {
      if (random.below(2) === 0) await attempt(doc.prune({ keepLast: 6 + random.below(4) }))
      const report = await attempt(doc.collect({ graceMs: random.below(2) === 0 ? -HOUR * 2 : HOUR / 2 }))
      deleted += report?.deleted.length ?? 0
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const reader = async () => {
    const doc = await document(unreliable(bucket, random))
    while (working) {
      const current = await attempt(doc.read())
      if (current !== undefined && acknowledged.has(current.id))
        expect(current.value).toBe(acknowledged.get(current.id))
      await attempt(doc.revision('current~2'))
    }
  }
  const others = [maintainer(HOUR), maintainer(-HOUR), maintainer(0), reader(), reader()]
  await Promise.all([writer('a'), writer('b'), writer('c')])
  working = false
  await Promise.all(others)

  // What is late is over by now; nothing live may be missing, and nothing dead may be left after one more round.
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect((await clean.verify()).problems).toEqual([])
  await clean.collect({ graceMs: -HOUR * 3 })
  expect(await clean.verify()).toMatchObject({ ok: true, unreachable: 0 })
  for await (const { id } of clean.history()) {
    const value = acknowledged.get(id)
    if (value !== undefined) expect((await clean.revision(id)).value).toBe(value)
  }
  return { deleted, commits: acknowledged.size }
}

describe('collectors with clocks an hour off, beside writers, readers and prunes, on a bad network', () => {
  it(`never delete what is live, and leave nothing dead, in ${SCHEDULES} schedules`, async () => {
    let deleted = 0
    let commits = 0
    const seeds = Array.from({ length: SCHEDULES }, (_, n) => n + 1)[Symbol.iterator]()
    const lane = async () => {
      for (const seed of seeds) {
        const done = await schedule(seed).catch((error: unknown) => {
          throw new Error(`schedule ${seed}`, { cause: error })
        })
        deleted += done.deleted
        commits += done.commits
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    expect(commits).toBeGreaterThan(SCHEDULES * 10)
    expect(deleted).toBeGreaterThan(SCHEDULES * 5)
  }, 1_200_000)
})
