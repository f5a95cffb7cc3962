// The way of a large snapshot into the store and back, beside the bare primitives on the same bytes in the same run; and beside the plain SDK on S3.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { json, openStore } from 'keelstate'
import { encodeSnapshot, snapshotDocument } from 'keelstate/deployments'
import { MemoryBucket, memoryStore } from 'keelstate/memory'
import { cpuOfEach, cpuPerCall, wallMs } from './measure.mjs'
import { startService } from './service.mjs'
import { snapshot } from './snapshots.mjs'
import { change, countingStore, KEYS } from './subject.mjs'

const NOWHERE = { memory: false, cache: false }

export async function paths(plan) {
  const value = snapshot(plan.entries)
  const body = Buffer.from(encodeSnapshot(value))
  const size = `${(body.length / 1e6).toFixed(1)} MB`
  return [...(await inMemory(value, body, size, plan)), ...(await onS3(value, body, size, plan))]
}

async function inMemory(value, body, size, { rounds, slack }) {
  const bucket = new MemoryBucket()
  const counted = countingStore(bucket)
  const open = async (store) => openStore({ store, keys: KEYS, ...NOWHERE })
  const writer = await open(counted)
  const sealed = {}
  let n = 0
  const cpu = await cpuOfEach(rounds, {
    writeFloor: () => Object.assign(sealed, writeFloor(value, body)),
    write: () => snapshotDocument(writer, `large/${++n}`).commit(value, { parent: 'none' }), // a document of its own: nothing to compare with
    readFloor: () => readFloor(sealed),
    read: async () => snapshotDocument(await open(memoryStore({ bucket })), `large/${n}`).read(), // as in a new process
  })
  const stored = Math.max(...counted.requests.map(({ bytes }) => bytes))
  return [
    {
      name: `write a snapshot of ${size} ÷ primitives`,
      unit: 'ratio',
      measured: cpu.write / cpu.writeFloor,
      limit: 1.5 * slack,
    },
    {
      name: `read a snapshot of ${size} ÷ primitives`,
      unit: 'ratio',
      measured: cpu.read / cpu.readFloor,
      limit: 1.5 * slack,
      missed: 2.2,
    },
    { name: 'stored size ÷ plain size', unit: '%', measured: (100 * stored) / body.length, limit: 15 },
  ]
}

const key = randomBytes(32)

function writeFloor(value, body) {
  Buffer.from(JSON.stringify(value)) // what follows works on bytes
  createHash('sha256').update(body).digest()
  const packed = brotliCompressSync(body, {
    chunkSize: 1 << 20,
    params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  })
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(packed), cipher.final()])
  return { nonce, sealed, tag: cipher.getAuthTag() }
}

function readFloor({ nonce, sealed, tag }) {
  createHash('sha256').update(sealed).digest()
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAuthTag(tag)
  const packed = Buffer.concat([decipher.update(sealed), decipher.final()])
  return JSON.parse(brotliDecompressSync(packed, { chunkSize: 1 << 20 }).toString())
}

async function onS3(value, body, size, { rounds, calls, batches, slack }) {
  const service = await startService()
  const { GetObjectCommand, PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({ endpoint: service.direct, forcePathStyle: true, expectContinueHeader: false })
  const open = () => openStore({ store: service.directStore('paths'), keys: KEYS, ...NOWHERE })
  const store = await open()
  try {
    await store.init()
    const raw = { Bucket: 'bench', Key: 'raw' }
    let n = 0
    const best = await bestWalls(rounds, {
      rawPut: async () => {
        JSON.stringify(value)
        await client.send(new PutObjectCommand({ ...raw, Body: body }))
      },
      push: () => snapshotDocument(store, `pushed/${++n}`).commit(value, { parent: 'none' }),
      rawGet: async () => {
        const { Body } = await client.send(new GetObjectCommand(raw))
        JSON.parse(Buffer.from(await Body.transformToByteArray()).toString())
      },
      pull: async () => {
        const fresh = await open()
        await snapshotDocument(fresh, `pushed/${n}`).read()
        await fresh.close()
      },
    })
    const settings = store.document('small', json())
    let parent = await settings.commit(change(0), { parent: 'none' })
    const head = randomBytes(4_000)
    const put = await cpuPerCall(calls / 4, batches, async (at) => {
      change(at)
      await client.send(new PutObjectCommand({ Bucket: 'bench', Key: `small/${at}`, Body: head, IfNoneMatch: '*' }))
    })
    const commit = await cpuPerCall(calls / 4, batches, async (at) => {
      parent = await settings.commit(change(at), { parent })
    })
    return [
      {
        name: `push ${size} to S3 ÷ SDK put + stringify`,
        unit: 'ratio',
        measured: best.push / best.rawPut,
        limit: 4 * slack,
      },
      {
        name: `pull ${size} from S3 ÷ SDK get + parse`,
        unit: 'ratio',
        measured: best.pull / best.rawGet,
        limit: 4 * slack,
      },
      // A difference of two large numbers: of no use where few turns are taken.
      ...(slack === 1
        ? [{ name: 'commit, CPU beside the SDK call', unit: 'ms', measured: commit - put, limit: 0.3, missed: 0.5 }]
        : []),
    ]
  } finally {
    client.destroy()
    await store.close()
    service.close()
  }
}

/** The shortest wall of each, in turns. */
async function bestWalls(rounds, works) {
  const best = {}
  for (let round = 0; round <= rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      const ms = await wallMs(work)
      if (round > 0) best[name] = Math.min(ms, best[name] ?? Number.POSITIVE_INFINITY)
    }
  }
  return best
}
