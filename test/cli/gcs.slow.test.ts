import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'
import { Workspace } from './workspace.ts'

const script = fileURLToPath(new URL('../../scripts/quickstart.mjs', import.meta.url))
const HEAD = { operation: 'PutObject', key: '*heads/*' }

let server: GcsServer
let at: Workspace
let store: string

beforeAll(async () => {
  server = await startGcsServer({ anonymous: true })
  server.createBucket('acme-state')
  store = `gs://acme-state/prod?endpoint=${server.endpoint}&conditionalWrites=trusted`
})
afterAll(() => server.close())

beforeEach(async () => {
  at = new Workspace()
  at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext' }))
  await at.ok(['init'])
})
afterEach(() => {
  server.faults.clear()
  at.remove()
})

describe('the commands on Google Cloud Storage', () => {
  it('are the same, with five requests for a push and one for a pull when the store’s id is configured', async () => {
    const { json } = await at.ok(['init', '--json'])
    at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext', storeId: json.storeId }))
    await at.ok(['push', 'shop/prod'], { input: '{"a":1}' }) // the first lock of a document claims its head, which is more
    server.takeRequests()
    await at.ok(['push', 'shop/prod'], { input: '{"a":2}' })
    const requests = server
      .takeRequests()
      .map(({ operation, key }) => `${operation} ${/heads|locks/.exec(key ?? '')?.[0]}`)
    expect(requests.sort()).toEqual([
      'GetObject heads',
      'GetObject locks',
      'PutObject heads',
      'PutObject locks',
      'PutObject locks',
    ])
    expect((await at.ok(['pull', 'shop/prod'])).stdout).toBe('{"a":2}')
    expect(server.takeRequests().map(({ operation }) => operation)).toEqual(['GetObject'])
  })

  it('find out that a push landed although its answer was lost', async () => {
    await at.ok(['push', 'lost/answer'], { input: '0' })
    server.faults.add(HEAD, { do: 'drop-answer' })
    const { json } = await at.ok(['push', 'lost/answer', '--json'], { input: '1' })
    expect(json.revision.number).toBe(2)
    expect((await at.ok(['history', 'lost/answer', '--json'])).json.revisions).toHaveLength(2)
  })

  it('end with 7 when an interrupted push may have landed and the store cannot say', async () => {
    await at.ok(['push', 'may/be'], { input: '0' })
    server.faults.add({ ...HEAD, times: Number.POSITIVE_INFINITY }, { do: 'stall', when: 'after' })
    server.faults.add(
      { operation: 'GetObject', key: '*heads/*', nth: 2, times: Number.POSITIVE_INFINITY },
      { do: 'status', status: 503, code: 'backendError' },
    )
    const interrupt = new AbortController()
    setTimeout(() => interrupt.abort(), 1_000)
    const { code, json } = await at.run(['push', 'may/be', '--json'], { input: '1', signal: interrupt.signal })
    expect([code, json.error.code]).toEqual([7, 'OutcomeUnknown'])
    expect(`${json.error.message} ${json.error.hint}`).toMatch(/[0-9a-f]{32}@3/)
  })

  it('end with 1, never with 5, when the bucket or the permission is missing', async () => {
    const bucket = await at.run(['pull', 'a', '--json', '--store', store.replace('acme-state', 'no-such-bucket')])
    expect([bucket.code, bucket.json.error.code]).toEqual([1, 'BucketMissing'])
    server.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status: 403, code: 'forbidden' })
    const denied = await at.run(['pull', 'a', '--json'])
    expect([denied.code, denied.json.error.code]).toEqual([1, 'AccessDenied'])
    server.faults.clear()
    const empty = await at.run(['pull', 'a', '--json', '--store', store.replace('/prod', '/mistyped')])
    expect(empty.code).toBe(1)
  })
})

describe('npm run quickstart', () => {
  it('runs against Google Cloud Storage by the address alone, and removes what it made there', async () => {
    const before = server.bucket('acme-state').snapshot()
    const child = spawn(process.execPath, [script], { env: { ...process.env, KEELSTATE_STORE: store }, stdio: 'pipe' })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(child, 'close')
    expect(child.exitCode, said).toBe(0)
    expect(said).toContain("keelstate init --store 'gs://acme-state/prod/quickstart-")
    expect(server.bucket('acme-state').snapshot()).toEqual(before)
  })
})
