import { randomBytes } from 'node:crypto'
import {
  CancelKeyDeletionCommand,
  DecryptCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { headKey, parseName } from '../../src/core/names.ts'
import { AwsKmsProvider, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { KeySealer } from '../../src/encrypt/sealer.ts'
import { decodeKeyTable } from '../../src/encrypt/wraps.ts'
import { json, openStore, type Store } from '../../src/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { registerSuite, testKeyProvider } from '../../src/testing/index.ts'
import { refusal, SCOPE, verdict } from '../encrypt/fixtures.ts'
import { kmsEngine } from './aws.ts'
import { engines } from './engines.ts'

const { endpoint, region, credentials, client } = kmsEngine
const s3 = engines.find(({ name }) => name === 'localstack')!

let key: Awaited<ReturnType<typeof kmsEngine.newKey>>
let other: typeof key
beforeAll(async () => {
  ;[key, other] = await Promise.all([kmsEngine.newKey(), kmsEngine.newKey()])
})

const provide = (name: string) =>
  new AwsKmsProvider({ key: `${name}?region=${region}&endpoint=${endpoint}`, credentials })

for (const [by, of] of [
  ['ARN', ({ arn }: typeof key) => arn],
  ['alias', ({ alias }: typeof key) => alias],
] as const) {
  const harness = {
    name: `aws-kms by ${by} on LocalStack`,
    open: async () => provide(of(key)),
    openAgain: async () => provide(of(key)),
    openOther: async () => provide(of(other)),
    secrets: [],
    async openBroken() {
      const broken = await kmsEngine.newKey()
      await client.send(new DisableKeyCommand({ KeyId: broken.id }))
      const repair = async () => void (await client.send(new EnableKeyCommand({ KeyId: broken.id })))
      return { provider: provide(of(broken)), repair }
    },
  }
  registerSuite(testKeyProvider(harness, { flips: 64 }), { describe, it })
}

describe('a key of AWS KMS on LocalStack', () => {
  it('that is disabled or waits for its deletion opens nothing, and opens it again afterwards', async () => {
    const { arn: KeyId } = await kmsEngine.newKey()
    const provider = provide(KeyId)
    const { wrapped, dataKey } = await provider.generate(SCOPE)
    await client.send(new DisableKeyCommand({ KeyId }))
    expect(await refusal(provider.unwrap(wrapped, SCOPE))).toMatchObject({
      code: 'AccessDenied',
      details: { serviceCode: 'DisabledException' },
    })
    expect((await refusal(provider.generate(SCOPE))).code).toBe('AccessDenied')
    await client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    expect(await refusal(provider.unwrap(wrapped, SCOPE))).toMatchObject({
      code: 'AccessDenied',
      details: { serviceCode: 'KMSInvalidStateException' },
    })
    await client.send(new CancelKeyDeletionCommand({ KeyId }))
    await client.send(new EnableKeyCommand({ KeyId }))
    expect(Buffer.compare(await provider.unwrap(wrapped, SCOPE), dataKey)).toBe(0)
  })

  it('that was rotated opens what it wrapped before', async () => {
    const { arn: KeyId } = await kmsEngine.newKey()
    const provider = provide(KeyId)
    const { wrapped, dataKey } = await provider.generate(SCOPE)
    await client.send(new RotateKeyOnDemandCommand({ KeyId }))
    expect(Buffer.compare(await provider.unwrap(wrapped, SCOPE), dataKey)).toBe(0)
  })

  it('that does not exist is an error of its own', async () => {
    for (const name of ['alias/keelstate-absent', '11111111-2222-3333-4444-555555555555'])
      expect(await refusal(provide(name).generate(SCOPE))).toMatchObject({
        code: 'InvalidOptions',
        details: { serviceCode: 'NotFoundException' },
      })
  })

  // A deviation: LocalStack takes any credentials and enforces no policy. Refusals for lack of permission are tried on the KMS fixture.
  it('is open to everybody there, whatever the credentials', async () => {
    const nobody = { accessKeyId: 'nobody', secretAccessKey: 'not-the-secret' }
    const provider = new AwsKmsProvider({
      key: `${key.alias}?region=${region}&endpoint=${endpoint}`,
      credentials: nobody,
    })
    expect((await provider.generate(SCOPE)).dataKey).toHaveLength(32)
  })
})

describe('documents on LocalStack, S3 and KMS', () => {
  const STATIC = new StaticKeyProvider({ key: randomBytes(32) })
  let bucket: string
  const stores: Store[] = []

  /** A store as another process opens it, with what it asks of KMS. */
  async function open(...keys: (string | AwsKmsProvider | StaticKeyProvider)[]): Promise<Store> {
    const store = s3Store({ bucket, endpoint: s3.endpoint, region, credentials })
    stores.push(await openStore({ store, keys, memory: false, cache: false }))
    return stores.at(-1)!
  }

  beforeEach(async () => {
    bucket = await s3.newBucket({ versioning: true })
  })
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
  })

  it('are written and read back, with their history, by whoever may use the key', async () => {
    const writer = await open(provide(key.alias))
    await writer.init()
    const shop = writer.document('shop/prod', json<{ replicas: number; pad: string }>())
    const pad = randomBytes(8_000).toString('base64')
    const first = await shop.commit({ replicas: 1, pad: '' }, { parent: 'none' })
    await shop.commit({ replicas: 2, pad }, { parent: first })
    const reader = (await open(provide(key.arn))).document('shop/prod', json<{ replicas: number; pad: string }>())
    expect((await reader.read())?.value).toEqual({ replicas: 2, pad })
    expect((await reader.revision('@1')).value.replicas).toBe(1)
    expect((await reader.verify()).ok).toBe(true)
    expect((await reader.status()).recipients).toEqual([{ provider: 'aws-kms', keyId: key.arn }])
    const stranger = (await open(provide(other.alias))).document('shop/prod', json())
    const error = await refusal(stranger.read())
    expect(error.code).toBe('DecryptFailed')
    expect(error.message).toContain(key.arn)
  })

  it('open with their second key while the first is disabled', async () => {
    const { alias, id: KeyId } = await kmsEngine.newKey()
    const store = await open(provide(alias), STATIC)
    await store.init()
    await store.document('shop/prod', json()).commit({ n: 1 }, { parent: 'none' })
    await client.send(new DisableKeyCommand({ KeyId }))
    expect((await refusal((await open(provide(alias))).document('shop/prod', json()).read())).code).toBe('AccessDenied')
    for (const keys of [[STATIC], [provide(alias), STATIC]])
      expect((await (await open(...keys)).document('shop/prod', json()).read())?.value).toEqual({ n: 1 })
  })

  it('do not open when their key table was moved here from another document', async () => {
    const sealer = new KeySealer([provide(key.alias)])
    const { keyTable, keyId } = await sealer.create(SCOPE)
    const elsewhere = { ...SCOPE, path: 'shop/test' }
    expect(await verdict(new KeySealer([provide(key.alias)]).unwrap(elsewhere, keyTable, keyId))).toBe(
      'Corrupt keyTable',
    )
    // It is KMS itself that refuses, for the one pair that differs, and not a comparison of ours.
    const [entry] = decodeKeyTable(keyTable, 'a head')
    const ask = (name: string) => {
      const store = Buffer.from(SCOPE.storeId).toString('hex')
      const EncryptionContext = { 'keelstate:store': store, 'keelstate:kind': SCOPE.kind, 'keelstate:name': name }
      return client.send(new DecryptCommand({ CiphertextBlob: entry!.wrapped, EncryptionContext, KeyId: key.arn }))
    }
    expect((await ask(SCOPE.path)).Plaintext).toHaveLength(32)
    await expect(ask(elsewhere.path)).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
  })

  it('do not open when a whole head was copied over that of another document', async () => {
    const store = await open(provide(key.alias))
    await store.init()
    for (const name of ['shop/prod', 'shop/test'])
      await store.document(name, json()).commit({ name }, { parent: 'none' })
    const raw = s3Store({ bucket, endpoint: s3.endpoint, region, credentials })
    const [from, to] = [headKey(parseName('shop/prod')), headKey(parseName('shop/test'))]
    const [source, target] = [await raw.get(from), await raw.get(to)]
    if (typeof source !== 'object' || typeof target !== 'object') throw new Error('the heads are not there')
    await raw.put(to, source.bytes, { ifMatch: target.token })
    await raw.close()
    const read = (await open(provide(key.alias))).document('shop/test', json()).read()
    expect(await verdict(read)).toBe('Corrupt name')
  })
})
