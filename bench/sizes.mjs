// Bytes and requests of a long history: exact, the same on every machine but for a few bytes of chance.
import { bytes } from 'keelstate'
import { change, countingStore, noise, openDocument } from './subject.mjs'

export async function sizes({ commits }) {
  const store = countingStore()
  const document = await openDocument(store)
  let parent = 'none'
  for (let n = 0; n < commits; n++) parent = await document.commit(change(n), { parent, message: `deploy ${n}` })
  const puts = store.requests.filter(({ call, key }) => call === 'put' && key !== 'store')
  const heads = puts.filter(({ key }) => key.startsWith('heads/')).map((put) => put.bytes)
  const spills = commits - puts.filter(({ key }, at) => key.startsWith('heads/') && isHead(puts[at - 1])).length - 1
  const uploaded = puts.reduce((sum, put) => sum + put.bytes, 0)
  const others = store.requests.length - puts.length

  const count = commits.toLocaleString('en')
  return [
    { name: 'first head, two recipients', unit: 'bytes', measured: await firstHead(), limit: 1_400 },
    { name: `head after ${count} commits`, unit: 'bytes', measured: heads.at(-1), limit: 8_000 },
    { name: `largest head in ${count} commits`, unit: 'bytes', measured: Math.max(...heads), limit: 8_000 },
    {
      name: 'largest head, 350 bytes of chance each',
      unit: 'bytes',
      measured: await largestOfNoise(commits),
      limit: 16_384,
    },
    { name: 'uploaded per commit of 350 bytes', unit: 'bytes', measured: uploaded / commits, limit: 5_000 },
    { name: 'commits per spill of the tail', unit: 'commits', measured: commits / spills, atLeast: 15.5 },
    { name: 'requests per commit beside uploads', unit: 'requests', measured: others / commits, limit: 0.01 },
  ]
}

function isHead(put) {
  return put?.key.startsWith('heads/')
}

async function firstHead() {
  const store = countingStore()
  const document = await openDocument(store)
  const { service, stage, region, replicas, image } = change(0)
  await document.commit({ service, stage, region, replicas, image }, { parent: 'none', message: 'first' })
  return Math.max(...store.requests.map((request) => request.bytes))
}

async function largestOfNoise(commits) {
  const store = countingStore()
  const document = await openDocument(store, bytes())
  for (let n = 0; n < commits / 10; n++) await document.commit(noise(), { parent: 'any' })
  return Math.max(...store.requests.map((request) => request.bytes))
}
