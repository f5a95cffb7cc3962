import { beforeEach, describe, expect, it } from 'vitest'
import { json, KeelstateError, openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type CountingStore, countingStore, type FaultyStore, faultyStore } from '../../src/testing/index.ts'
import { VirtualTime } from './virtual-time.ts'

const HEAD = 'heads/state/doc/~'
const STORE_ID = '00112233445566778899aabbccddeeff'
const WRITES = { operation: 'PutObject', key: HEAD }
const READS = { operation: 'GetObject', key: HEAD }
const ALWAYS = { times: Number.POSITIVE_INFINITY }

let bucket: MemoryBucket
let time: VirtualTime
let faulty: FaultyStore
let counted: CountingStore
let doc: VersionedDocument<string>

async function open(store = counted as ConstructorParameters<typeof CountingStore>[0]) {
  const opened = await openStore({ store, keys: 'plaintext', storeId: STORE_ID, environment: time, memory: false })
  return opened.document('doc', json<string>())
}

const elsewhere = async () => {
  const opened = await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', storeId: STORE_ID })
  return opened.document('doc', json<string>())
}

const end = (work: Promise<unknown>): Promise<KeelstateError> =>
  work.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => (KeelstateError.is(error) ? error : expect.unreachable(String(error))),
  )

beforeEach(async () => {
  bucket = new MemoryBucket()
  time = new VirtualTime()
  faulty = faultyStore(memoryStore({ bucket }), time)
  counted = countingStore(faulty)
  doc = await open()
  await doc.commit('one', { parent: 'none' })
})

describe('a head write', () => {
  it('needs no reading when it was certainly not executed: 429, SlowDown, connection refused', async () => {
    faulty.faults.add(WRITES, { do: 'status', status: 429, code: 'TooManyRequests' })
    faulty.faults.add(WRITES, { do: 'status', status: 503, code: 'SlowDown' })
    const { requests } = await counted.count(() => {
      const commit = doc.commit('two', { parent: 'any' })
      return time.until(commit)
    })
    expect(requests.map(({ call, outcome }) => `${call} ${outcome}`)).toEqual([
      'put failed',
      'put failed',
      'put stored',
    ])
  })

  it('is read back after 429 when an earlier attempt may have been executed', async () => {
    faulty.faults.add(WRITES, { do: 'status', status: 503, code: 'ServiceUnavailable' })
    faulty.faults.add(WRITES, { do: 'status', status: 429, code: 'TooManyRequests' })
    const { requests } = await counted.count(() => time.until(doc.commit('two', { parent: 'any' })))
    expect(requests.map(({ call }) => call)).toEqual(['put', 'get', 'put', 'get', 'put'])
  })

  it('sends the same bytes each time', async () => {
    const bodies: string[] = []
    const spy = memoryStore({ bucket })
    const put = spy.put.bind(spy)
    spy.put = async (key, body, condition, options) => {
      bodies.push(Buffer.from(body).toString('hex'))
      if (bodies.length < 4) throw new KeelstateError('Unavailable', { message: 'busy' })
      return await put(key, body, condition, options)
    }
    const document = await open(spy)
    await time.until(document.commit('two', { parent: 'any' }))
    expect(bodies).toHaveLength(4)
    expect(new Set(bodies).size).toBe(1)
  })

  it('goes on when its base lies under another token, as after the bucket was encrypted anew', async () => {
    await doc.read()
    bucket.overwrite(HEAD, bucket.peek(HEAD)!.bytes)
    await time.until(doc.commit('two', { parent: 'any' }))
    expect(await doc.read()).toMatchObject({ value: 'two', number: 2, seq: 2 })
  })

  it('reports RolledBack when the head is gone, and creates nothing in its place', async () => {
    await doc.read()
    bucket.remove(HEAD)
    const error = await end(doc.commit('two', { parent: 'any' }))
    expect(error).toMatchObject({ code: 'RolledBack', details: { rememberedSeq: 1 } })
    expect((error as KeelstateError<'RolledBack'>).details.write).toMatch(/@2$/)
    expect(bucket.peek(HEAD)).toBeUndefined()
    expect(await end(doc.commit('two', { parent: 'none' }))).toMatchObject({ code: 'RolledBack' })
    expect(await end(doc.read())).toMatchObject({ code: 'RolledBack' })
    expect(bucket.peek(HEAD)).toBeUndefined()
  })

  it('reports RolledBack when the document was made anew under its name', async () => {
    await doc.read()
    bucket.remove(HEAD)
    const other = await elsewhere()
    for (let n = 0; n < 3; n++) await other.commit('anew', { parent: 'any' })
    expect(await end(doc.commit('two', { parent: 'any' }))).toMatchObject({ code: 'RolledBack' })
    expect(await end(doc.commit('two', { parent: 'any' }))).toMatchObject({ code: 'RolledBack' })
    expect((await other.status()).seq).toBe(3)
  })

  it('loses no time when the head cannot be read back, and names the write', async () => {
    faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'drop-answer' })
    faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'status', status: 500, code: 'InternalError' })
    const commit = end(doc.commit('two', { parent: 'any' }))
    expect(await time.until(commit)).toBeLessThanOrEqual(60_001)
    const error = (await commit) as KeelstateError<'OutcomeUnknown'>
    expect(error).toMatchObject({ code: 'OutcomeUnknown', retry: 'after-refresh' })
    expect(error.details.write).toMatch(/^[0-9a-f]{32}@2$/)
    faulty.faults.clear()
    expect(await doc.outcome(error.details.write)).toBe('landed')
    expect(await doc.commit('three', { parent: 'any' })).toMatchObject({ number: 3 })
  })

  it.each(['before', 'after'] as const)(
    'aborted while its answer is stalled (%s execution) is settled within 5 s',
    async (when) => {
      faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'stall', when })
      const controller = new AbortController()
      const commit = doc.commit('two', { parent: 'any', signal: controller.signal })
      const ended = commit.then(
        () => 'ok',
        (error: KeelstateError) => error.code,
      )
      await time.advance(1_000)
      controller.abort()
      expect(await time.until(ended)).toBeLessThanOrEqual(5_000)
      expect(await ended).toBe(when === 'after' ? 'ok' : 'OutcomeUnknown')
    },
  )

  it('aborted is settled within 5 s although the head cannot be read either', async () => {
    faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'stall', when: 'after' })
    faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'stall' })
    const controller = new AbortController()
    const commit = end(doc.commit('two', { parent: 'any', signal: controller.signal }))
    await time.advance(1_000)
    controller.abort()
    expect(await time.until(commit)).toBeLessThanOrEqual(5_001)
    expect(await commit).toMatchObject({ code: 'OutcomeUnknown' })
  })

  it('aborted between two attempts that were not executed is Aborted, and says that nothing was', async () => {
    faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'status', status: 429, code: 'TooManyRequests' })
    const controller = new AbortController()
    const commit = end(doc.commit('two', { parent: 'any', signal: controller.signal }))
    await time.advance(2_000)
    controller.abort()
    await time.until(commit)
    expect(await commit).toMatchObject({ code: 'Aborted', operation: 'head.write', details: { notExecuted: true } })
  })
})

describe('what became of a write', () => {
  it('is undecided while its place is free, and settled by any later write', async () => {
    const free = `${'ab'.repeat(16)}@2`
    expect(await doc.outcome(free)).toBe('undecided')
    await doc.label('v1', 'current')
    expect(await doc.outcome(free)).toBe('not-landed')
    expect(await doc.outcome(`${'ab'.repeat(16)}@1`)).toBe('not-landed')
    const { writeId } = await doc.status()
    expect(await doc.outcome(`${writeId}@2`)).toBe('landed')
  })

  it('is found thousands of writes later, until the document is deleted', async () => {
    const { writeId } = await doc.status()
    for (let n = 0; n < 400; n++) await doc.label('v1', 'current')
    expect(await doc.outcome(`${writeId}@1`)).toBe('landed')
    expect(await doc.outcome(`${'ab'.repeat(16)}@1`)).toBe('not-landed')
    await doc.delete()
    expect(await doc.outcome(`${writeId}@1`)).toBe('undecided')
  })

  it.each(['', '@1', 'ab@1', `${'ab'.repeat(16)}@0`, `${'ab'.repeat(16)}`, `${'AB'.repeat(16)}@1`])(
    'is not asked for by %j',
    async (name) => {
      expect(await end(doc.outcome(name))).toMatchObject({ code: 'InvalidInput' })
    },
  )
})
