import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type DoctorReport, doctor, json, openStore } from '../../src/index.ts'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'

const rounds = count(200, 3)
reportCounts(import.meta.filename, { 'rounds of races': rounds })

let server: GcsServer

beforeEach(async () => {
  server = await startGcsServer()
})
afterEach(() => server.close())

const open = (options: Partial<GcsStoreOptions> = {}) =>
  gcsStore({ ...server.clientConfig, bucket: 'state', prefix: 'team', ...options })
const examine = (): Promise<DoctorReport> => doctor({ store: open(), rounds })
const bad = ({ findings }: DoctorReport): string[] =>
  findings.filter(({ verdict }) => verdict === 'unsafe').map(({ check }) => check)

describe('a service that speaks the JSON API of Google Cloud Storage', () => {
  it.each([false, true])('is safe when it does as Google does, with versioning %s', async (versioning) => {
    server.createBucket('state', { versioning })
    expect(await examine()).toMatchObject({ verdict: 'safe', remembered: true })
  })

  it.each([
    ['ignored', ['create-race', 'create-refused', 'update-race', 'update-refused']],
    ['racy', ['create-race', 'update-race']],
  ] as const)('is unsafe when ifGenerationMatch is %s', async (conditions, checks) => {
    server.createBucket('state')
    server.conditions = conditions
    const report = await examine()
    expect(report).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(bad(report)).toEqual(expect.arrayContaining([...checks]))
  })

  it('lets no lock in on an endpoint of its own before it is proven', async () => {
    server.createBucket('state')
    const store = await openStore({ store: open(), keys: 'plaintext', memory: false })
    await store.init()
    const document = store.document('shop/prod', json<number>())
    await expect(document.lock({ operation: 'deploy' })).rejects.toMatchObject({ code: 'Unsupported' })
    await examine()
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
    const verdicts: Record<string, string> = {}
    for await (const { check, verdict } of open().inspect!()) verdicts[check] = verdict
    expect(verdicts).toMatchObject(wanted)
  })

  it('is asked for its settings only by who may look at them', async () => {
    server.createBucket('state')
    server.deny(server.credential.token, ['storage.buckets.get'])
    const report = await examine()
    expect(report.verdict).toBe('safe')
    expect(report.findings).toContainEqual(expect.objectContaining({ check: 'settings', verdict: 'unknown' }))
  })
})
