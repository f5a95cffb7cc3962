import { once } from 'node:events'
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../../src/testing/proxy.ts'

interface Executed {
  method: string
  url: string
  body: string
}

interface Answer {
  status: number
  body: string
}

/** A server that remembers what it carried out and answers each request with its number. */
let server: Server
let executed: Executed[]
let proxy: FaultProxy
let agent: Agent
/** For each request that was answered: whether it went over the connection of the one before. */
let reused: boolean[]

beforeEach(async () => {
  executed = []
  reused = []
  server = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return // cut off
    executed.push({ method: request.method ?? '', url: request.url ?? '', body })
    if (request.url === '/chunked') {
      response.write('first ')
      await delay(5)
      response.end('second')
    } else if (request.url === '/until-end') {
      response.socket?.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')
    } else {
      const answer = `answer ${executed.length}`
      response.setHeader('content-length', answer.length).end(answer) // to HEAD, node sends the head only
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await startFaultProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  agent = new Agent({ keepAlive: true, maxSockets: 1 })
})

afterEach(async () => {
  agent.destroy()
  await proxy.close()
  server.closeAllConnections()
  server.close()
})

describe('what no fault touches', () => {
  test('requests of every framing pass in order on one kept connection', async () => {
    const large = 'x'.repeat(3_000_000)
    expect(await send('PUT', '/b/large', large)).toEqual({ status: 200, body: 'answer 1' })
    expect(await send('PUT', '/b/chunked-body', ['one ', 'two ', 'three'])).toEqual({ status: 200, body: 'answer 2' })
    expect(await send('HEAD', '/b/k')).toEqual({ status: 200, body: '' })
    expect(await send('GET', '/chunked')).toEqual({ status: 200, body: 'first second' })
    expect(await send('DELETE', '/b/k')).toEqual({ status: 200, body: 'answer 5' })
    expect(await send('GET', '/until-end')).toEqual({ status: 200, body: 'until the end' })

    expect(executed.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'HEAD', 'GET', 'DELETE', 'GET'])
    expect(executed[0]?.body).toBe(large)
    expect(executed[1]?.body).toBe('one two three')
    expect(proxy.requests.map(({ path, statuses }) => [path, ...statuses])).toEqual(
      executed.map(({ url }) => [url, 200]),
    )
    expect(reused).toEqual([false, true, true, true, true, true])
  })

  test('a client that waits for 100 Continue gets it, and its body arrives once', async () => {
    const answer = await send('PUT', '/b/k', 'patient body', { headers: { expect: '100-continue' } })
    expect(answer).toEqual({ status: 200, body: 'answer 1' })
    expect(executed).toEqual([{ method: 'PUT', url: '/b/k', body: 'patient body' }])
  })

  test('bytes that are not HTTP end the connection and reach nobody', async () => {
    const socket = connect(proxyPort(), '127.0.0.1')
    socket.write('EHLO somebody\r\n\r\n')
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect([executed, proxy.requests]).toEqual([[], []])
  })

  test('a server that is not there is a reset connection', async () => {
    const gone = await startFaultProxy('http://127.0.0.1:9')
    const port = Number(new URL(gone.endpoint).port)
    await expect(send('GET', '/b/k', '', { port })).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(gone.requests).toMatchObject([{ method: 'GET', path: '/b/k', statuses: [0] }])
    await gone.close()
  })
})

describe('faults', () => {
  test('a lost answer: the server carried the request out, the client was reset', async () => {
    proxy.faults.add({ method: 'PUT' }, { do: 'drop-answer' })
    await expect(send('PUT', '/b/k', 'body')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(executed).toEqual([{ method: 'PUT', url: '/b/k', body: 'body' }])
    expect(proxy.requests).toMatchObject([{ operation: 'PutObject', key: 'k', path: '/b/k', statuses: [200] }])
  })

  test('a lost request: the server never saw it', async () => {
    proxy.faults.add({}, { do: 'drop-request' })
    await expect(send('PUT', '/b/k', 'body')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(executed).toEqual([])
    expect(proxy.requests).toMatchObject([{ operation: 'PutObject', key: 'k', path: '/b/k', statuses: [] }])
  })

  test('a cut request: the server got half of it and carried nothing out', async () => {
    const aborted = new Promise((resolve) => server.once('request', (request) => request.once('error', resolve)))
    const rule = proxy.cut({ operation: 'PutObject' })
    await expect(send('PUT', '/b/k', 'x'.repeat(200_000))).rejects.toMatchObject({ code: 'ECONNRESET' })
    await aborted
    expect(rule.fired).toBe(1)
    expect(executed).toEqual([])
  })

  test('a late request is carried out after its client has gone', async () => {
    proxy.faults.add({ method: 'PUT' }, { do: 'delay-before', ms: 1_000 })
    const impatient = new AbortController()
    const pending = send('PUT', '/b/k', 'late', { signal: impatient.signal })
    while (proxy.requests.length === 0) await delay(1)
    impatient.abort()
    await expect(pending).rejects.toThrow()
    expect(executed).toEqual([])
    await proxy.settled()
    expect(executed).toEqual([{ method: 'PUT', url: '/b/k', body: 'late' }])
  })

  test('a doubled request is carried out twice and answered once', async () => {
    proxy.faults.add({ method: 'PUT' }, { do: 'double', ms: 1 })
    expect(await send('PUT', '/b/k', 'again')).toEqual({ status: 200, body: 'answer 1' })
    await proxy.settled()
    expect(executed).toHaveLength(2)
    expect(executed[1]).toEqual(executed[0])
    expect(proxy.requests).toMatchObject([{ operation: 'PutObject', key: 'k', path: '/b/k', statuses: [200, 200] }])
  })

  test('a stalled request is not answered, and its connection stays open', async () => {
    proxy.faults.add({}, { do: 'stall', when: 'after' })
    const impatient = new AbortController()
    const pending = send('PUT', '/b/k', 'body', { signal: impatient.signal })
    while (executed.length === 0) await delay(1)
    await delay(50)
    impatient.abort()
    await expect(pending).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(executed).toHaveLength(1)
  })

  test('a truncated answer ends early although its length says more', async () => {
    proxy.faults.add({ method: 'GET' }, { do: 'truncate', bytes: 3 })
    await expect(send('GET', '/b/k')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(executed).toHaveLength(1)
  })

  test('a corrupted answer differs in one bit of its body', async () => {
    proxy.faults.add({ method: 'GET' }, { do: 'corrupt', at: 1 })
    expect(await send('GET', '/b/k')).toEqual({ status: 200, body: 'aoswer 1' })
  })

  test('an injected status is an S3 error, before the request or after it was carried out', async () => {
    proxy.faults.add({}, { do: 'status', status: 503, code: 'SlowDown' })
    proxy.faults.add({}, { do: 'status', status: 409, code: 'ConditionalRequestConflict', when: 'after' })
    expect(await send('PUT', '/b/k', 'a')).toMatchObject({
      status: 503,
      body: expect.stringContaining('<Code>SlowDown</Code>'),
    })
    expect(executed).toEqual([])
    expect(await send('PUT', '/b/k', 'b')).toMatchObject({ status: 409 })
    expect(executed).toHaveLength(1)
  })

  test('a held request waits for the test', async () => {
    const hold = proxy.faults.hold({ method: 'PUT' })
    const pending = send('PUT', '/b/k', 'held')
    await hold.arrived()
    expect(executed).toEqual([])
    await hold.release()
    expect(await pending).toEqual({ status: 200, body: 'answer 1' })
  })

  test('latency holds every request back', async () => {
    proxy.latencyMs = 40
    const before = performance.now()
    await send('GET', '/b/k')
    expect(performance.now() - before).toBeGreaterThan(35)
  })
})

describe('rules', () => {
  test('a rule sees operation and key as S3 means them, and counts only what it matches', async () => {
    proxy.faults.add(
      { operation: 'PutObject', key: 'p/heads/*', nth: 2 },
      { do: 'status', status: 503, code: 'SlowDown' },
    )
    const statuses: number[] = []
    for (const path of ['/b/p/objects/x', '/b/p/heads/a', '/b/p/heads/%C3%A9/~', '/b/p/heads/c']) {
      statuses.push((await send('PUT', path, 'body')).status)
    }
    expect(statuses).toEqual([200, 200, 503, 200])
    expect(proxy.faults.unfired()).toEqual([])
  })

  test('a listing and a batch delete are named, too', async () => {
    const seen: string[] = []
    for (const operation of ['ListObjectsV2', 'DeleteObjects', 'GetObject', 'HeadObject', 'DeleteObject']) {
      proxy.faults.add({ operation }, { do: 'status', status: 503, code: operation })
    }
    for (const [method, path] of [
      ['GET', '/b?list-type=2&prefix=p%2Fheads%2F'],
      ['POST', '/b?delete'],
      ['GET', '/b/k'],
      ['DELETE', '/b/k'],
    ] as const) {
      seen.push(/<Code>(\w+)</.exec((await send(method, path)).body)?.[1] ?? 'none')
    }
    expect(seen).toEqual(['ListObjectsV2', 'DeleteObjects', 'GetObject', 'DeleteObject'])
  })

  test('closing drops what is still to be delivered late', async () => {
    proxy.faults.add({}, { do: 'delay-before', ms: 60_000 })
    const pending = send('PUT', '/b/k', 'never')
    pending.catch(() => {})
    while (proxy.requests.length === 0) await delay(1)
    await proxy.close()
    await expect(pending).rejects.toThrow()
    expect(executed).toEqual([])
  })
})

test('only plain HTTP can be proxied', async () => {
  await expect(startFaultProxy('https://s3.eu-west-1.amazonaws.com')).rejects.toThrow('plain HTTP')
})

interface SendOptions {
  headers?: { expect?: string }
  port?: number
  signal?: AbortSignal
}

/** Sends one request over the kept connection. A body in parts goes out chunked. */
async function send(
  method: string,
  path: string,
  body: string | string[] = '',
  options: SendOptions = {},
): Promise<Answer> {
  const { headers = {}, port = proxyPort(), signal } = options
  const framing = Array.isArray(body) ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const request = httpRequest({
    port,
    method,
    path,
    agent,
    headers: { ...framing, ...headers },
    ...(signal && { signal }),
  })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  if (headers.expect !== undefined) await once(request, 'continue')
  for (const part of [body].flat()) request.write(part)
  request.end()
  const [response] = await answered
  reused.push(request.reusedSocket)
  return { status: response.statusCode ?? 0, body: await text(response) }
}

function proxyPort(): number {
  return Number(new URL(proxy.endpoint).port)
}
