import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { proofKey } from '../../src/core/proof.ts'
import { type DoctorReport, doctor, type Finding, json, KeelstateError, openStore } from '../../src/index.ts'
import { type S3StoreOptions, s3Store } from '../../src/s3/index.ts'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'
import { PROVE, reportCounts } from '../counts.ts'

const rounds = PROVE ? 200 : 3
const enough = PROVE ? 200 : 10 // to be remembered
reportCounts(import.meta.filename, { 'rounds of races': rounds })
const PREFIX = 'team/prod/'

let server: S3Server

beforeEach(async () => {
  server = await startS3Server()
})
afterEach(() => server.close())

const open = (options: Partial<S3StoreOptions> = {}) =>
  s3Store({ ...server.clientConfig, bucket: 'state', prefix: PREFIX, ...options })
const examine = (): Promise<DoctorReport> => doctor({ store: open(), rounds })
const prove = (): Promise<DoctorReport> => doctor({ store: open(), rounds: enough })
const bad = ({ findings }: DoctorReport): string[] =>
  findings.filter(({ verdict }) => verdict === 'unsafe').map(({ check }) => check)
const found = ({ findings }: DoctorReport, check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check)
async function count(all: AsyncIterable<unknown>): Promise<number> {
  let n = 0
  for await (const _ of all) n++
  return n
}
const keys = (): string[] =>
  server
    .bucket('state')
    .keys()
    .map((key) => key.slice(PREFIX.length))

describe('a service that speaks S3', () => {
  it.each(['off', 'enabled'] as const)('is safe when it does as S3 does, with versioning %s', async (versioning) => {
    server.createBucket('state', versioning === 'off' ? {} : { versioning })
    const report = await prove()
    expect(report).toMatchObject({
      verdict: 'safe',
      remembered: true,
      store: expect.stringContaining('s3://state/team/prod'),
    })
    expect(bad(report)).toEqual([])
    for (const { says, todo = '' } of report.findings) expect(`${says}${todo}`).toMatch(/^[A-Z0-9].*[.)]$/s)
  })

  it('is left as it was, but for the proof and two small objects that are moved and never deleted', async () => {
    server.createBucket('state')
    const store = await openStore({ store: open({ conditionalWrites: 'trusted' }), keys: 'plaintext', memory: false })
    await store.init()
    await store.document('shop/prod', json()).withLock({ operation: 'deploy' }, (held) => held.commit(1))
    const before = new Map(keys().map((key) => [key, server.bucket('state').current(PREFIX + key)?.etag]))
    await prove()
    await prove()
    for (const [key, etag] of before) expect(server.bucket('state').current(PREFIX + key)?.etag, key).toBe(etag)
    const left = keys().filter((key) => !before.has(key))
    expect(left).toEqual(['doctor/probe', proofKey(open().address)])
    expect(server.bucket('state').bytes(`${PREFIX}doctor/probe`)).toHaveLength(64)
    expect(await count(store.list({ kind: 'any', all: true }))).toBe(1)
    expect(await count(store.locks())).toBe(1)
  })

  const FLAWS: readonly [string, Partial<Pick<S3Server, 'conditions' | 'flaws'>>, readonly string[]][] = [
    [
      'ignores all conditions',
      { conditions: 'ignored' },
      ['create-race', 'create-refused', 'update-race', 'update-refused'],
    ],
    ['races all conditions', { conditions: 'racy' }, ['create-race', 'update-race']],
    ['ignores If-None-Match', { flaws: { ifNoneMatch: 'ignored' } }, ['create-race', 'create-refused']],
    ['races If-None-Match', { flaws: { ifNoneMatch: 'racy' } }, ['create-race']],
    ['refuses every If-None-Match', { flaws: { ifNoneMatch: 'refused' } }, ['create-race', 'update-race']],
    ['ignores If-Match', { flaws: { ifMatch: 'ignored' } }, ['update-race', 'update-refused']],
    ['races If-Match', { flaws: { ifMatch: 'racy' } }, ['update-race']],
    ['refuses every If-Match', { flaws: { ifMatch: 'refused' } }, ['update-race', 'update-refused']],
    ['reads what was there before', { flaws: { reads: 'stale' } }, ['read-after-write']],
    ['lists what was there before', { flaws: { lists: 'stale' } }, ['list-after-write']],
    ['always says that nothing changed', { flaws: { notModified: 'always' } }, ['conditional-read']],
    ['changes bodies', { flaws: { bodies: 'framed' } }, ['bodies']],
  ]
  it.each(FLAWS)('that %s is found, and locks stay out of it', async (_, flaw, checks) => {
    server.createBucket('state')
    Object.assign(server, flaw)
    const report = await examine()
    expect(report).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(bad(report)).toEqual(expect.arrayContaining([...checks]))
    for (const check of checks) expect(found(report, check)?.todo).toBeTruthy()
    expect(keys().filter((key) => key.startsWith('objects/'))).toEqual([])
  })

  it('that races only under concurrency passes a single writer, and no race', async () => {
    server.createBucket('state')
    server.conditions = 'racy'
    const report = await examine()
    expect(found(report, 'create-refused')?.verdict).toBe('ok')
    expect(found(report, 'update-refused')?.verdict).toBe('ok')
    expect(found(report, 'create-race')?.says).toMatch(/more than one of 8 writers/)
  })

  it('that denies what it did is told of: keelstate finds out, and it costs requests', async () => {
    server.createBucket('state')
    server.flaws = { ifMatch: 'denied-after-write' }
    const report = await examine()
    expect(found(report, 'update-race')).toMatchObject({
      verdict: 'warning',
      says: expect.stringContaining('told that it did not'),
    })
  })

  it('whose answers get lost now and then raises no false alarm', async () => {
    server.createBucket('state')
    for (const nth of [5, 22, 47, 61]) server.faults.add({ operation: 'PutObject', nth }, { do: 'drop-answer' })
    expect(bad(await examine())).toEqual([])
  })

  it('takes its proof back when it turns out to be wrong', async () => {
    server.createBucket('state')
    expect((await prove()).remembered).toBe(true)
    server.conditions = 'racy'
    expect(await examine()).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(keys()).not.toContain(proofKey(open().address))
  })

  it('is told apart from a place that is not there', async () => {
    await expect(examine()).rejects.toMatchObject({ code: 'BucketMissing' })
    server.createBucket('state')
    const credentials = { ...server.credential, secretAccessKey: 'wrong' }
    await expect(doctor({ store: open({ credentials }), rounds })).rejects.toMatchObject({ code: 'Unauthenticated' })
  })

  it('is asked for what the credentials may do, and for no more', async () => {
    server.createBucket('state')
    server.deny(server.credential.accessKeyId, ['DeleteObject'])
    const writer = await examine()
    expect(found(writer, 'permissions')).toMatchObject({
      verdict: 'warning',
      says: expect.stringContaining('may not delete'),
    })
    expect([writer.verdict, bad(writer)]).toEqual(['safe', []])
    expect(found(writer, 'delete')?.verdict).toBe('warning')
    server.deny(server.credential.accessKeyId, ['DeleteObject', 'PutObject'])
    expect(await examine()).toMatchObject({ verdict: 'unproven' })
  })

  it('is cleaned up when the check is given up half-way', async () => {
    server.createBucket('state')
    const stop = new AbortController()
    const work = doctor({
      store: open(),
      rounds: 10_000,
      signal: stop.signal,
      onProgress: (check, done) => {
        if (check === 'create-race' && done === 3) stop.abort()
      },
    })
    await expect(work).rejects.toMatchObject({ code: 'Aborted' })
    expect(keys().filter((key) => key.startsWith('objects/'))).toEqual([])
  })
})

describe('the settings of a bucket', () => {
  const rule = (inner: string) =>
    `<LifecycleConfiguration><Rule><ID>clean up</ID><Status>Enabled</Status>${inner}</Rule></LifecycleConfiguration>`
  const verdicts = async (settings: Record<string, string>, check: string): Promise<string | undefined> => {
    server.createBucket('state', { settings })
    for await (const finding of open().inspect!()) if (finding.check === check) return finding.verdict
    return undefined
  }

  it.each([
    [
      'expires everything',
      rule('<Filter><Prefix></Prefix></Filter><Expiration><Days>90</Days></Expiration>'),
      'unsafe',
    ],
    [
      'expires locks',
      rule(`<Filter><Prefix>${PREFIX}locks/</Prefix></Filter><Expiration><Days>1</Days></Expiration>`),
      'unsafe',
    ],
    [
      'archives',
      rule('<Prefix>team/</Prefix><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>'),
      'unsafe',
    ],
    ['expires elsewhere', rule('<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>1</Days></Expiration>'), 'ok'],
    [
      'expires old versions',
      rule(
        '<Filter><Prefix></Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>',
      ),
      'ok',
    ],
    [
      'expires what is tagged',
      rule('<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Expiration><Days>1</Days></Expiration>'),
      'ok',
    ],
  ])('a lifecycle rule that %s is judged', async (_, lifecycle, verdict) => {
    expect(await verdicts({ lifecycle }, 'lifecycle')).toBe(verdict)
  })

  it('of a store at the root of its bucket are not those of what lies beside it', async () => {
    const expires = (prefix: string) => ({
      lifecycle: rule(`<Filter><Prefix>${prefix}</Prefix></Filter><Expiration><Days>1</Days></Expiration>`),
    })
    for (const [prefix, verdict] of [
      ['logs/', 'ok'],
      ['heads/', 'unsafe'],
    ] as const) {
      server.createBucket('state', { settings: expires(prefix) })
      const findings: Finding[] = []
      for await (const finding of open({ prefix: '' }).inspect!()) findings.push(finding)
      expect(findings).toContainEqual(expect.objectContaining({ check: 'lifecycle', verdict }))
      server.removeBucket('state')
    }
  })

  it('are fine without a lifecycle rule', async () => {
    expect(await verdicts({}, 'lifecycle')).toBe('ok')
  })

  it.each([
    ['ok', 'enabled'],
    ['warning', undefined],
  ] as const)('have versioning judged: %s', async (verdict, versioning) => {
    server.createBucket('state', versioning === undefined ? {} : { versioning })
    expect(found(await examine(), 'versioning')?.verdict).toBe(verdict)
  })

  it('of AWS are judged as AWS keeps them', async () => {
    const judge = async (settings: Record<string, string>) => {
      server.createBucket('state', { settings })
      // The fixture under the name of AWS: what is asked is what would be asked there.
      const { S3Client } = await import('@aws-sdk/client-s3')
      const client = new S3Client({ ...server.clientConfig, maxAttempts: 1 })
      const store = s3Store({ bucket: 'state', prefix: PREFIX, client: { send: client.send.bind(client) as never } })
      const verdicts: Record<string, string> = {}
      for await (const { check, verdict } of store.inspect!()) verdicts[check] = verdict
      server.removeBucket('state')
      client.destroy()
      return verdicts
    }
    const policy = (statement: object) => JSON.stringify({ Statement: [statement] })
    const xml = (root: string, inner: string) => `<${root}>${inner}</${root}>`
    const block = (value: boolean) =>
      xml(
        'PublicAccessBlockConfiguration',
        ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
          .map((name) => xml(name, String(value)))
          .join(''),
      )
    const good = {
      policy: policy({ Effect: 'Deny', Principal: '*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      policyStatus: xml('PolicyStatus', xml('IsPublic', 'false')),
      publicAccessBlock: block(true),
      encryption: xml(
        'ServerSideEncryptionConfiguration',
        '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>',
      ),
    }
    expect(await judge(good)).toMatchObject({
      tls: 'ok',
      'public-access': 'ok',
      'public-policy': 'ok',
      encryption: 'ok',
      owner: 'warning',
      checksums: 'ok',
      clock: 'ok',
    })
    expect(
      await judge({ policyStatus: xml('PolicyStatus', xml('IsPublic', 'true')), publicAccessBlock: block(false) }),
    ).toMatchObject({
      tls: 'warning',
      'public-access': 'warning',
      'public-policy': 'unsafe',
      encryption: 'warning',
    })
  })

  it.each([
    ['https://minio.example', 'ok'],
    ['http://minio.example', 'warning'],
    ['http://s3.eu-west-1.amazonaws.com', 'warning'],
    ['http://localhost:9000', 'ok'],
  ] as const)('are asked for over TLS or not: %s', async (endpoint, verdict) => {
    for await (const finding of s3Store({ bucket: 'state', endpoint }).inspect!()) {
      expect(finding).toMatchObject({ check: 'tls', verdict })
      return // before anything is sent
    }
    expect.unreachable('nothing was said')
  })

  it('say whose bucket it has to be when the address does', async () => {
    server.createBucket('state')
    const says = async (options: Partial<S3StoreOptions>) => {
      for await (const { check, says } of open(options).inspect!()) if (check === 'owner') return says
      return undefined
    }
    expect(await says({ expectedBucketOwner: '111122223333' })).toContain('111122223333')
    expect(await says({})).toContain('your own choosing')
  })

  it('include the clock, and whether bodies are checked', async () => {
    server.createBucket('state')
    expect(found(await examine(), 'clock')?.verdict).toBe('ok')
    server.flaws = { checksums: 'ignored' }
    expect(found(await examine(), 'checksums')?.verdict).toBe('warning')
    expect(keys().filter((key) => key.includes('checksum'))).toEqual([])
    server.clockOffsetMs = 5 * 60_000
    const off = found(await examine(), 'clock')
    expect(off).toMatchObject({ verdict: 'warning', says: expect.stringContaining('behind') })
  })
})

describe('a lock in a store on an endpoint of its own', () => {
  const operation = 'deploy'
  const start = async (options: Partial<S3StoreOptions> = {}) => {
    const store = await openStore({ store: open(options), keys: 'plaintext', memory: false })
    await store.init()
    return store.document('shop/prod', json<number>())
  }
  const refusal = async (work: Promise<unknown>): Promise<KeelstateError> => {
    const error = await work.catch((thrown: unknown) => thrown)
    if (KeelstateError.is(error)) return error
    throw new Error('it was not refused')
  }

  it('is refused with the command to run, until doctor has proven the store; commits without a lock are not', async () => {
    server.createBucket('state')
    const doc = await start()
    const error = await refusal(doc.lock({ operation }))
    expect(error).toMatchObject({ code: 'Unsupported', retry: 'never' })
    expect(error.hint).toContain(`keelstate doctor --store 's3://state/team/prod?endpoint=${server.endpoint}'`)
    expect(keys().filter((key) => key.startsWith('locks/'))).toEqual([])
    await doc.commit(1, { parent: 'none' })
    expect(await doc.holder()).toBeUndefined()
    await prove()
    await doc.withLock({ operation }, (held) => held.commit(2))
    expect((await doc.read())?.value).toBe(2)
  })

  it('stays refused where another address was proven: a copy, or another way to it, has to prove itself', async () => {
    server.createBucket('state')
    await prove()
    const elsewhere = s3Store({
      ...server.clientConfig,
      endpoint: server.endpoint.replace('127.0.0.1', 'localhost'),
      bucket: 'state',
      prefix: PREFIX,
    })
    const store = await openStore({ store: elsewhere, keys: 'plaintext', memory: false })
    await store.init()
    expect((await refusal(store.document('shop/prod', json()).lock({ operation }))).code).toBe('Unsupported')
  })

  it('is let in when the address says that it is trusted, and then costs no request more', async () => {
    server.createBucket('state')
    const doc = await start({ conditionalWrites: 'trusted' })
    await doc.withLock({ operation }, (held) => held.commit(1))
    server.takeRequests()
    await doc.withLock({ operation }, (held) => held.commit(2))
    expect(server.takeRequests()).toHaveLength(5)
  })

  it('costs one request once for each process, when it was proven', async () => {
    server.createBucket('state')
    await (await start({ conditionalWrites: 'trusted' })).withLock({ operation }, (held) => held.commit(1))
    await prove()
    const doc = await start()
    server.takeRequests()
    await doc.withLock({ operation }, (held) => held.commit(2))
    expect(server.takeRequests().filter(({ key }) => key?.includes('~doctor'))).toHaveLength(1)
    await doc.withLock({ operation }, (held) => held.commit(3))
    expect(server.takeRequests()).toHaveLength(5)
  })
})
