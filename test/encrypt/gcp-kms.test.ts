import { GoogleAuth, OAuth2Client } from 'google-auth-library'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DocumentScope } from '../../src/core/header.ts'
import { GcpKmsProvider, type KeyProvider, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { KeySealer } from '../../src/encrypt/sealer.ts'
import { decodeKeyTable, encodeKeyTable } from '../../src/encrypt/wraps.ts'
import { json, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import {
  type GcpKmsKey,
  type GcpKmsServer,
  registerSuite,
  startGcpKmsServer,
  testKeyProvider,
} from '../../src/testing/index.ts'
import { KEY, refusal, SCOPE, STORE_ID, verdict } from './fixtures.ts'

const OTHER_SCOPE: DocumentScope = { storeId: STORE_ID, kind: 'state', path: 'shop/test' }
const TOKENS = ['token-of-the-writer', 'token-of-the-locked-out'] as const

let server: GcpKmsServer
let key: GcpKmsKey
let other: GcpKmsKey

async function start(): Promise<void> {
  server = await startGcpKmsServer({ credentials: TOKENS.map((token) => ({ token })) })
  key = server.createKey('state')
  other = server.createKey('other')
}

/** A provider as an address makes it, with the fixture's credentials. */
function provide({ name }: { name: string } = key, token: string = TOKENS[0]): GcpKmsProvider {
  return new GcpKmsProvider({ key: `${name}?endpoint=${server.endpoint}`, credentials: async () => token })
}

describe('on a strict Cloud KMS', () => {
  beforeAll(start)
  afterAll(() => server.close())

  const suite = testKeyProvider({
    name: 'gcp-kms',
    open: async () => provide(),
    openAgain: async () => provide(),
    openOther: async () => provide(other),
    secrets: TOKENS,
    async openBroken() {
      server.deny(TOKENS[1], ['cloudkms.cryptoKeyVersions.useToEncrypt'])
      const repair = async () => server.deny(TOKENS[1], [])
      return { provider: provide(key, TOKENS[1]), repair }
    },
  })
  registerSuite(suite, { describe, it })
})

describe('a key of Cloud KMS', () => {
  beforeEach(start)
  afterEach(() => server.close())

  const asked = () => server.takeRequests().map(({ operation }) => operation)
  const created = (providers: KeyProvider[], scope = SCOPE) => new KeySealer(providers).create(scope)

  it('costs one request per document and process, however often the document is read and written', async () => {
    const bucket = new MemoryBucket()
    const open = () => openStore({ store: memoryStore({ bucket }), keys: provide() })
    {
      await using store = await open()
      await store.init()
      for (const name of ['shop/prod', 'shop/test']) {
        const document = store.document(name, json<{ n: number; pad: string }>())
        for (let n = 1; n <= 20; n += 1)
          await document.commit({ n, pad: 'x'.repeat(n === 7 ? 20_000 : 400) }, { parent: 'any' })
      }
      expect(asked()).toEqual(['Encrypt', 'Encrypt'])
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

  it('is recorded by its name, without a version', async () => {
    const { keyTable } = await created([provide()])
    expect(new KeySealer([]).recipients(keyTable)).toEqual([{ provider: 'gcp-kms', keyId: key.name }])
    expect(server.takeRequests()).toMatchObject([{ operation: 'Encrypt', key: key.name, status: 200 }])
  })

  it('beside another recipient opens the document alone, and so does the other', async () => {
    const fixed = new StaticKeyProvider({ key: KEY })
    for (const order of [
      [fixed, provide()],
      [provide(), fixed],
    ]) {
      const { keyTable, keyId } = await created(order)
      expect(asked()).toEqual(['Encrypt'])
      for (const provider of order)
        expect((await new KeySealer([provider]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
      expect(asked()).toEqual(['Decrypt'])
    }
  })

  it('beside another of Cloud KMS wraps the same data key, each once', async () => {
    const { keyTable, keyId } = await created([provide(), provide(other)])
    expect(asked()).toEqual(['Encrypt', 'Encrypt'])
    for (const one of [key, other])
      expect((await new KeySealer([provide(one)]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    expect(asked()).toEqual(['Decrypt', 'Decrypt'])
  })

  it('does not open a key table that was moved to another document: Corrupt, by the key table', async () => {
    const { keyTable, keyId } = await created([provide()])
    expect(await verdict(new KeySealer([provide()]).unwrap(OTHER_SCOPE, keyTable, keyId))).toBe('Corrupt keyTable')
    for (const scope of [
      { ...SCOPE, kind: 'ledger' },
      { ...SCOPE, storeId: Buffer.alloc(16, 9) },
      { ...SCOPE, kind: 'stat', path: `e\nkeelstate:name=${SCOPE.path}` },
    ])
      expect(await verdict(new KeySealer([provide()]).unwrap(scope, keyTable, keyId))).toBe('Corrupt keyTable')
  })

  it('does not open what another key wrapped, costs no request then, and the error names both keys', async () => {
    const { keyTable, keyId } = await created([provide()])
    server.takeRequests()
    const error = await refusal(new KeySealer([provide(other)]).unwrap(SCOPE, keyTable, keyId))
    expect(error.code).toBe('DecryptFailed')
    expect(error.message).toContain(`Its keys: gcp-kms ${key.name}.`)
    expect(error.message).toContain(`Configured: gcp-kms:${other.name}`)
    expect(asked()).toEqual([])
  })

  it('is asked for only as it is configured, never as a key table names it', async () => {
    // Whoever can write the bucket wraps a data key of his own with a key of his own that everybody may use.
    const hostile = await created([provide(other)])
    const [entry] = decodeKeyTable(hostile.keyTable, 'a head')
    const disguised = encodeKeyTable([{ ...entry!, keyId: key.name }])
    server.takeRequests()
    const opening = new KeySealer([provide()]).unwrap(SCOPE, disguised, hostile.keyId)
    expect(await verdict(opening)).toBe('Corrupt keyTable')
    expect(server.takeRequests()).toMatchObject([{ operation: 'Decrypt', key: key.name, status: 400 }])
  })

  it('opens what it wrapped before a rotation, as long as that version is enabled; new documents take the primary one', async () => {
    const before = await created([provide()])
    const first = key.primary
    const second = key.rotate()
    const opened = await new KeySealer([provide()]).unwrap(SCOPE, before.keyTable, before.keyId)
    expect(opened.keyId).toEqual(before.keyId)
    const after = await created([provide()], OTHER_SCOPE)
    for (const state of ['DISABLED', 'DESTROY_SCHEDULED', 'DESTROYED'] as const) {
      first.state = state
      const error = await refusal(new KeySealer([provide()]).unwrap(SCOPE, before.keyTable, before.keyId))
      expect(error).toMatchObject({ code: 'AccessDenied', details: { serviceCode: 'FAILED_PRECONDITION' } })
      expect(error.message).toContain(`${first.name} is not enabled, current state is: ${state}.`)
      expect((await new KeySealer([provide()]).unwrap(OTHER_SCOPE, after.keyTable, after.keyId)).keyId).toEqual(
        after.keyId,
      )
    }
    first.state = 'ENABLED'
    second.state = 'DISABLED'
    expect((await refusal(created([provide()]))).code).toBe('AccessDenied')
    expect((await new KeySealer([provide()]).unwrap(SCOPE, before.keyTable, before.keyId)).keyId).toEqual(before.keyId)
  })

  it('needs no more than the permission for what is done: decrypt to read, encrypt to make documents', async () => {
    const { keyTable, keyId } = await created([provide()])
    const encrypt = 'cloudkms.cryptoKeyVersions.useToEncrypt'
    const decrypt = 'cloudkms.cryptoKeyVersions.useToDecrypt'
    const reader = provide(key, TOKENS[1])
    server.deny(TOKENS[1], [encrypt, 'cloudkms.cryptoKeys.get'])
    expect((await new KeySealer([reader]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    expect((await refusal(created([reader]))).message).toContain(`Permission '${encrypt}' denied`)
    server.deny(TOKENS[1], [{ permission: decrypt, key: other.name }, 'cloudkms.cryptoKeys.get'])
    await created([reader])
    expect((await new KeySealer([reader]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
    server.deny(TOKENS[1], [{ permission: decrypt, key: '*/state' }])
    expect(await verdict(new KeySealer([reader]).unwrap(SCOPE, keyTable, keyId))).toBe('AccessDenied')
  })

  it('may be reached through an auth client of one’s own', async () => {
    const signedIn = new OAuth2Client()
    signedIn.setCredentials({ access_token: TOKENS[0] })
    for (const client of [signedIn, new GoogleAuth({ authClient: signedIn })]) {
      const provider = new GcpKmsProvider({ key: `${key.name}?endpoint=${server.endpoint}`, client })
      const { keyTable, keyId } = await created([provider])
      expect((await new KeySealer([provider]).unwrap(SCOPE, keyTable, keyId)).keyId).toEqual(keyId)
      expect(asked()).toEqual(['Encrypt', 'Decrypt'])
    }
  })

  it('is opened by its address; an endpoint without TLS gets no credentials that it was not given', async () => {
    await using open = await startGcpKmsServer({ anonymous: true })
    const address = `gcp-kms:${open.createKey('state').name}?endpoint=${open.endpoint}`
    await using store = await openStore({ store: 'memory:', keys: address })
    await store.document('shop/prod', json()).commit({ n: 1 }, { parent: 'none' })
    expect((await store.document('shop/prod', json<{ n: number }>()).read())?.value).toEqual({ n: 1 })
    expect(open.takeRequests().map(({ operation }) => operation)).toEqual(['Encrypt'])
  })
})
