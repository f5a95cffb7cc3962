import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KmsKey, type KmsServer, startKmsServer } from '../../src/testing/index.ts'

const CONTEXT = { store: 's', name: 'shop/prod' }
let server: KmsServer
let key: KmsKey
let client: KMSClient

beforeEach(async () => {
  server = await startKmsServer()
  key = server.createKey()
  client = new KMSClient({ ...server.clientConfig, maxAttempts: 1 })
})
afterEach(async () => {
  client.destroy()
  await server.close()
})

/** Status and code of what `send` is refused with. */
async function refusal(send: Promise<unknown>): Promise<string> {
  const error = await send.then(
    () => expect.unreachable('the request was not refused'),
    (reason: { name: string; $metadata: { httpStatusCode: number } }) => reason,
  )
  return `${error.$metadata.httpStatusCode} ${error.name}`
}

const generate = (more = {}) =>
  client.send(new GenerateDataKeyCommand({ KeyId: key.id, KeySpec: 'AES_256', EncryptionContext: CONTEXT, ...more }))
const decrypt = (CiphertextBlob: Uint8Array, more = {}) =>
  client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: CONTEXT, ...more }))

describe('the KMS fixture', () => {
  it('gives back exactly what it encrypted, and names the key by its ARN', async () => {
    const made = await generate()
    expect(made.KeyId).toBe(key.arn)
    expect(made.Plaintext).toHaveLength(32)
    const back = await decrypt(made.CiphertextBlob!)
    expect(back).toMatchObject({ KeyId: key.arn, Plaintext: made.Plaintext })
    const Plaintext = Buffer.from('some bytes')
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: key.arn, Plaintext }))
    expect(Buffer.from((await decrypt(CiphertextBlob!, { EncryptionContext: {} })).Plaintext!)).toEqual(Plaintext)
  })

  it('takes the pairs of an encryption context in any order, and no other context', async () => {
    const { CiphertextBlob } = await generate()
    const turned = { name: 'shop/prod', store: 's' }
    expect((await decrypt(CiphertextBlob!, { EncryptionContext: turned })).Plaintext).toHaveLength(32)
    for (const other of [undefined, {}, { ...CONTEXT, more: '' }, { store: 's' }, { store: 's', name: 'shop/Prod' }])
      expect(await refusal(decrypt(CiphertextBlob!, { EncryptionContext: other }))).toBe(
        '400 InvalidCiphertextException',
      )
  })

  it('refuses each changed byte, and whatever no key encrypted', async () => {
    const { CiphertextBlob } = await generate()
    for (let at = 0; at < CiphertextBlob!.length; at += 1) {
      const changed = Uint8Array.from(CiphertextBlob!)
      changed[at]! ^= 1
      expect(await refusal(decrypt(changed, { KeyId: key.arn }))).toBe('400 InvalidCiphertextException')
    }
    expect(await refusal(decrypt(Buffer.from('x')))).toBe('400 InvalidCiphertextException')
    expect(await refusal(decrypt(CiphertextBlob!.subarray(0, -1)))).toBe('400 InvalidCiphertextException')
  })

  it('knows a key by id, ARN, alias and ARN of an alias, and decrypts with the key that encrypted only', async () => {
    const other = server.createKey()
    server.setAlias('alias/state', key)
    const { CiphertextBlob } = await generate()
    for (const KeyId of [key.id, key.arn, 'alias/state', key.arn.replace(/key\/.*/, 'alias/state')])
      expect((await decrypt(CiphertextBlob!, { KeyId })).KeyId).toBe(key.arn)
    expect(await refusal(decrypt(CiphertextBlob!, { KeyId: other.arn }))).toBe('400 IncorrectKeyException')
    server.setAlias('alias/state', other)
    expect(await refusal(decrypt(CiphertextBlob!, { KeyId: 'alias/state' }))).toBe('400 IncorrectKeyException')
    const absent = ['alias/absent', key.id.replace(/^./, (c) => (c === '0' ? '1' : '0')), `key/${key.id}`]
    for (const KeyId of [...absent, key.arn.replace('us-east-1', 'eu-west-1'), key.arn.replace('1111', '2222')])
      expect(await refusal(generate({ KeyId })), KeyId).toBe('400 NotFoundException')
  })

  it('uses a key only in the state and for the use that it has', async () => {
    const { CiphertextBlob } = await generate()
    const answers = async () => [await refusal(generate()), await refusal(decrypt(CiphertextBlob!))]
    key.state = 'Disabled'
    expect(await answers()).toEqual(['400 DisabledException', '400 DisabledException'])
    key.state = 'PendingDeletion'
    expect(await answers()).toEqual(['400 KMSInvalidStateException', '400 KMSInvalidStateException'])
    key.state = 'Enabled'
    key.usage = 'SIGN_VERIFY'
    expect(await answers()).toEqual(['400 InvalidKeyUsageException', '400 InvalidKeyUsageException'])
  })

  it('keeps what was encrypted readable after a rotation, and replicas of a key are that key', async () => {
    const { CiphertextBlob, Plaintext } = await generate()
    key.rotate()
    expect((await decrypt(CiphertextBlob!)).Plaintext).toEqual(Plaintext)
    const primary = server.createKey({ multiRegion: true })
    const made = await generate({ KeyId: primary.arn })
    await using elsewhere = await startKmsServer({ region: 'eu-west-1' })
    const replica = elsewhere.replicateKey(primary)
    expect(replica.arn).toBe(primary.arn.replace('us-east-1', 'eu-west-1'))
    const there = new KMSClient(elsewhere.clientConfig)
    const input = { KeyId: replica.arn, CiphertextBlob: made.CiphertextBlob, EncryptionContext: CONTEXT }
    expect((await there.send(new DecryptCommand(input))).Plaintext).toEqual(made.Plaintext)
    there.destroy()
    expect(() => elsewhere.replicateKey(key)).toThrow(/no multi-Region key/)
  })

  it('lets in who signs with a key pair that it knows, for its region, and does what that one may do', async () => {
    const secretAccessKey = 'long-enough-to-be-seen'
    const known = [
      { accessKeyId: 'plain', secretAccessKey },
      { accessKeyId: 'session', secretAccessKey, sessionToken: 'token' },
      { accessKeyId: 'old', secretAccessKey, sessionToken: 'token', expired: true },
      { accessKeyId: 'reader', secretAccessKey, deny: ['GenerateDataKey', 'Encrypt'] as const },
    ]
    await using strict = await startKmsServer({ credentials: known })
    const { arn } = strict.createKey()
    const ask = async (config: object) => {
      const asking = new KMSClient({ ...strict.clientConfig, maxAttempts: 1, ...config })
      const work = asking.send(new GenerateDataKeyCommand({ KeyId: arn, KeySpec: 'AES_256' }))
      return work.then(
        () => 'done',
        (error: { name: string }) => error.name,
      )
    }
    const [plain, session, old, reader] = known
    expect(await ask({ credentials: plain })).toBe('done')
    expect(await ask({ credentials: session })).toBe('done')
    expect(await ask({ credentials: { ...session, sessionToken: 'other' } })).toBe('UnrecognizedClientException')
    expect(await ask({ credentials: { ...plain, accessKeyId: 'nobody' } })).toBe('UnrecognizedClientException')
    expect(await ask({ credentials: { ...plain, secretAccessKey: 'wrong' } })).toBe('InvalidSignatureException')
    expect(await ask({ credentials: old })).toBe('ExpiredTokenException')
    expect(await ask({ credentials: reader })).toBe('AccessDeniedException')
    expect(await ask({ region: 'eu-west-1' })).toBe('InvalidSignatureException')
    expect(await ask({ signer: { sign: async (request: unknown) => request } })).toBe(
      'MissingAuthenticationTokenException',
    )
    strict.deny('reader', [])
    expect(await ask({ credentials: reader })).toBe('done')
  })

  it('refuses what it does not do instead of ignoring it', async () => {
    expect(await refusal(generate({ GrantTokens: ['token'] }))).toBe('400 UnsupportedOperationException')
    expect(await refusal(generate({ KeySpec: 'AES_128' }))).toBe('400 ValidationException')
    expect(await refusal(client.send(new DescribeKeyCommand({ KeyId: key.id })))).toBe('400 UnknownOperationException')
    expect(await refusal(decrypt(new Uint8Array()))).toBe('400 ValidationException')
    expect(await refusal(decrypt(new Uint8Array(6_145)))).toBe('400 ValidationException')
    expect(await refusal(generate({ EncryptionContext: { a: 'x'.repeat(9_000) } }))).toBe('400 ValidationException')
    expect((await fetch(server.endpoint)).status).toBe(400)
  })

  it('logs what was asked for, without a key, and does what is planned to go wrong', async () => {
    server.faults.add({ operation: 'Decrypt' }, { do: 'status', status: 500, code: 'KMSInternalException' })
    server.faults.add({ operation: 'Decrypt' }, { do: 'truncate', bytes: 10 })
    server.faults.add({ operation: 'Decrypt' }, { do: 'drop-answer' })
    const { CiphertextBlob, Plaintext } = await generate()
    expect(await refusal(decrypt(CiphertextBlob!))).toBe('500 KMSInternalException')
    for (let n = 0; n < 2; n += 1) await expect(decrypt(CiphertextBlob!)).rejects.toThrow()
    expect((await decrypt(CiphertextBlob!)).Plaintext).toEqual(Plaintext)
    expect(server.faults.unfired()).toEqual([])
    const [first, ...others] = server.takeRequests()
    expect(first).toEqual({
      operation: 'GenerateDataKey',
      keyId: key.id,
      context: CONTEXT,
      fault: undefined,
      status: 200,
      code: undefined,
    })
    expect(others.map(({ fault, status, code }) => [fault, status, code])).toEqual([
      ['status', 500, 'KMSInternalException'],
      ['truncate', 200, undefined],
      ['drop-answer', undefined, undefined],
      [undefined, 200, undefined],
    ])
    expect(server.requests).toEqual([])
  })
})
