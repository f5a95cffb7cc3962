// A change costs what changed: deployments on a store in memory that counts. Bytes and requests are exact; CPU is beside that of writing it all.
import { openStore } from 'keelstate'
import { snapshotDocument } from 'keelstate/deployments'
import { MemoryBucket, memoryStore } from 'keelstate/memory'
import { cpuMs, cpuPerCall } from './measure.mjs'
import { entry, snapshot } from './snapshots.mjs'
import { countingStore, KEYS } from './subject.mjs'

export async function deltas({ entries, created, changes, calls, batches, slack }) {
  return [
    ...(await oneOfMany(entries, calls, batches, slack)),
    ...(await flat(calls, batches, slack)),
    ...(await oneByOne(created)),
    ...(await longChain(changes, slack)),
  ]
}

async function stackOf(entries, bucket = new MemoryBucket()) {
  const counted = countingStore(bucket)
  const store = await openStore({ store: counted, keys: KEYS, memory: false })
  const document = snapshotDocument(store, 'shop/prod')
  const whole = snapshot(entries)
  await document.commit(whole, { parent: 'none' })
  return { bucket, document, counted, whole, uploaded: () => sum(counted.requests.splice(0)) }
}

/** Another value for the entry at an address that is there. */
const changed = (n) => ({ put: [{ ...entry(n), address: entry(7).address }] })

const sum = (requests) => requests.reduce((bytes, request) => bytes + request.bytes, 0)

async function oneOfMany(entries, calls, batches, slack) {
  const { document, whole, uploaded } = await stackOf(entries)
  uploaded()
  const commits = 16
  let n = 0
  const one = () => document.commit(changed(++n), { parent: 'any' })
  await one()
  uploaded()
  for (let at = 0; at < commits; at++) await one()
  const bytes = uploaded() / commits
  const change = await cpuPerCall(calls / 4, batches, one)
  const times = []
  let full
  for (let round = 0; round < 4; round++) {
    const counted = countingStore()
    const other = snapshotDocument(await openStore({ store: counted, keys: KEYS, memory: false }), 'shop/prod')
    times.push(await cpuMs(() => other.commit(whole, { parent: 'none' })))
    full = sum(counted.requests)
  }
  const share = 9_250 / entries // percent: of 10 MB, the figure is 1
  const what = `1 of ${entries.toLocaleString('en')} entries`
  return [
    { name: `change ${what}: bytes ÷ those of all`, unit: '%', measured: (100 * bytes) / full, limit: share },
    {
      name: `change ${what}: CPU ÷ that of all`,
      unit: '%',
      measured: (100 * change) / Math.min(...times),
      limit: share * slack,
      missed: 2,
    },
    { name: `15 changes ${what}: uploaded`, unit: 'kB', measured: (15 * bytes) / 1000, limit: 60 },
  ]
}

async function flat(calls, batches, slack) {
  const cost = {}
  for (const entries of [100, 100_000]) {
    const { document, uploaded } = await stackOf(entries)
    uploaded()
    let n = 0
    const one = () => document.commit(changed(++n), { parent: 'any' })
    for (let at = 0; at < 16; at++) await one()
    cost[entries] = { bytes: uploaded() / 16, cpu: await cpuPerCall(calls / 4, batches, one) }
  }
  const [few, many] = [cost[100], cost[100_000]]
  return [
    {
      name: 'change 1 of 100,000 ÷ 1 of 100 entries: bytes',
      unit: 'ratio',
      measured: many.bytes / few.bytes,
      limit: 1.2,
    },
    {
      name: 'change 1 of 100,000 ÷ 1 of 100 entries: CPU',
      unit: 'ratio',
      measured: many.cpu / few.cpu,
      limit: 1.5 * slack,
    },
  ]
}

async function oneByOne(created) {
  const { document, counted, uploaded } = await stackOf(0)
  uploaded()
  const bytes = []
  let requests = 0
  for (let n = 0; n < created; n++) {
    await document.commit({ put: [entry(n)] }, { parent: 'any' })
    requests += counted.requests.length
    bytes.push(uploaded())
  }
  const part = created / 5
  const mean = (some) => some.reduce((a, b) => a + b, 0) / some.length
  const count = created.toLocaleString('en')
  return [
    {
      name: `${count} resources one by one: requests each`,
      unit: 'requests',
      measured: requests / created,
      limit: 1.15,
    },
    {
      name: `${count} resources: bytes of the last fifth ÷ the second`,
      unit: 'ratio',
      measured: mean(bytes.slice(-part)) / mean(bytes.slice(part, 2 * part)),
      limit: 1.5,
    },
    {
      name: `${count} resources: uploaded, noncurrent when versioned`,
      unit: 'MB',
      measured: sum(bytes.map((one) => ({ bytes: one }))) / 1e6,
      limit: created * 0.008,
    },
  ]
}

/** Current after many changes, read by a process that knows nothing, beside the same content stored whole. The lock's holder may store it whole in between. */
async function longChain(changes, slack) {
  const { bucket, document } = await stackOf(2_000)
  for (let n = 0; n < changes; n += 50) {
    await document.withLock({ operation: 'apply' }, async (held) => {
      for (let at = 0; at < 50; at++) await held.commit({ put: [entry((n + at) % 2_000)] })
    })
  }
  for (let n = 0; n < 250; n++) await document.commit({ put: [entry(n)] }, { parent: 'any' }) // as long as a chain gets
  const read = async () => {
    const store = await openStore({ store: memoryStore({ bucket }), keys: KEYS, memory: false })
    return await snapshotDocument(store, 'shop/prod').read()
  }
  const cpu = async () => {
    const times = []
    for (let round = 0; round < 7; round++) times.push(await cpuMs(async () => (await read()).value.entries.length))
    return Math.min(...times)
  }
  const chained = await cpu()
  await document.compact()
  const whole = await cpu()
  return [
    {
      name: `current after ${changes.toLocaleString('en')} changes ÷ stored whole: read`,
      unit: 'ratio',
      measured: chained / whole,
      limit: 2 * slack,
    },
  ]
}
