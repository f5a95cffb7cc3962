import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Finding } from '../../src/core/inspection.ts'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type DoctorReport, doctor, json, openStore } from '../../src/index.ts'
import { type GcsPermission, type GcsServer, startGcsServer } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'

const rounds = count(200, 3)
const enough = count(200, 10) // to be remembered
reportCounts(import.meta.filename, { 'rounds of races': rounds })

let server: GcsServer

beforeEach(async () => {
  server = await startGcsServer()
})
afterEach(() => server.close())

const open = (options: Partial<GcsStoreOptions> = {}) =>
  gcsStore({ ...server.clientConfig, bucket: 'state', prefix: 'team', ...options })
const examine = (): Promise<DoctorReport> => doctor({ store: open(), rounds })
const prove = (): Promise<DoctorReport> => doctor({ store: open(), rounds: enough })
type Found = Pick<DoctorReport, 'findings'>
const bad = ({ findings }: Found): string[] =>
  findings.filter(({ verdict }) => verdict === 'unsafe').map(({ check }) => check)
const found = ({ findings }: Found, check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check)
async function look(store = open()): Promise<Found> {
  const findings: Finding[] = []
  for await (const finding of store.inspect!()) findings.push(finding)
  return { findings }
}
async function firstOf<T>(all: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of all) return one
  return undefined
}

describe('a service that speaks the JSON API of Google Cloud Storage', () => {
  it.each([false, true])('is safe when it does as Google does, with versioning %s', async (versioning) => {
    server.createBucket('state', { versioning })
    expect(await prove()).toMatchObject({ verdict: 'safe', remembered: true })
  })

  const FLAWS: readonly [string, Partial<Pick<GcsServer, 'conditions' | 'flaws'>>, readonly string[]][] = [
    [
      'ignores all conditions',
      { conditions: 'ignored' },
      ['create-race', 'create-refused', 'update-race', 'update-refused'],
    ],
    ['races all conditions', { conditions: 'racy' }, ['create-race', 'update-race']],
    ['ignores ifGenerationMatch=0', { flaws: { creates: 'ignored' } }, ['create-race', 'create-refused']],
    ['races ifGenerationMatch=0', { flaws: { creates: 'racy' } }, ['create-race']],
    ['refuses every ifGenerationMatch=0', { flaws: { creates: 'refused' } }, ['create-race', 'update-race']],
    ['ignores other ifGenerationMatch', { flaws: { updates: 'ignored' } }, ['update-race', 'update-refused']],
    ['races other ifGenerationMatch', { flaws: { updates: 'racy' } }, ['update-race']],
    ['refuses every other ifGenerationMatch', { flaws: { updates: 'refused' } }, ['update-race', 'update-refused']],
    ['reads what was there before', { flaws: { reads: 'stale' } }, ['read-after-write']],
    ['lists what was there before', { flaws: { lists: 'stale' } }, ['list-after-write']],
    ['always says that nothing changed', { flaws: { notModified: 'always' } }, ['conditional-read']],
    ['changes bodies', { flaws: { bodies: 'framed' } }, ['bodies']],
  ]
  it.each(FLAWS)('that %s is found, and locks stay out of it', async (_, flaw, checks) => {
    const bucket = server.createBucket('state')
    Object.assign(server, flaw)
    const report = await examine()
    expect(report).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(bad(report)).toEqual(expect.arrayContaining([...checks]))
    for (const check of checks) expect(found(report, check)?.todo).toBeTruthy()
    expect(bucket.keys().filter((key) => key.startsWith('team/objects/'))).toEqual([])
  })

  it('that denies what it did is told of: keelstate finds out, and it costs requests', async () => {
    server.createBucket('state')
    server.flaws = { updates: 'denied-after-write' }
    expect(found(await examine(), 'update-race')).toMatchObject({
      verdict: 'warning',
      says: expect.stringContaining('told that it did not'),
    })
  })

  it('is asked for what the credentials may do, and for no more', async () => {
    server.createBucket('state')
    await (await openStore({ store: open(), keys: 'plaintext', memory: false })).init()
    const may = async (...denied: GcsPermission[]) => {
      server.deny(server.credential.token, denied)
      const report = await examine()
      expect(bad(report)).toEqual(denied.includes('storage.objects.get') ? ['permissions'] : [])
      return [report.verdict, found(report, 'permissions')?.says]
    }
    expect(await may('storage.objects.list')).toEqual(['unproven', expect.stringContaining('may not list: enough for')])
    expect(await may('storage.objects.create')).toEqual(['unproven', expect.stringContaining('enough for pull')])
    expect(await may('storage.objects.get', 'storage.objects.create')).toEqual([
      'unsafe',
      expect.stringContaining('enough for nothing'),
    ])
  })

  it('lets no lock in on an endpoint of its own before it is proven', async () => {
    server.createBucket('state')
    const store = await openStore({ store: open(), keys: 'plaintext', memory: false })
    await store.init()
    const document = store.document('shop/prod', json<number>())
    await expect(document.lock({ operation: 'deploy' })).rejects.toMatchObject({ code: 'Unsupported' })
    await prove()
    await document.withLock({ operation: 'deploy' }, (held) => held.commit(1))
    expect(gcsStore({ bucket: 'state' }).capabilities.proofNeeded).toBe(false)
    expect(open({ conditionalWrites: 'trusted' }).capabilities.proofNeeded).toBe(false)
    expect(open({ endpoint: 'https://storage.googleapis.com' }).capabilities.proofNeeded).toBe(false)
  })

  const deletes = (condition: object) => ({ lifecycle: { rule: [{ action: { type: 'Delete' }, condition }] } })
  it.each([
    [deletes({ age: 30 }), { lifecycle: 'unsafe' }],
    [deletes({ age: 30, matchesPrefix: ['team/locks/'] }), { lifecycle: 'unsafe' }],
    [deletes({ age: 30, matchesPrefix: ['logs/'] }), { lifecycle: 'ok' }],
    [deletes({ age: 30, isLive: false }), { lifecycle: 'ok' }],
    [deletes({ daysSinceNoncurrentTime: 30 }), { lifecycle: 'ok' }],
    [{}, { lifecycle: 'ok', versioning: 'warning', 'public-access': 'warning', encryption: 'ok' }],
    [{ versioning: { enabled: true } }, { versioning: 'ok' }],
    [{ softDeletePolicy: { retentionDurationSeconds: '604800' } }, { versioning: 'ok' }],
    [{ iamConfiguration: { publicAccessPrevention: 'enforced' } }, { 'public-access': 'ok' }],
  ])('has its settings judged: %j', async (settings, wanted) => {
    server.createBucket('state', { settings })
    const verdicts = Object.fromEntries((await look()).findings.map(({ check, verdict }) => [check, verdict]))
    expect(verdicts).toMatchObject(wanted)
  })

  const to = (...members: string[]) => ({ role: 'roles/storage.objectViewer', members })
  const enforced = { iamConfiguration: { publicAccessPrevention: 'enforced' } }
  it.each([
    ['nobody but its project', {}, 'ok'],
    ['people', { bindings: [to('user:a@example.com'), to('group:all@example.com', 'domain:example.com')] }, 'ok'],
    ['everybody', { bindings: [to('user:a@example.com'), to('user:b@example.com', 'allUsers')] }, 'unsafe'],
    ['everybody with an account', { bindings: [to('allAuthenticatedUsers')] }, 'unsafe'],
    [
      'everybody on a condition',
      { bindings: [{ ...to('allUsers'), condition: { title: 'once', expression: 'true' } }] },
      'unsafe',
    ],
    ['everybody, in vain', { bindings: [to('allUsers')], settings: enforced }, 'warning'],
  ])('has its policy judged that lets in %s', async (_, options, verdict) => {
    server.createBucket('state', options)
    const finding = found(await look(), 'public-policy')
    expect(finding?.verdict).toBe(verdict)
    if (verdict !== 'ok') expect(finding?.says).toContain('roles/storage.objectViewer to all')
  })

  it('has its clock compared, also by who may not look at its settings', async () => {
    server.createBucket('state')
    expect(found(await look(), 'clock')?.verdict).toBe('ok')
    server.clockOffsetMs = -5 * 60_000
    const behind = { verdict: 'warning', says: expect.stringMatching(/3\d\d|29\d s ahead of/) }
    expect(found(await look(), 'clock')).toMatchObject(behind)
    server.deny(server.credential.token, ['storage.buckets.get'])
    expect(found(await look(), 'clock')).toMatchObject(behind)
  })

  it('is asked whether damaged bodies are refused, and nothing is left of it', async () => {
    const bucket = server.createBucket('state')
    expect(found(await look(), 'checksums')?.verdict).toBe('ok')
    server.flaws = { checksums: 'ignored' }
    expect(found(await look(), 'checksums')).toMatchObject({
      verdict: 'warning',
      says: expect.stringContaining('md5Hash'),
    })
    expect(bucket.keys().filter((key) => key.includes('checksum'))).toEqual([])
  })

  it.each([
    [{}, 'ok'],
    [{ endpoint: 'https://gcs.example' }, 'ok'],
    [{ endpoint: 'http://gcs.example' }, 'warning'],
    [{ endpoint: 'http://storage.googleapis.com' }, 'warning'],
    [{ endpoint: 'http://127.0.0.1:4443' }, 'ok'],
    [{ client: { bucket: () => ({}), customEndpoint: true } }, 'unknown'],
    [{ client: { bucket: () => ({}) } }, 'ok'],
  ])('is reached over TLS or not: %j', async (options, verdict) => {
    expect(await firstOf(gcsStore({ bucket: 'state', ...options }).inspect!())).toMatchObject({ check: 'tls', verdict })
  })

  it('is reached as an emulator that the environment names, with a scheme or without', async () => {
    for (const [host, verdict] of [
      ['localhost:4443', 'ok'],
      ['gcs.example:4443', 'warning'],
      ['http://gcs.example', 'warning'],
    ] as const) {
      vi.stubEnv('STORAGE_EMULATOR_HOST', host)
      const store = gcsStore({ bucket: 'state' })
      expect(store.capabilities.proofNeeded).toBe(true)
      expect(await firstOf(store.inspect!())).toMatchObject({ check: 'tls', verdict })
    }
    vi.unstubAllEnvs()
  })

  it('of Google says whose bucket it is; elsewhere the endpoint says it', async () => {
    server.createBucket('state')
    expect(found(await look(), 'owner')?.says).toContain('your own choosing')
    await server.close()
    server = await startGcsServer({ anonymous: true })
    server.createBucket('state')
    // The fixture under the name of Google: what is asked is what would be asked there.
    const { Storage } = await import('@google-cloud/storage')
    const client = new Storage({ apiEndpoint: server.endpoint, retryOptions: { autoRetry: false } })
    const store = gcsStore({ bucket: 'state', client: { bucket: (name) => client.bucket(name) } })
    expect(found(await look(store), 'owner')).toMatchObject({
      verdict: 'ok',
      says: expect.stringContaining('123456789012'),
    })
  })

  it('is asked for its settings only by who may look at them', async () => {
    server.createBucket('state')
    server.deny(server.credential.token, ['storage.buckets.get', 'storage.buckets.getIamPolicy'])
    const report = await examine()
    expect(report.verdict).toBe('safe')
    for (const [check, permission] of [
      ['settings', 'storage.buckets.get'],
      ['public-policy', 'storage.buckets.getIamPolicy'],
    ] as const)
      expect(found(report, check)).toMatchObject({ verdict: 'unknown', todo: expect.stringContaining(permission) })
  })
})
