import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { json, KeelstateError, type ObjectStore, openStore, type VersionedDocument } from '../../src/index.ts'
import { type LockStore, objectLockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'

/**
 * The tables of docs/threat-model.md "What each reader gets", row by row: what somebody does who writes the bucket and has no key, and what
 * becomes of those who then read or lock.
 */

const PAGE = readFileSync(new URL('../../docs/threat-model.md', import.meta.url), 'utf8')
const KEY = Buffer.alloc(32, 9)
const HEAD = 'heads/state/shop/prod/~'
const OTHER_HEAD = 'heads/state/shop/test/~'
const LOCK = 'locks/state/shop/prod/~'
const OBJECTS = 'objects/state/shop/prod/~/'
const LEASE_MS = 30_000
const operation = 'deploy'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keelstate-writer-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Stored = Map<string, Uint8Array>

/** Two documents with some history under locks, and the bucket as it was half-way. */
interface World {
  bucket: MemoryBucket
  table: MemoryLockTable
  /** The bucket as it was two commits ago. */
  past: Stored
  /** What readers of this world remember lies here. */
  memory: string
}

let worlds = 0

async function makeWorld(): Promise<World> {
  const world: World = {
    bucket: new MemoryBucket(),
    table: new MemoryLockTable(),
    past: new Map(),
    memory: join(folder, String(worlds++)),
  }
  const doc = await start(world, { memory: world.memory, init: true })
  const other = await start(world, { memory: false, name: 'shop/test' })
  await other.commit(value(1), { parent: 'none' })
  for (let n = 1; n <= 18; n++) await doc.withLock({ operation }, (held) => held.commit(value(n)))
  await inTable(world)
  world.past = new Map(world.bucket.keys().map((key) => [key, Uint8Array.from(world.bucket.peek(key)!.bytes)]))
  for (let n = 19; n <= 20; n++) await doc.withLock({ operation }, (held) => held.commit(value(n)))
  await inTable(world)
  for (const close of closing.splice(0)) await close() // what was seen is on the disk
  return world
}

/** The lock of the table is taken once, too, so that its record knows the head. */
async function inTable(world: World): Promise<void> {
  const doc = await start(world, { memory: world.memory, lock: memoryLockStore(world.table) })
  await doc.withLock({ operation }, async () => {})
}

type Doc = VersionedDocument<{ n: number; filler: string }>
const value = (n: number) => ({ n, filler: String(n % 10).repeat(9_000) })

interface Process {
  memory: string | false
  lock?: LockStore
  init?: boolean
  name?: string
}

async function start(world: World, { memory, lock, init = false, name = 'shop/prod' }: Process): Promise<Doc> {
  const inner = memoryStore({ bucket: world.bucket })
  const lasting: ObjectStore = Object.create(inner, {
    capabilities: { value: { ...inner.capabilities, durable: true } },
    address: { value: 'memory:' },
  })
  for (const method of ['get', 'put', 'delete', 'list', 'close'] as const)
    Object.defineProperty(lasting, method, { value: inner[method].bind(inner) })
  const store = await openStore({
    store: lasting,
    keys: [new StaticKeyProvider({ address: 'env:KEY', key: async () => KEY })],
    lock: lock ?? objectLockStore(lasting),
    memory,
    cache: false, // a machine that has an object still opens it when it is gone
    by: 'me',
  })
  if (init) await store.init()
  const doc = store.document<{ n: number; filler: string }>(name, json())
  closing.push(() => store.close())
  return doc
}

const closing: (() => Promise<void>)[] = []

/** What a reader says who reads what is current and all that led to it. */
async function reads(doc: Doc): Promise<string> {
  return await saying(async () => {
    const current = await doc.read()
    for await (const revision of doc.history()) if (revision.number < 3) await doc.revision(revision.id)
    return current?.value.n
  })
}

async function saying(work: () => Promise<number | undefined>): Promise<string> {
  try {
    const n = await work()
    return n === undefined ? 'absent' : n === 20 ? 'the state' : n > 20 ? 'a later state' : 'an old state'
  } catch (error) {
    if (KeelstateError.is(error)) return `\`${error.code}\``
    throw error
  } finally {
    for (const close of closing.splice(0)) await close()
  }
}

const locks = (doc: Doc) => saying(() => doc.withLock({ operation }, (held) => held.current?.value.n as never))

/** By the words of the page. */
const READERS: Record<string, (world: World) => Promise<string>> = {
  'who saw a later head': async (world) => await reads(await start(world, { memory: world.memory })),
  'who never saw one': async (world) => await reads(await start(world, { memory: false })),
  'next holder, locks in a table': async (world) =>
    await locks(await start(world, { memory: false, lock: memoryLockStore(world.table) })),
  'next holder, locks in the bucket': async (world) => await locks(await start(world, { memory: false })),
}

const bytesOf = ({ bucket }: World, key: string) => Uint8Array.from(bucket.peek(key)!.bytes)
const objects = ({ bucket }: World) => bucket.keys().filter((key) => key.startsWith(OBJECTS))
const put = ({ bucket }: World, key: string, bytes: Uint8Array) => void bucket.overwrite(key, bytes)

function toPast(world: World, chosen: (key: string) => boolean): void {
  for (const key of world.bucket.keys()) if (chosen(key) && !world.past.has(key)) world.bucket.remove(key)
  for (const [key, bytes] of world.past) if (chosen(key)) put(world, key, bytes)
}

function record(world: World, change: object): void {
  const text = Buffer.from(bytesOf(world, LOCK)).toString()
  put(world, LOCK, Buffer.from(`${JSON.stringify({ ...JSON.parse(text), ...change })}\n`))
}

/** By the words of the page. */
const DEEDS: Record<string, (world: World) => void | Promise<void>> = {
  'nothing is done': () => {},
  'the head is deleted': ({ bucket }) => bucket.remove(HEAD),
  'an old head is put back': (world) => toPast(world, (key) => key === HEAD),
  'an old head is put back, and continued by somebody who has a key': async (world) => {
    toPast(world, (key) => key === HEAD)
    const forger = await start(world, { memory: false, lock: memoryLockStore(new MemoryLockTable()) })
    for (const n of [15, 16, 17, 18]) await forger.commit(value(n), { parent: 'any' })
  },
  'the whole bucket is put back to an old state': (world) => toPast(world, () => true),
  'the head is cut': (world) => put(world, HEAD, bytesOf(world, HEAD).subarray(0, -20)),
  'the head is emptied': (world) => put(world, HEAD, new Uint8Array()),
  'a byte of the head is changed': (world) => {
    const bytes = bytesOf(world, HEAD)
    bytes[bytes.length - 3]! ^= 1
    put(world, HEAD, bytes)
  },
  'the sequence number in the clear header is raised': (world) => {
    const bytes = bytesOf(world, HEAD)
    const at = Buffer.from(bytes).indexOf('shop/prod') + 'shop/prod'.length + 16 + 7
    bytes[at]! += 1
    put(world, HEAD, bytes)
  },
  'the head of another document is put there': (world) => put(world, HEAD, bytesOf(world, OTHER_HEAD)),
  'the objects are deleted': (world) => objects(world).forEach((key) => void world.bucket.remove(key)),
  'the objects are swapped with each other': (world) => {
    const keys = objects(world)
    const all = keys.map((key) => bytesOf(world, key))
    keys.forEach((key, n) => void put(world, key, all[(n + 1) % all.length]!))
  },
  'the objects are cut': (world) =>
    objects(world).forEach((key) => void put(world, key, bytesOf(world, key).subarray(0, -1))),
  'the marker is deleted': ({ bucket }) => bucket.remove('store'),
  'the marker is given another id': (world) => {
    const marker = JSON.parse(Buffer.from(bytesOf(world, 'store')).toString())
    put(world, 'store', Buffer.from(`${JSON.stringify({ ...marker, storeId: 'ab'.repeat(16) })}\n`))
  },
  'the lock is deleted': ({ bucket }) => bucket.remove(LOCK),
  'an old lock record is put back': (world) => toPast(world, (key) => key === LOCK),
  'the lock is held in the name of somebody': (world) => record(world, { held: true }),
  'the lock record is damaged': (world) => put(world, LOCK, Buffer.from('{}')),
}

/** The rows of the table under a heading: cells by the words of its first row. */
function tableUnder(heading: string): { deed: string; cells: Record<string, string> }[] {
  const section = PAGE.split(`### ${heading}\n`)[1]!.split(/^#/m)[0]!
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  const [head, , ...body] = rows
  return body.map(([deed, ...cells]) => ({
    deed: deed!,
    cells: Object.fromEntries(cells.map((cell, n) => [head![n + 1]!, cell])),
  }))
}

describe('somebody who writes the bucket and has no key', () => {
  const rows = tableUnder('What each reader gets')

  it('is described deed by deed, reader by reader', () => {
    expect(rows.map(({ deed }) => deed)).toEqual(Object.keys(DEEDS))
    for (const { cells } of rows) expect(Object.keys(cells)).toEqual(Object.keys(READERS))
  })

  it.each(rows.map(({ deed, cells }) => [deed, cells] as const))('does what the page says: %s', async (deed, cells) => {
    const got: Record<string, string> = {}
    for (const [reader, read] of Object.entries(READERS)) {
      const world = await makeWorld()
      await DEEDS[deed]!(world)
      got[reader] = await read(world)
    }
    expect(got).toEqual(cells)
  })
})

describe('a holder whose lock in the bucket somebody changes', () => {
  it.each([
    ['frees it', { held: false, clean: false }, 'LeaseLost'],
    ['frees it and says that all is in order', { held: false, clean: true }, 'LeaseLost'],
  ])('who %s: never overwrites what the next one wrote', async (_, change, code) => {
    const world = await makeWorld()
    const held = await (await start(world, { memory: false })).lock({ operation, leaseMs: LEASE_MS, heartbeat: false })
    record(world, change)
    await (await start(world, { memory: false })).withLock({ operation }, (next) => next.commit(value(21)))
    await expect(held.commit(value(22))).rejects.toMatchObject({ code })
    expect((await (await start(world, { memory: false })).read())?.value.n).toBe(21)
    for (const close of closing.splice(0)) await close()
  })
})
