import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GcsServer, type GcsServerOptions, startGcsServer } from '../../src/testing/gcs-server/index.ts'

const BUCKET = 'state'
let server: GcsServer

async function start(options?: GcsServerOptions): Promise<void> {
  await server?.close()
  server = await startGcsServer({ anonymous: true, ...options })
  server.createBucket(BUCKET)
}

const connect = () => new Storage({ apiEndpoint: server.endpoint, retryOptions: { autoRetry: false } })
const file = (name: string, generation?: string) =>
  connect()
    .bucket(BUCKET)
    .file(name, generation === undefined ? {} : { generation })

/** Status and reason of what a request is refused with. */
async function refusal(request: Promise<unknown>): Promise<string> {
  const error = await request.then(
    () => expect.unreachable('the request was not refused'),
    (reason: { code: number; errors: { reason?: string }[] }) => reason,
  )
  return [error.code, error.errors[0]?.reason].filter((part) => part !== undefined).join(' ')
}

/** Sends a request by hand; resolves to its status and the reason of its error. */
async function send(method: string, path: string, init: RequestInit = {}): Promise<string> {
  const answer = await fetch(`${server.endpoint}${path}`, { method, ...init })
  const text = await answer.text()
  const reason = /"reason":"(\w+)"/.exec(text)?.[1]
  return `${answer.status}${reason === undefined ? '' : ` ${reason}`}`
}

const objectPath = (name: string, query = '') => `/storage/v1/b/${BUCKET}/o/${encodeURIComponent(name)}${query}`
const uploadPath = (name: string, query = '') =>
  `/upload/storage/v1/b/${BUCKET}/o?uploadType=media&name=${encodeURIComponent(name)}${query}`

beforeEach(() => start())
afterEach(() => server.close())

describe('an upload', () => {
  it.each([
    ['multipart', { resumable: false }],
    ['resumable', { resumable: true }],
  ])('by the real client is stored as it was sent: %s', async (_, options) => {
    for (const name of ['a b+c', "it's (1)!*", 'é/😀', 'a%2Fb', '~', 'x=y&z']) {
      const body = Buffer.from(`\r\n--boundary ${name}\0`)
      await file(name).save(body, { ...options, metadata: { cacheControl: 'no-store', metadata: { by: 'me' } } })
      expect((await file(name).download())[0]).toEqual(body) // and its hashes were compared
      const [metadata] = await file(name).getMetadata()
      expect(metadata).toMatchObject({
        name,
        cacheControl: 'no-store',
        size: String(body.length),
        metadata: { by: 'me' },
      })
    }
    expect(server.bucket(BUCKET).keys()).toHaveLength(6)
  })

  it('of one request is stored too, under the hash that it names', async () => {
    const hash = (value: string) => ({ body: 'text', headers: { 'x-goog-hash': value } })
    expect(await send('POST', uploadPath('k'), hash('md5=HLLdFoojt0F7iDcqKxRLHw==,crc32c=D4HH+w=='))).toMatch(
      /^(200|400)/,
    )
    expect(await send('POST', uploadPath('k'), { body: 'text' })).toBe('200')
    const { md5Hash, crc32c } = server.bucket(BUCKET).live('k')!
    expect(await send('POST', uploadPath('k'), hash(`md5=${md5Hash},crc32c=${crc32c}`))).toBe('200')
    expect(await send('POST', uploadPath('k'), { body: 'texT', headers: { 'x-goog-hash': `md5=${md5Hash}` } })).toBe(
      '400 invalid',
    )
    expect(await send('POST', uploadPath('k'), { body: 'texT', headers: { 'x-goog-hash': `crc32c=${crc32c}` } })).toBe(
      '400 invalid',
    )
  })

  it('without a name, with a broken body, or with fields that are not stored is refused', async () => {
    const multipart = { headers: { 'content-type': 'multipart/related; boundary=b' } }
    const path = uploadPath('k').replace('media', 'multipart')
    expect(await send('POST', uploadPath(''), { body: 'x' })).toBe('400 required')
    expect(await send('POST', path, { ...multipart, body: 'no parts' })).toBe('400 badRequest')
    const parts = (json: string) =>
      `--b\r\nContent-Type: application/json\r\n\r\n${json}\r\n--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--`
    expect(await send('POST', path, { ...multipart, body: parts('{"acl":[]}') })).toBe('501 notImplemented')
    expect(await send('POST', path, { ...multipart, body: parts('{') })).toBe('400 badRequest')
    expect(await send('POST', path, { ...multipart, body: parts('{}') })).toBe('200')
    expect(server.bucket(BUCKET).bytes('k')).toEqual(new Uint8Array([120]))
  })
})

describe('preconditions', () => {
  it('are checked by every method, on generation and metageneration', async () => {
    const { generation } = server.bucket(BUCKET).put('k', Buffer.from('1'))
    const outcomes: Record<string, string[]> = {}
    for (const query of [
      `ifGenerationMatch=${generation}`,
      'ifGenerationMatch=1',
      'ifGenerationMatch=0',
      `ifGenerationNotMatch=${generation}`,
      'ifGenerationNotMatch=1',
      'ifMetagenerationMatch=1',
      'ifMetagenerationMatch=2',
      'ifMetagenerationNotMatch=1',
      'ifGenerationMatch=x',
    ]) {
      const before = server.bucket(BUCKET).snapshot()
      const restored = async (request: Promise<string>) => {
        const outcome = await request
        server.bucket(BUCKET).restore(before)
        return outcome.split(' ')[0]!
      }
      outcomes[query.replace(String(generation), 'G')] = [
        await restored(send('GET', objectPath('k', `?alt=media&${query}`))),
        await restored(send('GET', objectPath('k', `?${query}`))),
        await restored(send('POST', uploadPath('k', `&${query}`), { body: '2' })),
        await restored(send('PATCH', objectPath('k', `?${query}`), { body: '{}' })),
        await restored(send('DELETE', objectPath('k', `?${query}`))),
      ]
    }
    expect(outcomes).toEqual({
      'ifGenerationMatch=G': ['200', '200', '200', '200', '204'],
      'ifGenerationMatch=1': ['412', '412', '412', '412', '412'],
      'ifGenerationMatch=0': ['412', '412', '412', '412', '412'],
      'ifGenerationNotMatch=G': ['304', '304', '412', '412', '412'],
      'ifGenerationNotMatch=1': ['200', '200', '200', '200', '204'],
      'ifMetagenerationMatch=1': ['200', '200', '200', '200', '204'],
      'ifMetagenerationMatch=2': ['412', '412', '412', '412', '412'],
      'ifMetagenerationNotMatch=1': ['304', '304', '412', '412', '412'],
      'ifGenerationMatch=x': ['400', '400', '400', '400', '400'],
    })
  })

  it('take 0 for an object that is not there, and nothing else', async () => {
    expect(await send('POST', uploadPath('new', '&ifGenerationMatch=5'), { body: '1' })).toBe('412 conditionNotMet')
    expect(await send('POST', uploadPath('new', '&ifMetagenerationMatch=1'), { body: '1' })).toBe('412 conditionNotMet')
    expect(await send('POST', uploadPath('new', '&ifGenerationNotMatch=0'), { body: '1' })).toBe('412 conditionNotMet')
    expect(await send('POST', uploadPath('new', '&ifGenerationMatch=0'), { body: '1' })).toBe('200')
    expect(await send('POST', uploadPath('new', '&ifGenerationMatch=0'), { body: '1' })).toBe('412 conditionNotMet')
  })

  it('let one of many writers through', async () => {
    const writes = Array.from({ length: 20 }, (_, n) =>
      file('raced').save(`${n}`, { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } }),
    )
    const results = await Promise.allSettled(writes)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('the policy of a bucket', () => {
  const path = (bucket: string, query = '') => `/storage/v1/b/${bucket}/iam${query}`
  const VERSION_3 = '?optionsRequestedPolicyVersion=3'

  it('is read by the real client, and lets nobody in but its project when the bucket is new', async () => {
    server.createBucket('shared', { bindings: [{ role: 'roles/storage.objectViewer', members: ['allUsers'] }] })
    const bindings = async (bucket: string) =>
      (await connect().bucket(bucket).iam.getPolicy({ requestedPolicyVersion: 3 }))[0].bindings
    expect(await bindings('shared')).toEqual([{ role: 'roles/storage.objectViewer', members: ['allUsers'] }])
    expect((await bindings(BUCKET)).flatMap(({ members }) => members).join()).toMatch(/^project\w+:\S+$/)
  })

  it('that has conditions is shown to those who ask for version 3', async () => {
    const condition = { title: 'once', expression: 'true' }
    server.createBucket('conditional', {
      bindings: [{ role: 'roles/storage.admin', members: ['user:a@b'], condition }],
    })
    expect(await send('GET', path('conditional', VERSION_3))).toBe('200')
    expect(await send('GET', path('conditional'))).toBe('400 invalid')
  })

  it('is shown to nobody without the permission, and cannot be changed', async () => {
    await start({ anonymous: false, credentials: [{ token: 't', deny: ['storage.buckets.getIamPolicy'] }] })
    const headers = { authorization: 'Bearer t' }
    expect(await send('GET', path(BUCKET, VERSION_3), { headers })).toBe('403 accessDenied')
    expect(await send('GET', path(BUCKET, VERSION_3))).toBe('401 required')
    expect(await send('PUT', path(BUCKET), { headers, body: '{}' })).toBe('501 notImplemented')
    expect(await send('GET', `${path(BUCKET)}/x`, { headers })).toBe('501 notImplemented')
  })
})

describe('generations', () => {
  it('only grow, are never used twice, and name versions that a versioned bucket keeps', async () => {
    const bucket = server.createBucket('kept', { versioning: true })
    const generations = [1, 2, 3].map((n) => bucket.put('k', Buffer.from(`${n}`)).generation)
    bucket.remove('k')
    generations.push(bucket.put('k', Buffer.from('4')).generation)
    expect([...generations].sort()).toEqual(generations)
    expect(new Set(generations).size).toBe(4)
    expect(bucket.versions('k')).toHaveLength(4)
    const old = connect()
      .bucket('kept')
      .file('k', { generation: String(generations[1]) })
    expect((await old.download())[0].toString()).toBe('2')
    await old.delete()
    expect(await refusal(old.download())).toBe('404')
    server.bucket(BUCKET).put('k', Buffer.from('1'))
    server.bucket(BUCKET).put('k', Buffer.from('2'))
    expect(server.bucket(BUCKET).versions('k')).toHaveLength(1)
  })
})

describe('what is missing or forbidden', () => {
  it('is a bucket or an object, told apart', async () => {
    const message = (request: Promise<unknown>) => request.then(String, (error: Error) => error.message)
    expect(await message(file('k').getMetadata())).toContain('No such object: state/k')
    expect(await message(file('k').download())).toBe('No such object: state/k')
    expect(await message(connect().bucket('none').file('k').download())).toContain('bucket does not exist')
    expect(await message(connect().bucket('none').getFiles())).toContain('bucket does not exist')
    expect(await message(file('k').delete())).toContain('No such object')
  })

  it('is told to known callers by permission, and to others not at all', async () => {
    await start({ anonymous: false, credentials: [{ token: 'one' }, { token: 'old', expired: true }] })
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    expect(await send('GET', objectPath('k'))).toBe('401 required')
    expect(await send('GET', objectPath('k'), as('other'))).toBe('401 authError')
    expect(await send('GET', objectPath('k'), as('old'))).toBe('401 authError')
    expect(await send('GET', objectPath('k'), as('one'))).toBe('404 notFound')
    server.deny('one', ['storage.objects.list'])
    expect(await send('GET', objectPath('k'), as('one'))).toBe('403 accessDenied')
    server.deny('one', [{ permission: 'storage.objects.delete', name: 'kept/*' }])
    expect(await send('POST', uploadPath('kept/1'), { ...as('one'), body: '1' })).toBe('200')
    expect(await send('POST', uploadPath('kept/1'), { ...as('one'), body: '2' })).toBe('403 accessDenied')
    expect(await send('POST', uploadPath('other'), { ...as('one'), body: '2' })).toBe('200')
    expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true)
  })

  it('is never ignored: operations, parameters and headers that the server does not honour are 501', async () => {
    expect(await send('POST', `${objectPath('k')}/rewriteTo/b/state/o/x`)).toBe('501 notImplemented')
    expect(await send('POST', `/batch/storage/v1`)).toBe('501 notImplemented')
    expect(await send('GET', objectPath('k', '?softDeleted=true'))).toBe('501 notImplemented')
    expect(await send('GET', objectPath('k', '?alt=media'), { headers: { range: 'bytes=0-1' } })).toBe('501')
    expect(await send('POST', uploadPath('k'), { body: '', headers: { 'x-goog-encryption-key': 'k' } })).toBe(
      '501 notImplemented',
    )
  })
})

describe('a listing', () => {
  it('comes in pages of at most 1,000, by prefix and delimiter, ascending by bytes', async () => {
    const names = ['a', 'b/1', 'b/2', 'c/1/x', 'c/2', 'é', '😀', '\uffee']
    for (const name of names) server.bucket(BUCKET).put(name, Buffer.from(name))
    const list = async (query: object) => {
      const found: string[] = []
      const prefixes: string[] = []
      let pageToken: string | undefined
      do {
        const [files, , page] = await connect()
          .bucket(BUCKET)
          .getFiles({ autoPaginate: false, maxResults: 2, ...query, ...(pageToken === undefined ? {} : { pageToken }) })
        const answer = page as { nextPageToken?: string; prefixes?: string[] }
        found.push(...files.map(({ name }) => name))
        prefixes.push(...(answer.prefixes ?? []))
        pageToken = answer.nextPageToken
      } while (pageToken !== undefined)
      return { found, prefixes }
    }
    expect((await list({})).found).toEqual(['a', 'b/1', 'b/2', 'c/1/x', 'c/2', 'é', '\uffee', '😀'])
    expect(await list({ delimiter: '/' })).toEqual({ found: ['a', 'é', '\uffee', '😀'], prefixes: ['b/', 'c/'] })
    expect(await list({ prefix: 'c/', delimiter: '/' })).toEqual({ found: ['c/2'], prefixes: ['c/1/'] })
    for (let n = 0; n < 1_100; n += 1) server.bucket(BUCKET).put(`many/${n}`, Buffer.from(''))
    const [first] = await connect().bucket(BUCKET).getFiles({ prefix: 'many/', autoPaginate: false, maxResults: 5_000 })
    expect(first).toHaveLength(1_000)
    expect((await connect().bucket(BUCKET).getFiles({ prefix: 'many/' }))[0]).toHaveLength(1_100)
  })
})

describe('the rate of changes', () => {
  it('is one a second of each object where that is asked for: what comes earlier is refused before it is executed', async () => {
    await start({ oneWriteASecond: true })
    expect(await send('POST', uploadPath('a'), { body: '1' })).toBe('200')
    expect(await send('POST', uploadPath('a'), { body: '2' })).toBe('429 rateLimitExceeded')
    expect(await send('DELETE', objectPath('a'))).toBe('429 rateLimitExceeded')
    expect(await send('POST', uploadPath('b'), { body: '1' })).toBe('200')
    expect(await send('GET', objectPath('a'))).toBe('200')
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    expect(await send('POST', uploadPath('a', '&ifGenerationMatch=0'), { body: '3' })).toBe('412 conditionNotMet')
    expect(await send('POST', uploadPath('a'), { body: '3' })).toBe('200') // a refusal changed nothing
    expect(Buffer.from(server.bucket(BUCKET).bytes('a')!).toString()).toBe('3')
  })
})

describe('faults', () => {
  it('act on any request, by S3’s names of the operations, in the service’s own form', async () => {
    server.faults.add({ operation: 'PutObject', key: 'k' }, { do: 'status', status: 503, code: 'backendError' })
    expect(await refusal(file('k').save('1', { resumable: false }))).toBe('503 backendError')
    server.faults.add({ operation: 'PutObject' }, { do: 'drop-answer' })
    await expect(file('k').save('2', { resumable: false })).rejects.toThrow()
    expect(Buffer.from(server.bucket(BUCKET).bytes('k')!).toString()).toBe('2')
    server.faults.add({ operation: 'GetObject' }, { do: 'corrupt' })
    await expect(file('k').download()).rejects.toThrow() // the client compared the hash
    expect(server.faults.unfired()).toEqual([])
    expect(server.requests.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ['PutObject', 'answered'],
      ['PutObject', 'lost'],
      ['GetObject', 'answered'],
    ])
  })
})
