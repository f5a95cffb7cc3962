import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { accessTo, deadlineFor } from '../../src/core/access.ts'
import { systemEnvironment } from '../../src/core/environment.ts'
import { decodeHeadBody, encodeHeadBody, readSegmentReference } from '../../src/core/head-body.ts'
import { ProcessMemory } from '../../src/core/memory.ts'
import { headKey as headKeyOf, parseName } from '../../src/core/names.ts'
import { InlineReader, InlineWriter } from '../../src/core/record.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import { appendSegment, type Segment, SegmentCache } from '../../src/core/segments.ts'
import { makeSealer } from '../../src/encrypt/index.ts'
import { bytes, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { readHeader } from '../encrypt/by-hand.ts'
import * as byHand from './by-hand.ts'
import { HEAD, KIND, LARGE, NAME, roleOf, SEGMENTS, writeGoldenStore } from './golden-scenario.ts'
import { VirtualTime } from './virtual-time.ts'

// Golden files are never made anew: they are what released versions wrote. docs/format.md is what `by-hand.ts` was written from.
const FOLDER = new URL('golden/', import.meta.url)
const file = (name: string): Buffer => readFileSync(new URL(name, FOLDER))
const golden = JSON.parse(file('golden.json').toString()) as Record<string, Golden>

interface Golden {
  header: Record<string, unknown>
  body: unknown
}

const HEADS = Object.keys(golden).filter((name) => name.startsWith('head-'))
const SEGMENT_FILES = ['segment.bin', 'segment-untils.bin']

/** All that the page lets a reader say about a file. */
function decoded(name: string, stored: Buffer): Golden {
  const { clear: _, storeId, keyId, birth, writeId, slots: __, keyTable, objectId, ...header } = readHeader(stored)
  const ids = { storeId, keyId, birth, writeId, keyTable, objectId }
  const inHex = Object.entries(ids).flatMap(([key, id]) => (id === undefined ? [] : [[key, id.toString('hex')]]))
  const numbers = Object.entries(header).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value])
  const slots = name.startsWith('head-') ? { slots: byHand.readSlots(stored) } : {}
  const body = byHand.clearBody(stored)
  const read =
    name === 'content.bin'
      ? body.toString()
      : name === 'condemned.bin'
        ? JSON.parse(body.toString())
        : byHand.readBody(body)
  return { header: { ...Object.fromEntries([...numbers, ...inHex]), ...slots }, body: read }
}

/** The same with everything that was drawn by chance replaced by its form. */
function shape(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(/\b[0-9a-f]{32}\b/g, 'id')
    .replaceAll(/"[0-9a-f]{16}"/g, '"slot"')
    .replaceAll(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, 'ulid')
    .replaceAll(/"sha256":"[^"]{44}"/g, '"sha256"')
    .replaceAll(/("writeIds":)"([^"]*)"/g, (_, name: string, ids: string) => `${name}${ids.length}`)
  return text
}

describe('the golden store', () => {
  it('has its head where the page says', () => {
    expect(byHand.headKey(KIND, SEGMENTS)).toBe(HEAD)
    expect(headKeyOf(parseName(NAME))).toBe(HEAD)
    expect(byHand.headKey('state', ['..', '.', 'a~b', 'A1._-'])).toBe('heads/state/%2E%2E/%2E/a%7Eb/A1._-/~')
  })

  it.each(Object.keys(golden))('%s is as the page says', (name) => {
    expect(decoded(name, file(name))).toEqual(golden[name])
  })

  it('pins every member that the page names', () => {
    const named = new Set<string>()
    const collect = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      for (const [key, member] of Object.entries(value)) {
        named.add(key)
        collect(member)
      }
    }
    collect(Object.values(golden).map(({ body }) => body))
    collect(JSON.parse(readFileSync(new URL('golden-deltas/golden.json', import.meta.url), 'utf8'))) // of deltas
    const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8')
    const sections = ['Head body', 'Revision records', 'Segments'].map(
      (title) => page.split(`## ${title}\n`)[1]!.split('\n## ')[0]!,
    )
    const rows = sections.flatMap((text) => text.split('\n').filter((line) => line.startsWith('| `')))
    const members = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, member]) => member!))
    expect(members.length).toBeGreaterThan(30)
    expect(members.filter((member) => !named.has(member))).toEqual(['keys']) // pinned where it is made, in test/encrypt
  })

  it('is what this release writes: the same members in the same places', async () => {
    const written = await writeGoldenStore()
    expect([...written.keys()].sort()).toEqual([...Object.keys(golden), 'store'].sort())
    for (const [name, stored] of written) {
      if (name === 'store') expect(Buffer.from(stored)).toEqual(file(name))
      else expect(shape(decoded(name, Buffer.from(stored))), name).toEqual(shape(golden[name]))
    }
  })

  it.each(HEADS)('%s is read, and written again to the byte', (name) => {
    const body = byHand.clearBody(file(name))
    expect(Buffer.from(encodeHeadBody(decodeHeadBody(body, name)))).toEqual(body)
  })

  it.each(SEGMENT_FILES)('%s is read, and written again to the byte', async (name) => {
    const body = byHand.clearBody(file(name))
    const { segment, append } = await opened(name)
    const again = await append(segment as Segment)
    expect(byHand.clearBody(again)).toEqual(body)
  })

  it('index.bin is read, and written again to the byte', () => {
    const body = byHand.clearBody(file('index.bin'))
    const references = new InlineReader(body, 'index.bin').json
      .list('segments')
      .map((one) => readSegmentReference(one, 'index.bin'))
    expect(references).toHaveLength(16)
    expect(Buffer.from(new InlineWriter().finish({ segments: references }))).toEqual(body)
  })

  it('opens: documents, contents, and what became of each write', async () => {
    const bucket = new MemoryBucket()
    bucket.overwrite('store', file('store'))
    bucket.overwrite(HEAD, file('head-tail.bin'))
    const { objectId } = readHeader(file('content.bin'))
    bucket.overwrite(
      HEAD.replace('heads', 'objects').replace(/~$/, `~/${objectId!.toString('hex')}`),
      file('content.bin'),
    )
    const store = await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', memory: false })
    const doc = store.document(NAME, bytes())
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 4, objects: 1, unreachable: 0 })
    expect(Buffer.from((await doc.revision('größe')).value).toString()).toBe(LARGE)
    expect(await doc.read()).toMatchObject({ number: 3, from: (await doc.info('v1')).id, message: 'back' })
    for (const [seq, id] of Object.entries(byHand.readSlots(file('head-tail.bin')))) {
      expect(await doc.outcome(`${id.padEnd(32, '0')}@${seq}`)).toBe('landed')
    }
    expect(await doc.commit(Buffer.from('goes on'), { parent: 'any' })).toMatchObject({ number: 5 })
  })
})

/** A golden segment as the library reads it, and how it would be written. */
async function opened(name: string) {
  const index = new InlineReader(byHand.clearBody(file('index.bin')), name).json.list('segments')
  const own = readHeader(file(name)).objectId!.toString('hex')
  const reference = index.map((one) => readSegmentReference(one, name)).find(({ object }) => object === own)!
  const bucket = new MemoryBucket()
  const sealer = makeSealer(['plaintext'], { salt: async () => new Uint8Array(16) })
  const store = memoryStore({ bucket })
  const parts = { store, sealer, environment: systemEnvironment, limits: DEFAULT_LIMITS, memory: new ProcessMemory() }
  const { storeId } = readHeader(file(name))
  const access = accessTo(parseName(NAME), storeId, parts)
  const keys = await sealer.create(access.scope)
  bucket.overwrite(HEAD.replace('heads', 'objects').replace(/~$/, `~/${own}`), file(name))
  const deadline = deadlineFor(access, undefined)
  return {
    segment: await new SegmentCache().read(access, reference, keys, deadline),
    append: async (segment: Segment) => {
      const [{ object } = reference] = await appendSegment(access, [], segment, keys, 0, deadline)
      return bucket.peek(HEAD.replace('heads', 'objects').replace(/~$/, `~/${object}`))!.bytes
    },
  }
}

describe('a write id', () => {
  it('is made of 32 random bytes and the body, so that a cloned process cannot give one to two writes', async () => {
    const drawn: Uint8Array[] = []
    const environment = new VirtualTime()
    const draw = environment.randomBytes.bind(environment)
    environment.randomBytes = (length) => {
      const random = draw(length)
      drawn.push(random)
      return random
    }
    const bucket = new MemoryBucket()
    const store = await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', memory: false, environment })
    await store.document(NAME, bytes()).commit(Buffer.from('x'), { parent: 'none' })
    const stored = bucket.peek(HEAD)!.bytes
    const body = byHand.clearBody(stored)
    const ids = drawn.map((random) => createHash('sha256').update(random).update(body).digest().subarray(0, 16))
    expect(ids).toContainEqual(readHeader(stored).writeId)
    expect(readHeader(stored).birth).toHaveLength(16)
  })
})

describe('roles', () => {
  it('are numbered as the page says', () => {
    const roles = { 'content.bin': 1, 'segment.bin': 2, 'segment-untils.bin': 2, 'index.bin': 3, 'condemned.bin': 4 }
    for (const [name, role] of Object.entries(roles)) {
      expect(roleOf(file(name))).toBe(role)
      expect(readHeader(file(name)).role).toBe(role)
    }
  })
})
