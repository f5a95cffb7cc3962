import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { runSchedule } from '../../src/testing/simulation/index.ts'
import type { VirtualTime } from '../../src/testing/virtual-environment.ts'
import { storeWith } from '../store-with.ts'
import { simulate } from './script.ts'

const SCHEDULES = 2_000 // `npm run prove` plays 100,000
const TIMEOUT_MS = 600_000

describe('many schedules of writers, holders, readers and collectors in all kinds of trouble', () => {
  it(
    'keep every acknowledged change once and in order, refuse others for good, and never have two live holders',
    async () => {
      const { code, stdout, stderr } = await simulate('--schedules', `${SCHEDULES}`)
      expect(stderr).not.toContain('broke a promise')
      expect(code).toBe(0)
      const [, failed, fewest, most] = /: (\d+) with violations, .* \((\d+) to (\d+) each\)/.exec(stdout) ?? []
      expect(failed).toBe('0')
      expect(Number(fewest)).toBeGreaterThanOrEqual(5)
      expect(Number(most)).toBeLessThanOrEqual(20)
    },
    TIMEOUT_MS,
  )

  it('replay exactly from their seed, bit for bit', async () => {
    const story = async (seed: number) => {
      const { stdout } = await simulate('--schedules', '1', '--seed', `${seed}`, '--tell')
      return stdout.slice(0, stdout.lastIndexOf('1 schedules of'))
    }
    for (const seed of [3, 14]) {
      const told = await story(seed)
      expect(told).toMatch(/head 1 by .*, write [0-9a-f]{6}, data key [0-9a-f]{6}\n/)
      expect(await story(seed)).toBe(told)
    }
    expect(await story(3)).not.toBe(await story(4))
  }, 60_000)
})

/** Stores whatever the condition says: on the token of now. */
async function overwrite(store: ObjectStore, key: string, body: Uint8Array): Promise<string> {
  const now = await store.get(key)
  return store.put(key, body, now === undefined || now === 'unchanged' ? { ifAbsent: true } : { ifMatch: now.token })
}

const BROKEN_STORES: Record<string, (store: ObjectStore, time: VirtualTime) => ObjectStore> = {
  'that ignores conditions': (store) =>
    storeWith(store, {
      put: (key, body, condition) =>
        key.startsWith('heads/') ? overwrite(store, key, body) : store.put(key, body, condition),
    }),
  'that checks, and then acts': (store, time) =>
    storeWith(store, {
      async put(key, body, condition) {
        if (!key.startsWith('heads/')) return store.put(key, body, condition)
        const now = await store.get(key)
        const token = now === undefined || now === 'unchanged' ? undefined : now.token
        if (token !== ('ifMatch' in condition ? condition.ifMatch : undefined)) {
          throw new KeelstateError('PreconditionFailed', { key, message: 'The condition did not hold.' })
        }
        await time.world.sleep(10)
        return overwrite(store, key, body)
      },
    }),
  'that answers before it has stored': (store) =>
    storeWith(store, {
      async put(key, body, condition) {
        if (key.startsWith('heads/') && Buffer.from(body).at(-1)! < 40) return 'promised'
        return store.put(key, body, condition)
      },
    }),
  'that deletes what is asked for, and its neighbour': (store) =>
    storeWith(store, {
      async delete(keys) {
        const { objects } = await store.list(`${(keys[0] ?? '').split('/~/')[0]}/~/`)
        await store.delete([...keys, ...objects.slice(0, 1).map(({ key }) => key)])
      },
    }),
}

describe('the simulation', () => {
  it.each(Object.entries(BROKEN_STORES))('finds a store %s', async (_, breakStore) => {
    for (let seed = 1; seed <= 100; seed++) {
      if ((await runSchedule(seed, { breakStore })).violations.length > 0) return
    }
    expect.fail('100 schedules noticed nothing')
  })
})
