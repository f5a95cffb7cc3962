import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { bytes, json, type KeyedDocument, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore, faultyStore } from '../../src/testing/index.ts'
import { ALWAYS, failure, STORE_ID, UPLOADS } from './workbench.ts'

interface Resource {
  id: string
  tags?: string[]
}

const KEY = new StaticKeyProvider({ key: Buffer.alloc(32, 7) }) // sealed, and so compressed as in a bucket

async function open(bucket = new MemoryBucket()) {
  const faulty = faultyStore(memoryStore({ bucket }))
  const counted = countingStore(faulty)
  const sent = { bytes: 0 }
  const put = counted.put.bind(counted)
  counted.put = async (key, body, ...rest) => {
    sent.bytes += body.length
    return await put(key, body, ...rest)
  }
  const store = await openStore({ store: counted, keys: KEY, storeId: STORE_ID, memory: false })
  return { bucket, counted, faulty, sent, store, doc: store.keyed<Resource>('doc') }
}

/** Resources that look like those of a deployment: alike, and each with something of its own. */
function resource(n: number, round = 0): Resource {
  const id = `i-${(n * 2_654_435_761 + round).toString(16).padStart(16, '0').slice(-16)}`
  return {
    id,
    tags: ['managed', `owner-${n % 7}`, `arn:aws:ec2:eu-west-1:123456789012:instance/${id}`, 'x'.repeat(60)],
  }
}

function resources(count: number): Map<string, Resource> {
  return new Map(Array.from({ length: count }, (_, n) => [`module.${n % 40}/aws_instance.${n}`, resource(n)]))
}

const keysOf = (doc: { keys(): Iterable<string> }) => [...doc.keys()]

/** Stored bytes of all that was written while `work` ran. */
async function written(at: Awaited<ReturnType<typeof open>>, work: () => Promise<unknown>): Promise<number> {
  const before = at.sent.bytes
  await work()
  return at.sent.bytes - before
}

describe('a keyed document', () => {
  it('is committed, read, changed, compared and taken back by keys', async () => {
    const { doc, store } = await open()
    const first = await doc.commit({ put: { vpc: { id: '1' }, subnet: { id: '2' } } }, { parent: 'none' })
    const second = await doc.commit({ put: { db: { id: '3' } }, delete: ['subnet', 'never'] }, { parent: first })
    expect([...second.value]).toEqual([
      ['db', { id: '3' }],
      ['vpc', { id: '1' }],
    ])
    expect([...first.value.keys()]).toEqual(['subnet', 'vpc'])
    expect(second.value).toMatchObject({ size: 2 })
    expect([second.value.has('subnet'), second.value.get('subnet')]).toEqual([false, undefined])
    const { changes } = await doc.diff('@1', '@2')
    expect(changes).toContainEqual({ path: ['db'], kind: 'added', after: { id: '3' } })
    await doc.update((now) => ({ put: { vpc: { id: `${now!.get('vpc')!.id}!` } } }))
    const back = await doc.rollback('@1')
    expect(keysOf(back.value)).toEqual(['subnet', 'vpc'])
    expect(Buffer.from((await store.document('doc', bytes()).read())!.value).toString()).toBe(
      '{"subnet":{"id":"2"},"vpc":{"id":"1"}}',
    )
    expect((await store.document('doc', json()).revision('@3')).value).toEqual({ db: { id: '3' }, vpc: { id: '1!' } })
  })

  it('hands out values that nobody else sees changes of', async () => {
    const { doc } = await open()
    const given = { id: '1', tags: ['a'] }
    const committing = doc.commit({ put: { vpc: given } }, { parent: 'none' })
    given.tags.push('too late')
    const made = await committing
    made.value.get('vpc')!.tags!.push('mine alone')
    expect(made.value.get('vpc')).toEqual({ id: '1', tags: ['a'] })
    expect((await doc.read())!.value.get('vpc')).toEqual({ id: '1', tags: ['a'] })
  })

  it('judges changes again on whatever came first, and refuses one whose parent has moved', async () => {
    const one = await open()
    const other = (await open(one.bucket)).doc
    await one.doc.commit({ put: resources(200) }, { parent: 'none' })
    const seen = (await one.doc.read())!
    await other.commit({ put: { theirs: resource(1) } }, { parent: 'any' })
    const mine = await one.doc.commit({ put: { mine: resource(2) } }, { parent: 'any' })
    expect([mine.value.has('theirs'), mine.value.size]).toEqual([true, 202])
    expect(await failure(one.doc.commit({ delete: ['mine'] }, { parent: seen }))).toMatchObject({ code: 'Conflict' })
    const both = await Promise.all([
      one.doc.commit({ put: { a: resource(3) } }, { parent: 'any' }),
      one.doc.commit({ put: { b: resource(4) }, delete: ['a'] }, { parent: 'any' }),
      other.commit({ put: { c: resource(5) } }, { parent: 'any' }),
    ])
    expect(both[0].value.has('a')).toBe(true)
    const now = (await other.read())!.value
    expect([now.has('a'), now.has('b'), now.has('c'), now.size]).toEqual([false, true, true, 204])
    expect(await one.doc.verify()).toMatchObject({ ok: true, revisions: 6 })
  })

  it.each([
    ['no change', 7, /has the members put and delete/],
    ['a member that is none', { puts: {} }, /not "puts"/],
    ['a text of keys', { delete: 'vpc' }, /has the members/],
    ['a value without JSON', { put: { vpc: undefined } }, /"vpc" has no JSON form/],
    ['a bigint', { put: { vpc: 1n } }, /"vpc" has no JSON form/],
    ['half a character as key', { put: new Map([['\ud800', 1]]) }, /halves of surrogate pairs/],
    ['a number as key', { delete: [1] }, /A key of a keyed document/],
  ])('refuses %s before anything is written', async (_, change, message) => {
    const { doc, counted } = await open()
    const { total } = await counted.count(async () => {
      const error = await failure(doc.commit(change as never, { parent: 'any' }))
      expect(error).toMatchObject({ code: 'InvalidInput', message: expect.stringMatching(message) })
    })
    expect(total).toBe(0)
  })

  it('goes on from a JSON object that somebody wrote, and refuses what has no keys', async () => {
    const { doc, store } = await open()
    await store.document('doc', json()).commit({ vpc: { id: '1' }, old: { id: '2' } }, { parent: 'none' })
    const made = await doc.commit({ put: { db: { id: '3' } }, delete: ['old'] }, { parent: 'any' })
    expect(keysOf(made.value)).toEqual(['db', 'vpc'])
    expect((await doc.read())!.type).toBe('keyed')
    await store.document('doc', json()).commit(['no keys'], { parent: 'any' })
    expect(await failure(doc.commit({ put: { vpc: { id: '1' } } }, { parent: 'any' }))).toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('@3'),
    })
    expect(await failure(doc.commit({ put: {} }, { parent: 'any', type: 'json' }))).toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('"keyed"'),
    })
    await doc.commit(made.value, { parent: 'any' })
    expect(keysOf((await doc.read())!.value)).toEqual(['db', 'vpc'])
  })

  it.each([
    ['with blanks', (values: object) => JSON.stringify(values, null, 1)],
    ['in another order', (values: object) => JSON.stringify(Object.fromEntries(Object.entries(values).reverse()))],
    ['with escapes', (values: object) => JSON.stringify(values).replaceAll('id', '\\u0069d')],
  ])(
    'gives a body that somebody spelt %s back byte for byte, though it is much like what was there',
    async (_, spell) => {
      const { doc, store } = await open()
      const foreign = store.document('doc', bytes('keyed'))
      await doc.commit({ put: resources(100) }, { parent: 'none' })
      const values = Object.fromEntries((await doc.read())!.value)
      const body = Buffer.from(spell({ ...values, more: resource(1) }))
      await foreign.commit(body, { parent: 'any' })
      expect(Buffer.from((await foreign.read())!.value)).toEqual(body)
      expect((await foreign.info('current')).base).toBeUndefined()
      await doc.commit({ put: { more: resource(2) } }, { parent: 'any' })
      expect(Buffer.from((await foreign.revision('@2')).value)).toEqual(body)
      const spelt = Buffer.from((await foreign.read())!.value)
      await foreign.commit(spelt.subarray(), { parent: 'any' })
      expect(Buffer.from((await foreign.read())!.value)).toEqual(spelt)
    },
  )

  it('writes what is small as a whole, what is large as a change, and a change of most of it as a whole again', async () => {
    const { doc } = await open()
    const base = async (reference: string) => (await doc.info(reference)).base
    await doc.commit({ put: { a: resource(1) } }, { parent: 'none' })
    await doc.commit({ put: { b: resource(2) } }, { parent: 'any' })
    expect([await base('@1'), await base('@2')]).toEqual([undefined, undefined])
    await doc.commit({ put: resources(100) }, { parent: 'any' })
    await doc.commit({ put: { c: resource(3) } }, { parent: 'any' })
    await doc.commit({ delete: ['c'] }, { parent: 'any' })
    expect([await base('@3'), await base('@4'), await base('@5')]).toEqual([undefined, 3, 4])
    await doc.commit({ put: new Map([...resources(100)].map(([key], n) => [key, resource(n, 5)])) }, { parent: 'any' })
    expect(await base('@6')).toBeUndefined()
    expect((await doc.read())!.value.size).toBe(102)
    await doc.update((now) => now!) // the same whole: a change of nothing
    expect(await base('@7')).toBe(6)
  })
})

describe('a change of one key', () => {
  it('takes one request and about as many bytes with 100,000 keys as with 100', async () => {
    const sizes: number[] = []
    for (const count of [100, 100_000]) {
      const at = await open()
      await at.doc.commit({ put: resources(count) }, { parent: 'none' })
      const { requests } = await at.counted.count(async () => {
        sizes.push(await written(at, () => at.doc.commit({ put: { one: resource(1) } }, { parent: 'any' })))
      })
      expect(requests.map(({ call }) => call)).toEqual(['put'])
    }
    expect(Math.abs(sizes[1]! - sizes[0]!)).toBeLessThan(100)
  })

  it('is in what a reader of another process finds, by one request for the whole and one for each sixteen changes', async () => {
    const at = await open()
    await at.doc.commit({ put: resources(2_000) }, { parent: 'none' })
    for (let n = 0; n < 100; n++) await at.doc.commit({ put: { [`new ${n % 30}`]: resource(n) } }, { parent: 'any' })
    const reader = await open(at.bucket)
    const { requests, sequential } = await reader.counted.count(async () => {
      const { value } = (await reader.doc.read())!
      expect([value.size, value.get('new 9')]).toEqual([2_030, resource(99)])
    })
    expect(requests.length).toBeLessThanOrEqual(2 + Math.ceil(100 / 12))
    expect(sequential).toBeLessThanOrEqual(4)
    expect(await reader.counted.count(() => reader.doc.read())).toMatchObject({ total: 1 })
    // What was read need not be read again for the changes that follow, whoever makes them.
    await at.doc.commit({ put: { last: resource(1) } }, { parent: 'any' })
    expect(await reader.counted.count(() => reader.doc.read())).toMatchObject({ total: 1 })
    const { requests: next } = await reader.counted.count(() =>
      reader.doc.commit({ delete: ['last'] }, { parent: 'any' }),
    )
    expect(next.filter(({ call }) => call !== 'put')).toEqual([])
  })

  it('is stored in an object of its own when it is large, sealed again where the data was collected meanwhile', async () => {
    const at = await open()
    await at.doc.commit({ put: resources(2_000) }, { parent: 'none' })
    const large = { id: randomBytes(10_000).toString('base64') }
    await at.doc.commit({ put: { large } }, { parent: 'any' })
    expect(await at.doc.info('current')).toMatchObject({ base: 1 })
    expect((await (await open(at.bucket)).doc.read())!.value.get('large')).toEqual(large)
    await at.doc.drop(['no such'])
    await at.doc.collect({ graceMs: -1 })
    expect(await at.doc.verify()).toMatchObject({ ok: true, objects: 2, unreachable: 0 })
  })
})

describe('a chain of changes', () => {
  /** A document with a whole of some size and so many changes on it. */
  async function chain(changes: number, size = 200) {
    const at = await open()
    await at.doc.commit({ put: resources(size) }, { parent: 'none' })
    for (let n = 0; n < changes; n++) await at.doc.commit({ put: { [`new ${n}`]: resource(n) } }, { parent: 'any' })
    return at
  }

  const history = async (doc: KeyedDocument<Resource>) => {
    const seen = []
    for await (const { seenSeq: _, ...info } of doc.history()) seen.push(info)
    return seen
  }

  it('is stored whole by the holder of the lock before the release, when it is long; nothing that is said changes', async () => {
    const at = await chain(0, 4_000)
    await at.doc.withLock({ operation: 'apply' }, async (held) => {
      for (let n = 0; n < 300; n++) await held.commit({ put: { [`new ${n % 50}`]: resource(n) } })
    })
    const { doc, counted } = await open(at.bucket)
    const { total, sequential } = await counted.count(async () => {
      expect((await doc.read())!.value.size).toBe(4_050)
    })
    expect([total, sequential]).toEqual([2, 2])
    const before = await history(at.doc)
    expect(before[0]).toMatchObject({ number: 301, base: 300 })
    await doc.commit({ put: { another: resource(1) } }, { parent: 'any' })
    expect((await history(doc))[1]).toEqual({ ...before[0], current: false, until: expect.any(String) })
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 302 })
    expect(await (await open(at.bucket)).counted.count(async () => undefined)).toMatchObject({ total: 0 })
  })

  it('is stored whole when it has taken half as much as the whole, and not before', async () => {
    const at = await chain(0, 60)
    const rounds = async (count: number) =>
      await at.doc.withLock({ operation: 'apply' }, async (held) => {
        for (let n = 0; n < count; n++) await held.commit({ put: { 'module.1/aws_instance.1': resource(n) } })
      })
    const objects = async () => (await at.counted.list('objects/state/doc/~/')).objects.length
    await rounds(3)
    expect(await objects()).toBe(1)
    await rounds(40)
    expect((await at.doc.status()).current).toMatchObject({ base: 43 })
    const reader = await open(at.bucket)
    expect(await reader.counted.count(() => reader.doc.read())).toMatchObject({ total: 2 })
  })

  it('is left as it is when storing it whole fails, and the lock is released all the same', async () => {
    const at = await chain(0)
    const held = await at.doc.lock({ operation: 'apply' })
    for (let n = 0; n < 260; n++) await held.commit({ put: { [`new ${n % 9}`]: resource(n) } })
    at.faulty.faults.add({ ...UPLOADS, ...ALWAYS }, { do: 'status', status: 403, code: 'AccessDenied' })
    expect(await held.release()).toBe(true)
    at.faulty.faults.clear()
    expect((await at.doc.holder())!.held).toBe(false)
    await at.doc.withLock({ operation: 'next' }, async () => undefined) // the next holder does it
    const reader = await open(at.bucket)
    expect(await reader.counted.count(() => reader.doc.read())).toMatchObject({ total: 2 })
  })

  it('loses no content when what it stands on is pruned, and lets go of it when it is compacted', async () => {
    const { doc, bucket } = await chain(60)
    const values = new Map<string, number>()
    for (const { id } of (await history(doc)).slice(0, 5)) values.set(id, (await doc.revision(id)).value.size)
    const { dropped, kept } = await doc.prune({ keepLast: 5 })
    expect([dropped.length, kept]).toEqual([56, 5])
    expect(await history(doc)).toHaveLength(5)
    for (const reference of [dropped[0]!, '@3', 'current~5'])
      expect(await failure(doc.revision(reference))).toMatchObject({ code: 'NotFound' })
    await doc.collect({ graceMs: -1_000 })
    const other = (await open(bucket)).doc
    for (const [id, size] of values) expect((await other.revision(id)).value.size).toBe(size)
    expect(await other.verify()).toMatchObject({ ok: true, revisions: 5 })
    expect((await other.prune({ keepLast: 5 })).dropped).toEqual([])

    const said = await history(other)
    const preview = await other.compact({ dryRun: true })
    expect(preview).toEqual({ stored: [said[0]!.id, said[4]!.id], released: 56 })
    expect(await other.compact()).toEqual(preview)
    expect(await history(other)).toEqual(said)
    await other.collect({ graceMs: -1_000 })
    expect(await other.verify()).toMatchObject({ ok: true, revisions: 5, unreachable: 0 })
    for (const [id, size] of values) expect((await other.revision(id)).value.size).toBe(size)
    expect(await other.compact()).toEqual({ stored: [], released: 0 })
  })

  it('goes with its document', async () => {
    const { doc } = await chain(30)
    await doc.delete()
    expect(await doc.read()).toBeUndefined()
    const made = await doc.commit({ put: { vpc: resource(1) } }, { parent: 'none' })
    expect([made.number, made.value.size]).toEqual([32, 1])
    await doc.prune({ keepLast: 1 })
    await doc.collect({ graceMs: -100_000 })
    expect(await doc.verify()).toMatchObject({ ok: true, revisions: 1 })
  })

  it('is missed, and not read as something else, when an object of it is lost', async () => {
    const { bucket } = await chain(40)
    const size = (key: string) => bucket.peek(key)!.bytes.length
    const [whole] = bucket
      .keys()
      .filter((key) => key.startsWith('objects/'))
      .sort((a, b) => size(b) - size(a)) as [string]
    bucket.remove(whole)
    const { doc } = await open(bucket)
    expect(await failure(doc.read())).toMatchObject({ code: 'Corrupt', key: whole })
    expect(await failure(doc.commit({ delete: ['new 1'] }, { parent: 'any' }))).toMatchObject({ code: 'Corrupt' })
    expect(await doc.verify()).toMatchObject({ ok: false })
  })
})
