import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FaultPlan, type FaultTarget } from '../../src/testing/faults.ts'
import { type S3Bucket, type S3Server, startS3Server } from '../../src/testing/s3-server/index.ts'

let server: S3Server
let bucket: S3Bucket

beforeEach(async () => {
  server = await startS3Server({ anonymous: true })
  bucket = server.createBucket('state', { versioning: 'enabled' }) // versions show how often a write was executed
})
afterEach(() => server.close())

const put = (key: string, body: string, init: RequestInit = {}) =>
  fetch(`${server.endpoint}/state/${key}`, { method: 'PUT', body, ...init })
const get = (key: string) => fetch(`${server.endpoint}/state/${key}`)
const text = (key: string) => Buffer.from(bucket.bytes(key) ?? []).toString()
/** Waits until the server has seen so many requests. */
const seen = (count: number) => vi.waitUntil(() => server.requests.length >= count, { timeout: 20_000, interval: 2 })
const createOnly = { headers: { 'if-none-match': '*' } }

/** The network error that a request ends with. */
async function broken(request: Promise<Response>): Promise<string> {
  const error = await request.then(
    (answer) => answer.arrayBuffer().then(() => expect.unreachable('the request was answered')),
    (reason: unknown) => reason,
  )
  return (error as { cause?: { code?: string } }).cause?.code ?? String(error)
}

describe('a planned fault', () => {
  it('drop-request: resets the connection and executes nothing', async () => {
    server.faults.add({ method: 'PUT' }, { do: 'drop-request' })
    expect(await broken(put('k', '1'))).toBe('ECONNRESET')
    await server.settled()
    expect(bucket.versions('k')).toHaveLength(0)
    expect(server.requests).toMatchObject([
      { executions: 0, outcome: 'lost', status: undefined, fault: 'drop-request' },
    ])
    expect((await put('k', '2')).status).toBe(200)
  })

  it('drop-answer: executes, then resets without an answer, so that the same create is refused afterwards', async () => {
    server.faults.add({ operation: 'PutObject' }, { do: 'drop-answer' })
    expect(await broken(put('k', '1', createOnly))).toBe('ECONNRESET')
    expect(text('k')).toBe('1')
    expect(server.requests).toMatchObject([{ executions: 1, outcome: 'lost', status: undefined }])
    expect((await put('k', '1', createOnly)).status).toBe(412)
  })

  it('delay-before: executes late, though its sender has gone', async () => {
    server.faults.add({ key: 'k' }, { do: 'delay-before', ms: 400 })
    const abort = new AbortController()
    const late = put('k', 'late', { signal: abort.signal })
    await seen(1)
    abort.abort()
    await expect(late).rejects.toThrow()
    expect(server.requests[0]?.executions).toBe(0)
    await server.settled()
    expect(text('k')).toBe('late')
    expect(server.requests[0]).toMatchObject({ executions: 1, outcome: 'lost' })
  })

  it('delay-answer: executes at once and lets its sender wait', async () => {
    server.faults.add({}, { do: 'delay-answer', ms: 100 })
    const started = Date.now()
    const answer = put('k', '1')
    while (bucket.bytes('k') === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
    expect((await answer).status).toBe(200)
    expect(Date.now() - started).toBeGreaterThanOrEqual(95)
  })

  it('double: executes twice and sends the first answer', async () => {
    server.faults.add({ key: 'k' }, { do: 'double', ms: 20 })
    expect((await put('k', '1')).status).toBe(200)
    await server.settled()
    expect(bucket.versions('k').map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['1', '1'])
    expect(server.requests[0]).toMatchObject({ executions: 2, status: 200 })
  })

  it('double with the answer of the second: a create that did happen is refused', async () => {
    server.faults.add({}, { do: 'double', answer: 'second' })
    expect((await put('k', '1', createOnly)).status).toBe(412)
    expect(text('k')).toBe('1')
  })

  it.each([
    [409, 'ConditionalRequestConflict'],
    [429, 'TooManyRequests'],
    [500, 'InternalError'],
    [503, 'SlowDown'],
    [503, 'ServiceUnavailable'],
  ])('status: answers %i %s instead of executing, or after it', async (status, code) => {
    server.faults.add({}, { do: 'status', status, code })
    const before = await put('k', '1')
    expect([before.status, await before.text()]).toEqual([status, expect.stringContaining(`<Code>${code}</Code>`)])
    expect(bucket.bytes('k')).toBeUndefined()
    server.faults.add({}, { do: 'status', status, code, when: 'after' })
    expect((await put('k', '2')).status).toBe(status)
    expect(text('k')).toBe('2')
    expect(server.requests).toMatchObject([
      { executions: 0, code },
      { executions: 1, code },
    ])
  })

  it('stall: never answers, executed or not', async () => {
    server.faults.add({ key: 'a' }, { do: 'stall' })
    server.faults.add({ key: 'b' }, { do: 'stall', when: 'after' })
    for (const [index, key] of ['a', 'b'].entries()) {
      const abort = new AbortController()
      const waiting = put(key, '1', { signal: abort.signal })
      await seen(index + 1)
      const answered = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 100, 'silent'))])
      expect(answered).toBe('silent')
      abort.abort()
      await expect(waiting).rejects.toThrow()
    }
    expect([bucket.bytes('a'), text('b')]).toEqual([undefined, '1'])
  })

  it('truncate: ends the body early although its length says more', async () => {
    bucket.put('k', Buffer.alloc(10_000, 'x'))
    for (const bytes of [0, 1, 5000]) {
      server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
      const answer = await get('k')
      expect(answer.headers.get('content-length')).toBe('10000')
      await expect(answer.arrayBuffer()).rejects.toThrow()
      expect(server.requests.at(-1)).toMatchObject({ bytesOut: bytes, status: 200 })
    }
    expect((await (await get('k')).arrayBuffer()).byteLength).toBe(10_000)
  })

  it('corrupt: flips one bit of the body', async () => {
    bucket.put('k', Buffer.from('abc'))
    server.faults.add({}, { do: 'corrupt', at: 1 })
    expect(await (await get('k')).text()).toBe('acc')
    expect(text('k')).toBe('abc')
  })
})

describe('a hold', () => {
  it('lets a test order requests exactly, and executes those whose sender has gone', async () => {
    const hold = server.faults.hold({ method: 'PUT', times: Number.POSITIVE_INFINITY })
    const abort = new AbortController()
    const gone = put('k', 'gone', { signal: abort.signal })
    await hold.arrived()
    abort.abort()
    await expect(gone).rejects.toThrow()
    const first = put('k', 'first')
    await hold.arrived(2)
    expect(hold.held).toHaveLength(2)
    await hold.release(1)
    await hold.release()
    expect((await first).status).toBe(200)
    expect(bucket.versions('k').map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['first', 'gone'])
    expect(server.requests.map(({ executions }) => executions)).toEqual([1, 1])
  })

  it('can keep back the answer instead of the request', async () => {
    const hold = server.faults.hold({ key: 'k' }, { when: 'after' })
    const answer = put('k', '1')
    await hold.arrived()
    expect(text('k')).toBe('1')
    await hold.release()
    expect((await answer).status).toBe(200)
  })

  it('can keep back a second copy, so that it lands on what came after the first', async () => {
    const hold = server.faults.hold({ key: 'k' }, { when: 'copy' })
    expect((await put('k', '1')).status).toBe(200)
    await hold.arrived()
    await put('k', '2')
    await hold.release()
    expect(bucket.versions('k').map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['1', '2', '1'])
    expect(server.requests[0]).toMatchObject({ executions: 2, status: 200 })
  })

  it('can forget a request for good', async () => {
    const hold = server.faults.hold()
    const lost = broken(put('k', '1'))
    await hold.arrived()
    await hold.drop()
    expect(await lost).toBe('ECONNRESET')
    expect(bucket.bytes('k')).toBeUndefined()
    await expect(hold.release()).rejects.toThrow('no request is held')
  })

  it('ends with the server, and what was held is never executed', async () => {
    const hold = server.faults.hold()
    const lost = broken(put('k', '1'))
    await hold.arrived()
    await server.close()
    expect(await lost).not.toBe('')
    expect([bucket.bytes('k'), hold.held]).toEqual([undefined, []])
  })
})

describe('a rule', () => {
  const target = (method: string, key: string, operation = 'PutObject'): FaultTarget => ({ method, key, operation })

  it('hits the requests that it names: method, operation, key, from the n-th on, so many times', () => {
    const plan = new FaultPlan()
    const rule = plan.add(
      { method: 'put', operation: 'PutObject', key: '*heads/*/~', nth: 2, times: 2 },
      { do: 'stall' },
    )
    const hits = [
      target('GET', 'heads/a/~'),
      target('PUT', 'objects/a/~'),
      target('PUT', 'heads/a/~', 'DeleteObject'),
      target('PUT', 'p/heads/a/b/~'), // the first
      target('PUT', 'heads/a/~'),
      target('PUT', 'heads/b/~'),
      target('PUT', 'heads/c/~'),
    ].map((request) => plan.take(request)?.do)
    expect(hits).toEqual([undefined, undefined, undefined, undefined, 'stall', 'stall', undefined])
    expect(rule.fired).toBe(2)
  })

  it('gives way to the one that was added before it while that one is due', () => {
    const plan = new FaultPlan()
    plan.add({ key: /^a/ }, { do: 'drop-request' })
    const later = plan.add({ times: Number.POSITIVE_INFINITY }, { do: 'drop-answer' })
    expect(['a', 'a', 'b'].map((key) => plan.take(target('PUT', key))?.do)).toEqual([
      'drop-request',
      'drop-answer',
      'drop-answer',
    ])
    later.remove()
    expect(plan.take(target('PUT', 'a'))).toBeUndefined()
  })

  it('that never fired can be found', () => {
    const plan = new FaultPlan()
    const idle = plan.add({ key: 'never' }, { do: 'stall' })
    plan.add({}, { do: 'stall' })
    plan.take(target('PUT', 'k'))
    expect(plan.unfired()).toEqual([idle])
  })
})
