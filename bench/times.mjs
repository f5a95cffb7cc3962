// CPU of the library alone: the store in memory answers at once, and what it costs is taken off.
import { randomBytes } from 'node:crypto'
import { MemoryBucket, memoryStore } from 'keelstate/memory'
import { cpuMs, cpuPerCall, median } from './measure.mjs'
import { change, openDocument } from './subject.mjs'

export async function times({ calls, batches, slack }) {
  const commit = (await commitCpu(calls, batches)) - (await putCpu(calls, batches))
  const unchanged = await unchangedCpu(calls, batches)
  const changed = await changedCpu(calls / 4, batches)
  return [
    { name: 'commit, CPU without the store', unit: 'ms', measured: commit, limit: 0.4 * slack },
    { name: 'read of a changed head ÷ commit', unit: 'ratio', measured: changed / commit, limit: 1.5 * slack },
    { name: 'read of an unchanged head ÷ commit', unit: 'ratio', measured: unchanged / commit, limit: 0.25 * slack },
  ]
}

async function commitCpu(calls, batches) {
  const document = await openDocument(memoryStore())
  let parent = 'none'
  return await cpuPerCall(calls, batches, async (n) => {
    parent = await document.commit(change(n), { parent, message: `deploy ${n}` })
  })
}

/** What the loop costs without the library: the same values, and puts of bodies as large as heads. */
async function putCpu(calls, batches) {
  const store = memoryStore()
  const body = randomBytes(4_000)
  let token = await store.put('heads/state/x/~', body, { ifAbsent: true })
  return await cpuPerCall(calls, batches, async (n) => {
    change(n)
    token = await store.put('heads/state/x/~', body, { ifMatch: token })
  })
}

async function unchangedCpu(calls, batches) {
  const document = await openDocument(memoryStore())
  await document.commit(change(0), { parent: 'none' })
  return await cpuPerCall(calls, batches, () => document.read())
}

/** Another process's commits, read by this one: each read opens a head that it has not seen. */
async function changedCpu(calls, batches) {
  const bucket = new MemoryBucket()
  const writer = await openDocument(memoryStore({ bucket }))
  const reader = await openDocument(memoryStore({ bucket }))
  const times = []
  for (let batch = 0; batch <= batches; batch++) {
    let sum = 0
    for (let n = 0; n < calls; n++) {
      await writer.commit(change(n), { parent: 'any', message: `deploy ${n}` })
      sum += await cpuMs(() => reader.read())
    }
    if (batch > 0) times.push(sum / calls)
  }
  return median(times)
}
