import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AwsKmsProvider, type WrappedKey } from '../../src/encrypt/index.ts'
import { KMS_ERRORS } from '../../src/encrypt/providers/aws-kms/errors.ts'
import { type KmsKey, type KmsServer, startKmsServer } from '../../src/testing/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import { refusal, SCOPE } from './fixtures.ts'

const FOREVER = { times: Number.POSITIVE_INFINITY }
const CREDENTIAL = {
  accessKeyId: 'known',
  secretAccessKey: 'b0unded-and-n0t-printed',
  sessionToken: 'session-token-that-nobody-may-see',
}
const EXPIRED = { ...CREDENTIAL, accessKeyId: 'known-once', expired: true }

let server: KmsServer
let key: KmsKey
let wrapped: WrappedKey

beforeEach(async () => {
  server = await startKmsServer({ credentials: [CREDENTIAL, EXPIRED] })
  key = server.createKey()
  server.setAlias('alias/state', key)
  wrapped = (await provide().generate(SCOPE)).wrapped
  server.takeRequests()
})
afterEach(() => server.close())

function provide(
  options: { key?: string; credentials?: typeof CREDENTIAL; timeoutMs?: number; endpoint?: string } = {},
) {
  const { key: name = 'alias/state', credentials = CREDENTIAL, endpoint = server.endpoint, ...more } = options
  return new AwsKmsProvider({ key: `${name}?region=${server.region}&endpoint=${endpoint}`, credentials, ...more })
}

/** What every call ends in: all the same. */
async function refusalOfAll(provider: AwsKmsProvider) {
  const errors = await Promise.all([
    refusal(provider.unwrap(wrapped, SCOPE)),
    refusal(provider.generate(SCOPE)),
    refusal(provider.wrap(new Uint8Array(32), SCOPE)),
  ])
  expect(new Set(errors.map(({ code }) => code)).size).toBe(1)
  expect(errors.map(({ operation }) => operation)).toEqual(['key.unwrap', 'key.generate', 'key.wrap'])
  return errors[0]
}

describe('a call to AWS KMS that is refused', () => {
  it('says that the key is disabled, waits for its deletion, or is no key for encrypting', async () => {
    key.state = 'Disabled'
    const disabled = await refusalOfAll(provide())
    expect(disabled.code).toBe('AccessDenied')
    expect(disabled.message).toContain(`the key is disabled (400 DisabledException). ${key.arn} is disabled.`)
    expect(disabled.details).toMatchObject({ status: 400, serviceCode: 'DisabledException', notExecuted: true })
    expect(disabled.details.requestId).toMatch(/^[0-9a-f-]{36}$/)
    key.state = 'PendingDeletion'
    expect(await refusalOfAll(provide())).toMatchObject({
      code: 'AccessDenied',
      details: { serviceCode: 'KMSInvalidStateException' },
    })
    key.state = 'Enabled'
    key.usage = 'SIGN_VERIFY'
    expect((await refusalOfAll(provide())).code).toBe('InvalidOptions')
    expect(server.requests).toHaveLength(9) // what is refused for good is not asked again
  })

  it('says which permission is missing', async () => {
    server.deny(CREDENTIAL.accessKeyId, ['GenerateDataKey', 'Encrypt', 'Decrypt'])
    const error = await refusalOfAll(provide())
    expect(error.code).toBe('AccessDenied')
    expect(error.message).toContain('not authorized to perform: kms:Decrypt')
    expect(error.hint).toContain('kms:Decrypt')
  })

  it('says that there is no such key', async () => {
    for (const name of ['alias/absent', '11111111-2222-3333-4444-555555555555']) {
      const error = await refusal(provide({ key: name }).generate(SCOPE))
      expect(error).toMatchObject({ code: 'InvalidOptions', details: { serviceCode: 'NotFoundException' } })
    }
  })

  it('says that the credentials are wrong or have expired, and repeats nothing of them', async () => {
    const wrongs = [
      { ...CREDENTIAL, secretAccessKey: 'not-the-secret-at-all' },
      { ...CREDENTIAL, accessKeyId: 'nobody' },
      { ...CREDENTIAL, sessionToken: 'another-token-that-nobody-may-see' },
      EXPIRED,
    ]
    for (const credentials of wrongs) {
      const provider = provide({ credentials })
      const error = await refusalOfAll(provider)
      expect(error.code).toBe('Unauthenticated')
      const secrets = [credentials.secretAccessKey, credentials.sessionToken]
      assertHides(everythingShown(error), secrets, 'the error')
      assertHides(everythingShown(provider), secrets, 'the provider')
    }
  })

  it('says that the credentials could not be had, and not why a command failed that may hold anything', async () => {
    const credentials = async (): Promise<never> => {
      throw new Error('Command failed: print-secret --password hunter2-hunter2')
    }
    const provider = new AwsKmsProvider({
      key: `alias/state?region=us-east-1&endpoint=${server.endpoint}`,
      credentials,
    })
    const error = await refusalOfAll(provider)
    expect(error.code).toBe('Unauthenticated')
    assertHides(everythingShown(error), ['hunter2-hunter2'], 'the error')
    expect(server.requests).toEqual([])
  })

  it('means what the table says, for each code of the service', async () => {
    const codes = KMS_ERRORS.flatMap(({ names, code, says }) =>
      names
        .filter((name) => /^[A-Z][a-z].*[a-z]$|^KMS[A-Z]/.test(name) && !/ProviderError$|^Timeout/.test(name))
        .map((name) => ({ name, code, says })),
    )
    expect(codes.length).toBeGreaterThan(25)
    const client = new (await import('@aws-sdk/client-kms')).KMSClient({ ...server.clientConfig, maxAttempts: 1 })
    const provider = new AwsKmsProvider({ key: 'alias/state', client })
    for (const { name, code, says } of codes) {
      const rule = server.faults.add({}, { do: 'status', status: code === 'Unavailable' ? 500 : 400, code: name })
      const error = await refusal(provider.unwrap(wrapped, SCOPE))
      expect([error.code, error.message.includes(says), error.details.serviceCode]).toEqual([code, true, name])
      rule.remove()
    }
    server.faults.add({}, { do: 'status', status: 400, code: 'NeverSeenException' })
    expect(await refusal(provider.unwrap(wrapped, SCOPE))).toMatchObject({ code: 'Unavailable', retry: 'safe' })
    client.destroy()
  })

  it('names a source for each row of the table', () => {
    for (const { page } of KMS_ERRORS)
      expect(page).toMatch(/^https:\/\/(docs\.aws\.amazon\.com|github\.com|nodejs\.org)\//)
    const names = KMS_ERRORS.flatMap((row) => row.names)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('a call to AWS KMS on the way to which something fails', () => {
  it('is repeated while the service is busy, hangs up or cuts its answer short', async () => {
    server.faults.add({}, { do: 'status', status: 400, code: 'ThrottlingException' })
    server.faults.add({}, { do: 'drop-answer' })
    expect(await provide().unwrap(wrapped, SCOPE)).toHaveLength(32)
    expect(server.takeRequests().map(({ status }) => status)).toEqual([400, undefined, 200])
    server.faults.add({}, { do: 'stall' })
    expect(await provide({ timeoutMs: 2_000 }).unwrap(wrapped, SCOPE)).toHaveLength(32)
    expect(server.takeRequests()).toHaveLength(2)
  })

  it('ends as Throttled, Unavailable or Timeout when that goes on', async () => {
    server.faults.add(FOREVER, { do: 'status', status: 400, code: 'ThrottlingException' })
    expect(await refusal(provide().unwrap(wrapped, SCOPE))).toMatchObject({ code: 'Throttled', retry: 'safe' })
    expect(server.takeRequests()).toHaveLength(3)
    server.faults.clear()
    server.faults.add(FOREVER, { do: 'drop-request' })
    expect(await refusal(provide().unwrap(wrapped, SCOPE))).toMatchObject({ code: 'Unavailable', retry: 'safe' })
    server.faults.clear()
    server.faults.add(FOREVER, { do: 'stall' })
    const error = await refusal(provide({ timeoutMs: 300 }).unwrap(wrapped, SCOPE))
    expect(error).toMatchObject({ code: 'Timeout', retry: 'safe', details: { timeoutMs: 300 } })
  })

  it('ends as Timeout too when a client of one’s own never answers', async () => {
    const client = { send: () => new Promise<never>(() => {}) }
    const provider = new AwsKmsProvider({ key: 'alias/state', client, timeoutMs: 100 })
    expect((await refusalOfAll(provider)).code).toBe('Timeout')
  })

  it('ends as Aborted as soon as its caller says so', async () => {
    server.faults.add(FOREVER, { do: 'stall' })
    const { signal, abort } = signalOf()
    const calls = [
      provide().unwrap(wrapped, SCOPE, { signal }),
      provide().generate(SCOPE, { signal }),
      provide().wrap(new Uint8Array(32), SCOPE, { signal }),
    ].map(refusal)
    while (server.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    abort()
    for (const error of await Promise.all(calls)) expect(error.code).toBe('Aborted')
  })

  it('ends as Unavailable when nobody listens, or what listens is no KMS', async () => {
    const nobody = await refusal(provide({ endpoint: 'http://127.0.0.1:1' }).unwrap(wrapped, SCOPE))
    expect(nobody).toMatchObject({ code: 'Unavailable', details: { serviceCode: 'ECONNREFUSED' } })
    const page = createServer((_, response) => void response.end('<html>Welcome</html>'))
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(page.address() as AddressInfo).port}`
    expect((await refusalOfAll(provide({ endpoint }))).code).toBe('Unavailable')
    page.closeAllConnections()
    page.close()
  })

  it('ends as Unavailable when only the beginning of an answer arrives, whatever it would have said', async () => {
    const states = ['Enabled', 'Disabled'] as const
    for (const state of states) {
      key.state = state
      for (const bytes of [0, 20]) {
        server.faults.add(FOREVER, { do: 'truncate', bytes })
        expect((await refusalOfAll(provide())).code, `${state}, ${bytes} bytes`).toBe('Unavailable')
        server.faults.clear()
      }
    }
    // The connection ends with it, and nothing said how long it would be: so it looks whole.
    const proxy = createServer(({ socket }) => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'))
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    expect((await refusalOfAll(provide({ endpoint }))).code).toBe('Unavailable')
    proxy.closeAllConnections()
    proxy.close()
  })

  it('trusts no answer that is not one: a data key of another length, a wrapped key without the ARN of a key, or too long', async () => {
    const answers = (answer: object) => new AwsKmsProvider({ key: 'alias/state', client: { send: async () => answer } })
    const good = { Plaintext: new Uint8Array(32), CiphertextBlob: new Uint8Array(184), KeyId: key.arn }
    expect((await answers(good).generate(SCOPE)).wrapped.keyId).toBe(key.arn)
    for (const bad of [
      { Plaintext: new Uint8Array(31) },
      { Plaintext: undefined },
      { CiphertextBlob: undefined },
      { CiphertextBlob: new Uint8Array() },
      { CiphertextBlob: new Uint8Array(4_097) },
      { KeyId: undefined },
      { KeyId: 'alias/state' },
      { KeyId: key.id },
    ]) {
      expect((await refusal(answers({ ...good, ...bad }).generate(SCOPE))).code).toBe('Unavailable')
    }
    for (const Plaintext of [new Uint8Array(31), new Uint8Array(33)])
      expect((await refusal(answers({ Plaintext }).unwrap(wrapped, SCOPE))).code).toBe('Corrupt')
    expect((await refusal(answers({}).unwrap(wrapped, SCOPE))).code).toBe('Unavailable') // it says nothing of the wrapped key
  })

  it('is repeated after it failed: nothing of a failure is kept', async () => {
    const provider = provide()
    key.state = 'Disabled'
    await refusal(provider.unwrap(wrapped, SCOPE))
    key.state = 'Enabled'
    expect(await provider.unwrap(wrapped, SCOPE)).toHaveLength(32)
  })
})

function signalOf(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}
