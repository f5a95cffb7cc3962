import { KMSClient } from '@aws-sdk/client-kms'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DocumentScope } from '../../src/core/header.ts'
import { AwsKmsProvider, type KeyProvider, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { KeySealer } from '../../src/encrypt/sealer.ts'
import { decodeKeyTable, encodeKeyTable } from '../../src/encrypt/wraps.ts'
import { json, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import {
  type KeyProviderHarness,
  type KmsKey,
  type KmsServer,
  registerSuite,
  startKmsServer,
  testKeyProvider,
} from '../../src/testing/index.ts'
import * as byHand from './by-hand.ts'
import { KEY, refusal, SCOPE, STORE_ID, verdict } from './fixtures.ts'

const OTHER_SCOPE: DocumentScope = { storeId: STORE_ID, kind: 'state', path: 'shop/test' }
const CREDENTIALS = [
  { accessKeyId: 'writer', secretAccessKey: 'secret-of-the-writer' },
  { accessKeyId: 'locked-out', secretAccessKey: 'secret-of-the-other' },
]

let server: KmsServer
let key: KmsKey
let other: KmsKey

async function start(): Promise<void> {
  server = await startKmsServer({ credentials: CREDENTIALS })
  key = server.createKey()
  other = server.createKey()
  server.setAlias('alias/state', key)
  server.setAlias('alias/other', other)
}

/** A provider as an address makes it, with the fixture's credentials. */
function provide(name: string, options: { accessKeyId?: string; timeoutMs?: number } = {}): AwsKmsProvider {
  const { accessKeyId = 'writer', ...more } = options
  const credentials = CREDENTIALS.find((one) => one.accessKeyId === accessKeyId)!
  const region = name.startsWith('arn:') ? '' : `region=${server.region}&`
  return new AwsKmsProvider({ key: `${name}?${region}endpoint=${server.endpoint}`, credentials, ...more })
}

describe('on a strict KMS', () => {
  beforeAll(start)
  afterAll(() => server.close())

  const harness = (name: string, own: () => string, foreign: () => string): KeyProviderHarness => ({
    name: `aws-kms by ${name}`,
    open: async () => provide(own()),
    openAgain: async () => provide(own()),
    openOther: async () => provide(foreign()),
    secrets: CREDENTIALS.map(({ secretAccessKey }) => secretAccessKey),
    async openBroken() {
      server.deny('locked-out', ['Encrypt'])
      const repair = async () => server.deny('locked-out', [])
      return { provider: provide(own(), { accessKeyId: 'locked-out' }), repair }
    },
  })
  const names: [string, (one: KmsKey, alias: string) => string][] = [
    ['ARN', ({ arn }) => arn],
    ['key id', ({ id }) => id],
    ['alias', (_, alias) => alias],
    ['ARN of an alias', ({ arn }, alias) => arn.replace(/key\/.*/, alias)],
  ]
  for (const [name, of] of names) {
    const suite = testKeyProvider(
      harness(
        name,
        () => of(key, 'alias/state'),
        () => of(other, 'alias/other'),
      ),
    )
    registerSuite(suite, { describe, it })
  }
})

describe('a key of AWS KMS', () => {
  beforeEach(start)
  afterEach(() => server.close())

  const asked = () => server.takeRequests().map(({ operation }) => operation)
  const created = (providers: KeyProvider[], scope = SCOPE) => new KeySealer(providers).create(scope)

  it('costs one request per document and process, however often the document is read and written', async () => {
    const bucket = new MemoryBucket()
    const open = () => openStore({ store: memoryStore({ bucket }), keys: provide('alias/state') })
    {
      await using store = await open()
      await store.init()
      for (const name of ['shop/prod', 'shop/test']) {
        const document = store.document(name, json<{ n: number; pad: string }>())
        for (let n = 1; n <= 20; n += 1)
          await document.commit({ n, pad: 'x'.repeat(n === 7 ? 20_000 : 400) }, { parent: 'any' })
      }
      expect(asked()).toEqual(['GenerateDataKey', 'GenerateDataKey'])
    }
    await using store = await open()
    const document = store.document('shop/prod', json<{ n: number }>())
    const [first, second] = await Promise.all([document.read(), document.read()])
    expect([first?.value.n, second?.value.n]).toEqual([20, 20])
    const numbers: number[] = []
    for await (const { number } of document.history()) numbers.push(number)
    expect(numbers).toHaveLength(20)
    expect((await document.revision('@7')).value.n).toBe(7)
    await document.commit({ n: 21 }, { parent: first! })
    expect(asked()).toEqual(['Decrypt'])
    await store.document('shop/test', json()).read()
    expect(asked()).toEqual(['Decrypt'])
  })

  it('is recorded by its ARN, whatever it is configured by, with the document as encryption context', async () => {
    for (const name of [key.arn, key.id, 'alias/state', key.arn.replace(/key\/.*/, 'alias/state')]) {
      const { keyTable } = await created([provide(name)])
      expect(new KeySealer([]).recipients(keyTable)).toEqual([{ provider: 'aws-kms', keyId: key.arn }])
      const [request] = server.takeRequests()
      expect(request?.keyId).toBe(name)
      expect(request?.context).toEqual({
        'keelstate:store': '000102030405060708090a0b0c0d0e0f',
        'keelstate:kind': 'state',
        'keelstate:name': 'shop/prod',
      })
    }
  })

  it('stands in the key table as its ARN and the bytes that KMS gave', async () => {
    const blob = Buffer.from('what KMS made of the data key')
    const answer = { KeyId: key.arn, CiphertextBlob: Uint8Array.from(blob) }
    const client = { send: async () => ({ ...answer, Plaintext: new Uint8Array(32).fill(7) }) }
    const { keyTable } = await created([new AwsKmsProvider({ key: 'alias/state', client })])
    const table = byHand.writeKeyTable([{ provider: 'aws-kms', keyId: key.arn, wrapped: blob }])
    expect(Buffer.from(keyTable)).toEqual(table)
  })

  it('beside another recipient opens the document alone, and so does the other', async () => {
    const fixed = new StaticKeyProvider({ key: KEY })
    for (const order of [
      [fixed, provide('alias/state')],
      [provide('alias/state'), fixed],
    ]) {
      const { keyTable, keyId } = await created(order)
      expect(asked()).toEqual(['GenerateDataKey'])
      for (const provider of order) {
        const opened = await new KeySealer([provider]).unwrap(SCOPE, keyTable, keyId)
        expect(opened.keyId).toEqual(keyId)
      }
      expect(asked()).toEqual(['Decrypt'])
    }
  })

  it('beside another of KMS wraps what that one generated, once', async () => {
    const { keyTable, keyId } = await created([provide('alias/state'), provide('alias/other')])
    expect(server.takeRequests().map(({ operation, keyId: asked }) => [operation, asked])).toEqual([
      ['GenerateDataKey', 'alias/state'],
      ['Encrypt', 'alias/other'],
    ])
    for (const name of [key.arn, other.arn])
      expect((await new KeySealer([provide(name)]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    expect(asked()).toEqual(['Decrypt', 'Decrypt'])
  })

  it('under two names is one recipient', async () => {
    const { keyTable } = await created([provide('alias/state'), provide(key.arn)])
    expect(new KeySealer([]).recipients(keyTable)).toHaveLength(1)
  })

  it('does not open a key table that was moved to another document: Corrupt, by the key table', async () => {
    const { keyTable, keyId } = await created([provide('alias/state')])
    const moved = new KeySealer([provide('alias/state')]).unwrap(OTHER_SCOPE, keyTable, keyId)
    expect(await verdict(moved)).toBe('Corrupt keyTable')
  })

  it('does not open what another key wrapped, and the error names the keys of the document and those at hand', async () => {
    const { keyTable, keyId } = await created([provide('alias/state')])
    for (const name of ['alias/other', other.arn, other.id]) {
      const error = await refusal(new KeySealer([provide(name)]).unwrap(SCOPE, keyTable, keyId))
      expect(error.code).toBe('DecryptFailed')
      expect(error.message).toContain(`Its keys: aws-kms ${key.arn}.`)
      expect(error.message).toContain(`Configured: aws-kms:${name}`)
    }
  })

  it('is asked for only as it is configured, never as a key table names it', async () => {
    // Whoever can write the bucket wraps a data key of his own with a key of his own that everybody may use.
    const hostile = await created([provide(other.arn)])
    server.takeRequests()
    const opening = new KeySealer([provide('alias/state')]).unwrap(SCOPE, hostile.keyTable, hostile.keyId)
    expect(await verdict(opening)).toBe('DecryptFailed recipients')
    expect(server.takeRequests().map(({ operation, keyId }) => [operation, keyId])).toEqual([
      ['Decrypt', 'alias/state'],
    ])
    const [entry] = decodeKeyTable(hostile.keyTable, 'a head')
    const disguised = encodeKeyTable([{ ...entry!, keyId: key.arn }])
    const again = new KeySealer([provide(key.arn)]).unwrap(SCOPE, disguised, hostile.keyId)
    expect(await verdict(again)).toBe('DecryptFailed recipients')
  })

  it('that is known by its ARN or id costs no request where the table names another', async () => {
    const { keyTable, keyId } = await created([provide('alias/state')])
    server.takeRequests()
    for (const name of [other.arn, other.id, `${other.arn.replace(/key\/.*/, 'alias/state').replace('1111', '9999')}`])
      expect(await verdict(new KeySealer([provide(name)]).unwrap(SCOPE, keyTable, keyId))).toBe(
        'DecryptFailed recipients',
      )
    expect(asked()).toEqual([])
  })

  it('opens what it wrapped before a rotation by KMS; after its alias moved, what the former key wrapped needs that key', async () => {
    const before = await created([provide('alias/state')])
    key.rotate()
    const opened = await new KeySealer([provide('alias/state')]).unwrap(SCOPE, before.keyTable, before.keyId)
    expect(opened.keyId).toEqual(before.keyId)
    server.setAlias('alias/state', other)
    const after = await created([provide('alias/state')])
    expect(new KeySealer([]).recipients(after.keyTable)).toEqual([{ provider: 'aws-kms', keyId: other.arn }])
    const alone = new KeySealer([provide('alias/state')])
    expect(await verdict(alone.unwrap(SCOPE, before.keyTable, before.keyId))).toBe('DecryptFailed recipients')
    const both = new KeySealer([provide('alias/state'), provide(key.arn)])
    expect((await both.unwrap(SCOPE, before.keyTable, before.keyId)).keyId).toEqual(before.keyId)
  })

  it('of several Regions opens in each of them', async () => {
    const primary = server.createKey({ multiRegion: true })
    await using elsewhere = await startKmsServer({ region: 'eu-west-1' })
    const replica = elsewhere.replicateKey(primary)
    const there = (name: string) =>
      new AwsKmsProvider({
        key: `${name}?region=eu-west-1&endpoint=${elsewhere.endpoint}`,
        credentials: elsewhere.credential,
      })
    const { keyTable, keyId } = await created([provide(primary.arn)])
    for (const name of [replica.arn, replica.id])
      expect((await new KeySealer([there(name)]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    expect(elsewhere.takeRequests().map(({ operation, keyId: asked }) => [operation, asked])).toEqual([
      ['Decrypt', replica.arn],
      ['Decrypt', replica.id],
    ])
  })

  it('may be reached through a client of one’s own', async () => {
    const client = new KMSClient({ ...server.clientConfig, maxAttempts: 1 })
    const provider = new AwsKmsProvider({ key: 'alias/state', client })
    const { keyTable, keyId } = await created([provider])
    expect((await new KeySealer([provider]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    expect(asked()).toEqual(['GenerateDataKey', 'Decrypt'])
    client.destroy()
  })

  it('is opened by its address', async () => {
    const address = `aws-kms:alias/state?region=us-east-1&endpoint=${server.endpoint}`
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'writer')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret-of-the-writer')
    try {
      await using store = await openStore({ store: 'memory:', keys: address })
      await store.document('shop/prod', json()).commit({ n: 1 }, { parent: 'none' })
      expect((await store.document('shop/prod', json<{ n: number }>()).read())?.value).toEqual({ n: 1 })
    } finally {
      vi.unstubAllEnvs()
    }
    expect(asked()).toEqual(['GenerateDataKey'])
  })
})
