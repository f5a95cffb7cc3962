// What a person waits for: whole operations on S3 and DynamoDB through a proxy that holds every request back for 20 ms.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, json, openStore } from 'keelstate'
import { deployment } from 'keelstate/deployments'
import { wallMs } from './measure.mjs'
import { startService } from './service.mjs'
import { entry, snapshot } from './snapshots.mjs'
import { change, KEYS } from './subject.mjs'

const DELAY_MS = 20

export async function trips({ rounds, entries, slack }) {
  const service = await startService()
  const cache = mkdtempSync(join(tmpdir(), 'keelstate-bench-'))
  const opened = []
  let sdk
  try {
    let storeId
    const open = async (options = {}) => {
      const places = { store: service.store('trips'), lock: service.lock, keys: KEYS }
      const store = await openStore({ ...places, memory: false, cache: false, ...(storeId && { storeId }), ...options })
      opened.push(store)
      return store
    }
    storeId = (await (await open()).init()).storeId
    const { GetObjectCommand, PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
    sdk = new S3Client({
      endpoint: service.store('').slice(service.store('').indexOf('http')),
      forcePathStyle: true,
    })
    const raw = { Bucket: 'bench', Key: 'raw' }
    await sdk.send(new PutObjectCommand({ ...raw, Body: Buffer.alloc(4_000) }))
    const bare = async () => {
      for (let n = 0; n < 3; n++) await (await sdk.send(new GetObjectCommand(raw))).Body.transformToByteArray()
    }
    const measured = async (work) => {
      await work() // connections are made, and the head's epoch is claimed
      await service.latency(DELAY_MS)
      const walls = []
      const floors = []
      let count
      for (let round = 0; round < rounds; round++) {
        floors.push(await wallMs(bare))
        await service.take()
        walls.push(await wallMs(work))
        count = await service.take()
      }
      await service.latency(0)
      return { ...count, wall: Math.min(...walls), floor: Math.min(...floors) }
    }
    const rows = (name, { requests, inTurn, wall, floor }, limits) => [
      { name: `${name}: round trips`, unit: `of ${requests} requests`, measured: inTurn, limit: limits.inTurn },
      ...(limits.wall === undefined
        ? []
        : [
            { name: `${name}: wall at ${DELAY_MS} ms`, unit: 'ms', measured: wall, limit: limits.wall * slack },
            {
              name: `${name} ÷ three bare SDK requests`,
              unit: 'ratio',
              measured: wall / floor,
              limit: limits.bare * slack,
            },
          ]),
    ]

    const small = (await open()).document('small', json())
    await small.commit(change(0), { parent: 'none' })
    let n = 0
    const apply = await measured(() => small.withLock({ operation: 'apply' }, (held) => held.commit(change(++n))))
    const plan = await measured(() => small.withLock({ operation: 'plan' }, (held) => held.current))
    const reader = (await open()).document('small', json())
    const pull = await measured(() => reader.read())

    const prod = deployment(await open(), { factory: 'shop', stack: 'large' })
    await prod.commit(snapshot(entries))
    await prod.current()
    const one = await measured(async () => {
      const lock = await prod.lock({ operation: 'apply' })
      await prod.commit({ put: [{ ...entry(++n), address: entry(7).address }] })
      await lock.unlock()
    })

    const body = Buffer.from(JSON.stringify(Array.from({ length: entries }, (_, at) => entry(at))))
    await (await open()).document('body', bytes('json')).commit(body, { parent: 'none' })
    const again = await measured(async () => {
      const fresh = await open({ cache, cacheBytes: 0 })
      await fresh.document('body', bytes('json')).read()
      await fresh.close()
    })
    return [
      ...rows('apply, small document', apply, { inTurn: 3, wall: 95, bare: 1.5 }),
      ...rows("a plan's lock, read, release", plan, { inTurn: 2 }),
      ...rows('state pull, small', pull, { inTurn: 1 }),
      ...rows(`apply, 1 of ${entries.toLocaleString('en')} entries`, one, { inTurn: 3, wall: 110, bare: 1.5 }),
      ...rows('large and unchanged, next process', again, { inTurn: 1 }),
    ]
  } finally {
    sdk?.destroy()
    for (const store of opened) await store.close()
    rmSync(cache, { recursive: true, force: true })
    service.close()
  }
}
