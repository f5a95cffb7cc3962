import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GcpKmsProvider, type WrappedKey } from '../../src/encrypt/index.ts'
import { GCP_KMS_ERRORS } from '../../src/encrypt/providers/gcp-kms/errors.ts'
import { type FaultAction, type GcpKmsKey, type GcpKmsServer, startGcpKmsServer } from '../../src/testing/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import { count, reportCounts } from '../counts.ts'
import { refusal, SCOPE, SeededBytes } from './fixtures.ts'

const DAMAGED = count(400, 16)
reportCounts(import.meta.filename, { 'damaged answers': DAMAGED })

const FOREVER = { times: Number.POSITIVE_INFINITY }
const TOKEN = 'token-that-nobody-may-see'
const EXPIRED = 'token-that-nobody-may-see-any-more'
const DATA_KEY: Uint8Array = new SeededBytes('a data key').randomBytes(32)

let server: GcpKmsServer
let key: GcpKmsKey
let wrapped: WrappedKey

beforeEach(async () => {
  server = await startGcpKmsServer({ credentials: [{ token: TOKEN }, { token: EXPIRED, expired: true }] })
  key = server.createKey('state')
  wrapped = await provide().wrap(DATA_KEY, SCOPE)
  server.takeRequests()
})
afterEach(() => server.close())

interface Provided {
  name?: string
  token?: string
  timeoutMs?: number
  endpoint?: string
}

function provide({ name = key.name, token = TOKEN, endpoint = server.endpoint, ...more }: Provided = {}) {
  return new GcpKmsProvider({ key: `${name}?endpoint=${endpoint}`, credentials: async () => token, ...more })
}

/** What every call ends in: all the same. */
async function refusalOfAll(provider: GcpKmsProvider) {
  const errors = await Promise.all([refusal(provider.unwrap(wrapped, SCOPE)), refusal(provider.wrap(DATA_KEY, SCOPE))])
  expect(new Set(errors.map(({ code }) => code)).size).toBe(1)
  expect(errors.map(({ operation }) => operation)).toEqual(['key.unwrap', 'key.wrap'])
  for (const error of errors) {
    expect(error.details.notExecuted).toBe(true)
    assertHides(everythingShown(error), [DATA_KEY, TOKEN, EXPIRED], 'the error')
  }
  return errors[0]
}

describe('a call to Cloud KMS that is refused', () => {
  it('says that the version of the key is disabled or destroyed', async () => {
    for (const state of ['DISABLED', 'DESTROY_SCHEDULED', 'DESTROYED'] as const) {
      key.primary.state = state
      const error = await refusalOfAll(provide())
      expect(error.code).toBe('AccessDenied')
      expect(error.message).toContain(`is not enabled (400 FAILED_PRECONDITION). ${key.primary.name} is not enabled`)
      expect(error.details).toEqual({ status: 400, serviceCode: 'FAILED_PRECONDITION', notExecuted: true })
    }
    expect(server.requests).toHaveLength(6) // what is refused for good is not asked again
  })

  it('says which permission is missing', async () => {
    server.deny(TOKEN, ['cloudkms.cryptoKeyVersions.useToDecrypt', 'cloudkms.cryptoKeyVersions.useToEncrypt'])
    const error = await refusalOfAll(provide())
    expect(error).toMatchObject({ code: 'AccessDenied', details: { status: 403 } })
    expect(error.message).toContain("Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied")
    expect(error.hint).toContain('cloudkms.cryptoKeyVersions.useToDecrypt')
    expect(error.hint).toContain('cloudkms.cryptoKeyVersions.useToEncrypt')
  })

  it('says that there is no such key', async () => {
    const error = await refusal(provide({ name: `${server.keyRing}/cryptoKeys/absent` }).wrap(DATA_KEY, SCOPE))
    expect(error).toMatchObject({ code: 'InvalidOptions', details: { status: 404, serviceCode: 'NOT_FOUND' } })
  })

  it('says that the token is wrong, has expired or is missing, and how to sign in, and repeats nothing of it', async () => {
    for (const token of ['another-token-that-nobody-may-see', EXPIRED]) {
      const provider = provide({ token })
      const error = await refusalOfAll(provider)
      expect(error).toMatchObject({ code: 'Unauthenticated', details: { status: 401 } })
      expect(error.hint).toContain('gcloud auth application-default login')
      assertHides(everythingShown(error), [token], 'the error')
      assertHides(everythingShown(provider), [token], 'the provider')
    }
    const nobody = new GcpKmsProvider({ key: `${key.name}?endpoint=${server.endpoint}` })
    expect((await refusalOfAll(nobody)).code).toBe('Unauthenticated')
  })

  it('says that no token could be had, and not why a function failed that may hold anything', async () => {
    const credentials = async (): Promise<never> => {
      throw new Error('Command failed: print-token --password hunter2-hunter2')
    }
    const provider = new GcpKmsProvider({ key: `${key.name}?endpoint=${server.endpoint}`, credentials })
    const error = await refusalOfAll(provider)
    expect(error.code).toBe('Unauthenticated')
    assertHides(everythingShown(error), ['hunter2-hunter2'], 'the error')
    expect(server.requests).toEqual([])
  })

  it('means what the table says, for each code and reason of the service', async () => {
    const rows = GCP_KMS_ERRORS.flatMap(({ names, code, says }) => names.map((name) => ({ name, code, says })))
    const answers = rows.filter(
      ({ name }) => !/^(BROKEN_ANSWER|NO_KMS|CREDENTIALS|TLS|TRUNCATED|E[A-Z]+|EAI_.*|ERR_.*)$/.test(name),
    )
    expect(answers.length).toBeGreaterThan(20)
    for (const { name, code, says } of answers) {
      const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: name }]
      for (const error of [{ status: name }, { status: 'PERMISSION_DENIED', details }]) {
        const client = { request: async () => ({ status: 403, data: JSON.stringify({ error }) }) }
        const provider = new GcpKmsProvider({ key: key.name, client, timeoutMs: 20 })
        const refused = await refusal(provider.unwrap(wrapped, SCOPE))
        expect([name, refused.code, refused.message.includes(says)]).toEqual([name, code, true])
        expect(refused.details.serviceCode).toBe(name)
      }
    }
    const client = { request: async () => ({ status: 418, data: '{"error":{"status":"NEVER_SEEN"}}' }) }
    const error = await refusal(new GcpKmsProvider({ key: key.name, client, timeoutMs: 20 }).unwrap(wrapped, SCOPE))
    expect(error).toMatchObject({ code: 'Unavailable', retry: 'safe' })
  })

  it('names a source for each row of the table', () => {
    for (const { page } of GCP_KMS_ERRORS)
      expect(page).toMatch(/^https:\/\/(cloud\.google\.com|github\.com|nodejs\.org)\//)
    const names = GCP_KMS_ERRORS.flatMap((row) => row.names)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('a call to Cloud KMS on the way to which something fails', () => {
  const FAULTS: [string, FaultAction][] = [
    ['the connection breaks before the request', { do: 'drop-request' }],
    ['the answer is lost', { do: 'drop-answer' }],
    ['the answer is cut short', { do: 'truncate', bytes: 40 }],
    ['there is no answer', { do: 'stall' }],
    ['the service is busy', { do: 'status', status: 429, code: 'RESOURCE_EXHAUSTED' }],
    ['the service is away', { do: 'status', status: 503, code: 'UNAVAILABLE' }],
    ['the answer is damaged', { do: 'corrupt', at: 40 }],
  ]
  it.each(FAULTS)('is repeated when %s', async (_, action) => {
    const provider = provide({ timeoutMs: 1_800 })
    for (const operation of ['Decrypt', 'Encrypt']) {
      server.faults.add({ operation }, action)
      if (operation === 'Decrypt') expect(Buffer.from(await provider.unwrap(wrapped, SCOPE))).toEqual(DATA_KEY)
      else expect(await provide().unwrap(await provider.wrap(DATA_KEY, SCOPE), SCOPE)).toHaveLength(32)
      expect(server.faults.unfired()).toEqual([])
      expect(server.takeRequests().length).toBeGreaterThanOrEqual(2)
    }
  })

  it('ends as Unavailable or Timeout when only the beginning of a refusal arrives: a status alone is no verdict', async () => {
    const refusals = [
      () => {
        key.primary.state = 'DISABLED'
      },
      () => server.deny(TOKEN, ['cloudkms.cryptoKeyVersions.useToDecrypt', 'cloudkms.cryptoKeyVersions.useToEncrypt']),
    ]
    for (const refuse of refusals) {
      refuse()
      for (const bytes of [0, 20]) {
        server.faults.add(FOREVER, { do: 'truncate', bytes })
        const provider = provide({ timeoutMs: 600 })
        const errors = [refusal(provider.unwrap(wrapped, SCOPE)), refusal(provider.wrap(DATA_KEY, SCOPE))]
        for (const error of await Promise.all(errors)) expect(['Unavailable', 'Timeout']).toContain(error.code)
        server.faults.clear()
      }
    }
  })

  it('ends as Throttled, Unavailable or Timeout when that goes on', async () => {
    const ends = async (action: FaultAction, timeoutMs: number) => {
      const rule = server.faults.add(FOREVER, action)
      const error = await refusalOfAll(provide({ timeoutMs }))
      rule.remove()
      expect(error.retry).toBe('safe')
      return error.code
    }
    expect(await ends({ do: 'drop-request' }, 4_500)).toBe('Unavailable')
    expect(await ends({ do: 'stall' }, 600)).toBe('Timeout')
    const answers = (status: number, text: string) => {
      const client = { request: async () => ({ status, data: text }) }
      return refusal(new GcpKmsProvider({ key: key.name, client, timeoutMs: 200 }).unwrap(wrapped, SCOPE))
    }
    expect(await answers(429, '')).toMatchObject({ code: 'Throttled', details: { status: 429 } })
    expect(await answers(502, '<html>')).toMatchObject({ code: 'Unavailable', details: { status: 502 } })
    expect(await answers(504, '')).toMatchObject({ code: 'Timeout', details: { status: 504 } })
  })

  it('ends as Timeout too when a client of one’s own never answers', async () => {
    const client = { request: () => new Promise<never>(() => {}) }
    expect((await refusalOfAll(new GcpKmsProvider({ key: key.name, client, timeoutMs: 100 }))).code).toBe('Timeout')
  })

  it('ends as Aborted as soon as its caller says so, in a request and between two', async () => {
    const rule = server.faults.add(FOREVER, { do: 'stall' })
    const controller = new AbortController()
    const { signal } = controller
    const calls = [provide().unwrap(wrapped, SCOPE, { signal }), provide().wrap(DATA_KEY, SCOPE, { signal })].map(
      refusal,
    )
    while (server.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort()
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'Aborted', retry: 'never' })
    rule.remove()
    server.faults.add(FOREVER, { do: 'status', status: 503, code: 'UNAVAILABLE' })
    const waiting = refusal(provide().unwrap(wrapped, SCOPE, { signal: AbortSignal.timeout(300) }))
    expect((await waiting).code).toBe('Aborted')
  })

  it('ends as Unavailable when nobody listens, or what listens is no Cloud KMS; as InvalidOptions when that says 404', async () => {
    const nobody = await refusal(provide({ endpoint: 'http://127.0.0.1:1', timeoutMs: 300 }).unwrap(wrapped, SCOPE))
    expect(nobody).toMatchObject({ code: 'Unavailable', details: { serviceCode: 'ECONNREFUSED' } })
    let status = 200
    const page = createServer((_, response) => void response.writeHead(status).end('<html>Welcome</html>'))
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(page.address() as AddressInfo).port}`
    expect((await refusalOfAll(provide({ endpoint }))).code).toBe('Unavailable')
    status = 404
    expect((await refusalOfAll(provide({ endpoint }))).code).toBe('InvalidOptions')
    page.closeAllConnections()
    page.close()
  })

  it('is repeated after it failed: nothing of a failure is kept', async () => {
    const provider = provide()
    key.primary.state = 'DISABLED'
    await refusal(provider.unwrap(wrapped, SCOPE))
    key.primary.state = 'ENABLED'
    expect(await provider.unwrap(wrapped, SCOPE)).toHaveLength(32)
  })
})

describe('what is changed on the way to Cloud KMS or back', () => {
  it('is noticed by the service in a request, and sent again', async () => {
    for (const damage of ['plaintext', 'additionalAuthenticatedData', 'checksums'] as const) {
      server.damageRequests(damage)
      const again = await provide().wrap(DATA_KEY, SCOPE)
      expect(server.takeRequests()).toHaveLength(2)
      expect(Buffer.from(await provide().unwrap(again, SCOPE))).toEqual(DATA_KEY)
      server.takeRequests()
    }
    for (const damage of ['ciphertext', 'additionalAuthenticatedData'] as const) {
      server.damageRequests(damage)
      expect(Buffer.from(await provide().unwrap(wrapped, SCOPE))).toEqual(DATA_KEY)
      expect(server.takeRequests()).toMatchObject([{ status: 400, code: 'INVALID_ARGUMENT' }, { status: 200 }])
    }
  })

  it('is Unavailable after the third time, and says what does not fit', async () => {
    for (const [damage, says] of [
      ['plaintext', 'did not match the data'],
      ['additionalAuthenticatedData', 'did not match the data'],
      ['checksums', 'did not verify the checksum of the data key'],
    ] as const) {
      server.damageRequests(damage, 3)
      const error = await refusal(provide().wrap(DATA_KEY, SCOPE))
      expect(error).toMatchObject({ code: 'Unavailable', retry: 'safe', details: { serviceCode: 'BROKEN_ANSWER' } })
      if (damage === 'checksums') expect(error.message).toContain(says)
      expect(server.takeRequests()).toHaveLength(3)
    }
  })

  it('never gives another data key or another wrapped key, whichever bit of an answer is flipped', async () => {
    const random = new SeededBytes('damaged answers')
    const provider = provide()
    for (let n = 0; n < DAMAGED; n += 1) {
      server.faults.add({}, { do: 'corrupt', at: random.below(400) })
      if (n % 2 === 0) expect(Buffer.from(await provider.unwrap(wrapped, SCOPE))).toEqual(DATA_KEY)
      else {
        const again = await provider.wrap(DATA_KEY, SCOPE)
        expect(again.keyId).toBe(key.name)
        expect(Buffer.from(await provider.unwrap(again, SCOPE))).toEqual(DATA_KEY)
      }
    }
  })

  it('is not taken for an answer: one of another key, of another length, or without a checksum', async () => {
    const good = {
      name: key.primary.name,
      ciphertext: 'AAAA',
      ciphertextCrc32c: '1646371399',
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
    }
    const answering = (document: object) => {
      const client = { request: async () => ({ status: 200, data: JSON.stringify(document) }) }
      return new GcpKmsProvider({ key: key.name, client, timeoutMs: 500 })
    }
    const sum = (await import('../../src/encrypt/crc32c.ts')).crc32c(new Uint8Array(3))
    const fits = { ...good, ciphertextCrc32c: String(sum) }
    expect((await answering(fits).wrap(DATA_KEY, SCOPE)).keyId).toBe(key.name)
    expect((await answering({ ...fits, ciphertextCrc32c: sum }).wrap(DATA_KEY, SCOPE)).wrapped).toHaveLength(3)
    for (const bad of [
      { name: key.primary.name.replace('/state/', '/other/') },
      { name: key.name },
      { name: undefined },
      { ciphertext: '', ciphertextCrc32c: '0' },
      { ciphertext: undefined },
      { ciphertext: '****' },
      { ciphertextCrc32c: undefined },
      { ciphertextCrc32c: '1' },
      { verifiedPlaintextCrc32c: false },
      { verifiedPlaintextCrc32c: undefined },
      { verifiedAdditionalAuthenticatedDataCrc32c: false },
    ])
      expect((await refusal(answering({ ...fits, ...bad }).wrap(DATA_KEY, SCOPE))).code).toBe('Unavailable')
    const plain = { plaintext: 'AAAA', plaintextCrc32c: String(sum) }
    expect((await refusal(answering(plain).unwrap(wrapped, SCOPE))).code).toBe('Corrupt')
    for (const bad of [{ plaintextCrc32c: '1' }, { plaintextCrc32c: undefined }, { plaintext: undefined }])
      expect((await refusal(answering({ ...plain, ...bad }).unwrap(wrapped, SCOPE))).code).toBe('Unavailable')
  })
})
