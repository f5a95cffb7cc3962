import { createHash, randomBytes } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultCacheFolder, FolderObjectCache } from '../../src/core/object-cache.ts'
import { bytes, type ObjectStore, type OpenStoreOptions, openStore, type Store } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type CountingStore, countingStore } from '../../src/testing/index.ts'
import { STORE_ID } from './workbench.ts'

process.env.OBJECT_CACHE_KEY = randomBytes(32).toString('base64')

let folder: string
const opened: Store[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelstate-cache-'))
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close() // what it keeps is written by then
  await rm(folder, { recursive: true, force: true })
})

const LARGE = Buffer.from('a body that no disk of a reader may hold in the clear. '.repeat(400))
const objects = () => join(folder, 'objects')
const kept = () => readdirSync(objects()).map((name) => join(objects(), name))
const digest = (body: Uint8Array) => createHash('sha256').update(body).digest('base64')

/** A process of its own on this machine. */
async function machine(bucket: MemoryBucket, options: Partial<OpenStoreOptions> = {}) {
  const counted = countingStore(memoryStore({ bucket }))
  const store = await openStore({
    store: counted,
    keys: 'env:OBJECT_CACHE_KEY',
    storeId: STORE_ID,
    memory: false,
    cache: folder,
    ...options,
  })
  opened.push(store)
  return { counted, store, doc: store.document('doc', bytes()) }
}

const requests = async (counted: CountingStore, work: () => Promise<unknown>) =>
  (await counted.count(work)).requests.map(({ call, key, outcome }) => `${call} ${key.split('/')[0]} ${outcome}`)

/** A large document, written by a machine without a cache. */
async function written(keys?: string) {
  const bucket = new MemoryBucket()
  const writer = await machine(bucket, { cache: false, ...(keys && { keys }) })
  await writer.doc.commit(LARGE, { parent: 'none' })
  return { bucket, writer }
}

describe('a large document that did not change', () => {
  it('costs a new process one request once this machine has read it, and the same process one without a body', async () => {
    const { bucket } = await written()
    const first = await machine(bucket)
    expect(await requests(first.counted, () => first.doc.read())).toEqual(['get heads found', 'get objects found'])
    await first.store.close()
    const next = await machine(bucket)
    const read = async () => expect((await next.doc.read())?.value).toEqual(Uint8Array.from(LARGE))
    expect(await requests(next.counted, read)).toEqual(['get heads found'])
    expect(await requests(next.counted, read)).toEqual(['get heads unchanged'])
  })

  it('costs one request after a commit by this machine, too', async () => {
    const bucket = new MemoryBucket()
    const writer = await machine(bucket)
    await writer.doc.commit(LARGE, { parent: 'none' })
    await writer.store.close()
    const next = await machine(bucket)
    expect(await requests(next.counted, () => next.doc.read())).toEqual(['get heads found'])
  })

  it('is fetched when it has changed', async () => {
    const { bucket, writer } = await written()
    const reader = await machine(bucket)
    await reader.doc.read()
    await writer.doc.commit(Buffer.concat([LARGE, LARGE]), { parent: 'any' })
    const next = await machine(bucket)
    expect(await requests(next.counted, () => next.doc.read())).toEqual(['get heads found', 'get objects found'])
  })
})

describe('what a machine keeps', () => {
  it('is what the bucket holds, sealed, in files and a folder that only their owner may use', async () => {
    const { bucket } = await written()
    mkdirSync(objects(), { mode: 0o755 })
    const reader = await machine(bucket)
    await reader.doc.read()
    await reader.store.close()
    const [path, ...more] = kept()
    expect(more).toEqual([])
    const key = bucket.keys().find((one) => one.startsWith('objects/'))!
    expect(readFileSync(path!)).toEqual(Buffer.from(bucket.peek(key)!.bytes))
    expect(readFileSync(path!).includes('in the clear')).toBe(false)
    expect([statSync(path!).mode & 0o777, statSync(objects()).mode & 0o777]).toEqual([0o600, 0o700])
  })

  it('is nothing of a document that is stored in the clear', async () => {
    const { bucket, writer } = await written('plaintext')
    const reader = await machine(bucket, { keys: 'plaintext' })
    expect((await reader.doc.read())?.value).toEqual(Uint8Array.from(LARGE))
    await reader.doc.commit(randomBytes(20_000), { parent: 'any' })
    await reader.store.close()
    await writer.store.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['damaged', (path: string) => writeFileSync(path, flipped(readFileSync(path)))],
    ['cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(1))],
    ['empty', (path: string) => writeFileSync(path, '')],
    ['a link to somewhere else', (path: string) => linkAway(path)],
  ])('is not trusted when it is %s: it is removed and fetched again', async (_, spoil) => {
    const { bucket } = await written()
    const reader = await machine(bucket)
    await reader.doc.read()
    await reader.store.close()
    const [path] = kept()
    const good = readFileSync(path!)
    spoil(path!)
    const next = await machine(bucket)
    expect(
      await requests(next.counted, async () => expect((await next.doc.read())?.value).toEqual(Uint8Array.from(LARGE))),
    ).toEqual(['get heads found', 'get objects found'])
    await next.store.close()
    expect(lstatSync(path!).isFile()).toBe(true)
    expect(readFileSync(path!)).toEqual(good)
  })

  it('is not what verify goes by: it reads the bucket', async () => {
    const { bucket } = await written()
    const reader = await machine(bucket)
    await reader.doc.read()
    await reader.store.close()
    const key = bucket.keys().find((one) => one.startsWith('objects/'))!
    bucket.overwrite(key, flipped(Buffer.from(bucket.peek(key)!.bytes)))
    const next = await machine(bucket)
    expect((await next.doc.read())?.value).toEqual(Uint8Array.from(LARGE))
    expect(await next.doc.verify()).toMatchObject({ ok: false, problems: [{ code: 'Corrupt' }] })
  })
})

describe('a cache', () => {
  const body = (n: number) => Buffer.alloc(10_000, `body ${n} `)
  const put = (cache: FolderObjectCache, n: number) => cache.put(digest(body(n)), body(n))
  const has = async (cache: FolderObjectCache, n: number) => (await cache.get(digest(body(n)), 10_000)) !== undefined

  it('is bounded by bytes: what was used longest ago goes first', async () => {
    const cache = new FolderObjectCache(folder, 100_000)
    const age = (minutes: number, paths: readonly string[]) => {
      const then = Date.now() / 1_000 - minutes * 60
      for (const path of paths) utimesSync(path, then, then)
    }
    for (let n = 0; n < 9; n++) put(cache, n)
    await cache.flush()
    expect(kept()).toHaveLength(9)
    age(60, kept())
    expect(await has(cache, 0)).toBe(true) // used: it stays
    for (let n = 9; n < 12; n++) put(cache, n)
    await cache.flush()
    expect(kept().reduce((sum, path) => sum + statSync(path).size, 0)).toBeLessThanOrEqual(100_000)
    expect(kept().length).toBeGreaterThanOrEqual(8)
    for (const n of [0, 9, 10, 11]) expect([n, await has(cache, n)]).toEqual([n, true])
  })

  it('keeps nothing that is larger than itself, and counts a small file as what it takes of a disk', async () => {
    const cache = new FolderObjectCache(folder, 8_192)
    cache.put(digest(body(1)), body(1))
    for (let n = 0; n < 20; n++) cache.put(digest(Buffer.from([n])), Buffer.from([n]))
    await cache.flush()
    expect(kept().length).toBeLessThanOrEqual(2)
  })

  it('clears away what a process left that was killed while it wrote, and not what one is writing', async () => {
    mkdirSync(objects())
    const [old, fresh] = ['.00112233aabb.tmp', '.ffeeddccbbaa.tmp'].map((name) => join(objects(), name))
    for (const path of [old!, fresh!]) writeFileSync(path, 'half')
    utimesSync(old!, 1, 1)
    const cache = new FolderObjectCache(folder)
    put(cache, 1)
    await cache.flush()
    expect(kept().filter((path) => path.endsWith('.tmp'))).toEqual([fresh])
  })

  it('is shared by processes that read, write and evict at once, and never gives anything but what was asked for', async () => {
    const caches = Array.from({ length: 4 }, () => new FolderObjectCache(folder, 60_000))
    let hits = 0
    const work = async (cache: FolderObjectCache, seed: number) => {
      for (let turn = 0; turn < 60; turn++) {
        const n = (turn * 7 + seed) % 10
        const found = await cache.get(digest(body(n)), 10_000)
        if (found === undefined) put(cache, n)
        else {
          hits++
          expect(Buffer.compare(found, body(n))).toBe(0)
        }
        if (turn % 5 === 0) await cache.flush()
      }
      await cache.flush()
    }
    await Promise.all(caches.map(work))
    expect(hits).toBeGreaterThan(0)
    expect(kept().filter((path) => path.endsWith('.tmp'))).toEqual([])
  })

  it('that cannot be used stops no work', async () => {
    const { bucket } = await written()
    writeFileSync(join(folder, 'file'), 'no folder')
    const reader = await machine(bucket, { cache: join(folder, 'file') })
    expect((await reader.doc.read())?.value).toEqual(Uint8Array.from(LARGE))
    await reader.doc.commit(randomBytes(10_000), { parent: 'any' })
    await reader.store.close()
  })
})

describe('the option cache', () => {
  it('is the cache folder of the user for a store that outlives the process, and nothing for one that does not', async () => {
    const { bucket } = await written()
    const XDG_CACHE_HOME = process.env.XDG_CACHE_HOME!
    process.env.XDG_CACHE_HOME = folder
    try {
      const options = { keys: 'env:OBJECT_CACHE_KEY', storeId: STORE_ID, memory: false } as const
      const read = async (store: ObjectStore) => {
        const opened = await openStore({ ...options, store })
        await opened.document('doc', bytes()).read()
        await opened.close()
      }
      await read(memoryStore({ bucket }))
      expect(readdirSync(folder)).toEqual([])
      const lasting = (address: string): ObjectStore =>
        new Proxy(memoryStore({ bucket }), {
          get: (target, name: keyof ObjectStore) => {
            if (name === 'capabilities') return { ...target.capabilities, durable: true }
            if (name === 'address') return address
            const member = target[name]
            return typeof member === 'function' ? member.bind(target) : member
          },
        })
      await read(lasting('file:/srv/state'))
      expect(readdirSync(folder)).toEqual([])
      await read(lasting('s3://acme-state'))
      expect(readdirSync(join(folder, 'keelstate', 'objects'))).toHaveLength(1)
    } finally {
      process.env.XDG_CACHE_HOME = XDG_CACHE_HOME
    }
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/keelstate')
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '' })).toMatch(/\/\.cache\/keelstate$/)
  })

  it.each([[true], [''], [{ folder: '' }], [{ maxBytes: 0 }], [{ maxBytes: '1 GB' }], [{ dir: '/x' }], [5]])(
    'that is %j is refused by name',
    async (cache) => {
      const opening = openStore({ store: 'memory:', keys: 'plaintext', cache: cache as never })
      await expect(opening).rejects.toMatchObject({ code: 'InvalidOptions', details: { option: 'cache' } })
    },
  )
})

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1]! ^= 1
  return copy
}

function linkAway(path: string): void {
  const elsewhere = join(folder, 'elsewhere')
  writeFileSync(elsewhere, readFileSync(path))
  rmSync(path)
  symlinkSync(elsewhere, path)
}
