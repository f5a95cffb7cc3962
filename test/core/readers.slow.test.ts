import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { json, type ObjectStore, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { clouds } from '../clouds.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'
import { STORE_ID } from './workbench.ts'

const READERS = 4

/** Answers take their time, and overtake one another. */
function jittery(inner: ObjectStore, seed: number): ObjectStore {
  const random = new Random(seed)
  const pause = async () => {
    for (let turns = random.below(8); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
  }
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    await pause()
    try {
      return await work()
    } finally {
      await pause()
    }
  }
  return {
    address: inner.address,
    capabilities: inner.capabilities,
    get: (...args) => around(() => inner.get(...args)),
    put: (...args) => around(() => inner.put(...args)),
    delete: (...args) => around(() => inner.delete(...args)),
    list: (...args) => around(() => inner.list(...args)),
    close: () => inner.close(),
  }
}

const places: Record<
  string,
  { rounds: number; open: () => Promise<{ handle: () => ObjectStore; close: () => Promise<void> }> }
> = {
  memory: {
    rounds: count(20_000, 1_000),
    async open() {
      const bucket = new MemoryBucket()
      return { handle: () => memoryStore({ bucket }), close: async () => {} }
    },
  },
  file: {
    rounds: count(2_000, 100),
    async open() {
      const folder = await mkdtemp(join(tmpdir(), 'keelstate-readers-'))
      await fileStore({ root: join(folder, 'store') }).prepare()
      return {
        handle: () => fileStore({ root: join(folder, 'store') }),
        close: () => rm(folder, { recursive: true, force: true }),
      }
    },
  },
  ...Object.fromEntries(
    clouds.map(({ name, start }) => [
      `${name} on the fixture`,
      {
        rounds: count(2_000, 100),
        async open() {
          const { open: handle, close } = await start()
          return { handle, close }
        },
      },
    ]),
  ),
}

for (const [name, { rounds }] of Object.entries(places))
  reportCounts(import.meta.filename, { [`commits beside readers on ${name}`]: rounds }, '0–4')

describe.each(Object.entries(places))('on %s', (_, { rounds, open }) => {
  it('four readers beside a writer, each with two reads under way at a time, never see RolledBack, nor go back', async () => {
    const place = await open()
    try {
      const document = async (seed: number) => {
        const store = jittery(place.handle(), seed)
        const opened = await openStore({ store, keys: 'plaintext', storeId: STORE_ID, memory: false })
        return opened.document('doc', json<number>())
      }
      const writer = await document(0)
      await writer.commit(0, { parent: 'none' })
      let acknowledged = 0
      let running = true
      const reading = async (seed: number) => {
        const doc = await document(seed)
        const lane = async () => {
          let last = 0
          let reads = 0
          while (running) {
            const least = acknowledged
            const value = (await doc.read())!.value
            expect(value).toBeGreaterThanOrEqual(Math.max(last, least))
            last = value
            reads++
          }
          return reads
        }
        return await Promise.all([lane(), lane()])
      }
      const readers = Array.from({ length: READERS }, (_, n) => reading(n + 1))
      for (let n = 1; n <= rounds; n++) {
        await writer.commit(n, { parent: 'any' })
        acknowledged = n
      }
      running = false
      const reads = (await Promise.all(readers)).flat()
      expect(Math.min(...reads)).toBeGreaterThan(rounds / 50)
    } finally {
      await place.close()
    }
  })
})
