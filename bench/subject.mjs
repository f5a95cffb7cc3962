// What is measured: a store in memory that answers at once and counts, sealed for real with two static keys.
import { randomBytes } from 'node:crypto'
import { json, openStore } from 'keelstate'
import { memoryStore } from 'keelstate/memory'

process.env.KEELSTATE_BENCH_A = randomBytes(32).toString('base64')
process.env.KEELSTATE_BENCH_B = randomBytes(32).toString('base64')
export const KEYS = ['env:KEELSTATE_BENCH_A', 'env:KEELSTATE_BENCH_B']

/** A memory store that keeps a list of its requests: `{ call, key, bytes }`. */
export function countingStore(bucket) {
  const inner = memoryStore({ bucket })
  const requests = []
  const note = (call, key, bytes = 0) => requests.push({ call, key, bytes })
  return {
    requests,
    address: inner.address,
    capabilities: inner.capabilities,
    get(key, options) {
      note('get', key)
      return inner.get(key, options)
    },
    put(key, body, condition, options) {
      note('put', key, body.length)
      return inner.put(key, body, condition, options)
    },
    delete(keys, options) {
      note('delete', keys[0])
      return inner.delete(keys, options)
    },
    list(prefix, options) {
      note('list', prefix)
      return inner.list(prefix, options)
    },
    close: () => inner.close(),
  }
}

export async function openDocument(store, codec = json()) {
  const opened = await openStore({ store, keys: KEYS, by: 'ci@runner-17' })
  return opened.document('shop/settings', codec)
}

/** A service's settings as a pipeline writes them, about 350 bytes of JSON: a new image, a new time, a few other replicas. */
export function change(n) {
  return {
    service: 'shop',
    stage: 'prod',
    region: 'eu-west-1',
    replicas: 2 + (n % 9),
    image: `registry.example.com/shop/web@sha256:${randomBytes(32).toString('hex')}`,
    env: {
      LOG_LEVEL: 'info',
      PAYMENTS_URL: 'https://payments.internal.example.com',
      FEATURES: 'checkout-v2,search,wallet-beta',
    },
    updatedAt: new Date(1_790_000_000_000 + n * 60_000).toISOString(),
  }
}

/** 350 bytes that no compression makes smaller. */
export function noise() {
  return randomBytes(350)
}
