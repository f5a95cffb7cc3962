import { PassThroughClient } from 'google-auth-library'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc32c } from '../../src/encrypt/crc32c.ts'
import { type GcpKmsKey, type GcpKmsServer, startGcpKmsServer } from '../../src/testing/index.ts'

const PLAINTEXT = Buffer.from('some bytes')
const BOUND = Buffer.from('shop/prod')
const ENCRYPT = 'cloudkms.cryptoKeyVersions.useToEncrypt'
let server: GcpKmsServer
let key: GcpKmsKey

beforeEach(async () => {
  server = await startGcpKmsServer()
  key = server.createKey('state')
})
afterEach(() => server.close())

interface Answer {
  status: number
  data: {
    name?: string
    ciphertext?: string
    ciphertextCrc32c?: string
    plaintext?: string
    plaintextCrc32c?: string
    usedPrimary?: boolean
    error?: { code: number; status: string; message: string; details?: object[] }
  } & Record<string, unknown>
}

/** One request by the library that clients use. */
async function send(path: string, body?: object, token: string | undefined = server.credential.token): Promise<Answer> {
  const { status, data } = await new PassThroughClient().request<Answer['data']>({
    url: `${server.endpoint}/v1/${path}`,
    method: body === undefined ? 'GET' : 'POST',
    headers: token === '' ? {} : { Authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { data: body }),
    validateStatus: () => true,
  })
  return { status, data }
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const encrypt = (more: object = {}, name = key.name) =>
  send(`${name}:encrypt`, { plaintext: base64(PLAINTEXT), additionalAuthenticatedData: base64(BOUND), ...more })
const decrypt = (ciphertext: string | undefined, more: object = {}, name = key.name) =>
  send(`${name}:decrypt`, { ciphertext, additionalAuthenticatedData: base64(BOUND), ...more })

/** Status, code and message of a refusal. */
async function refusal(work: Promise<Answer>): Promise<string> {
  const { status, data } = await work
  expect(data.error?.code).toBe(status)
  return `${status} ${data.error?.status}: ${data.error?.message}`
}

const REFUSED = /^400 INVALID_ARGUMENT: Decryption failed/

describe('the Cloud KMS fixture', () => {
  it('gives back exactly what it encrypted, with checksums, and names the version that did it', async () => {
    const { data: made } = await encrypt()
    expect(made.name).toBe(`${key.name}/cryptoKeyVersions/1`)
    expect(made.ciphertextCrc32c).toBe(String(crc32c(Buffer.from(made.ciphertext!, 'base64'))))
    expect(made).not.toHaveProperty('verifiedPlaintextCrc32c')
    expect((await decrypt(made.ciphertext)).data).toEqual({
      plaintext: base64(PLAINTEXT),
      plaintextCrc32c: String(crc32c(PLAINTEXT)),
      usedPrimary: true,
      protectionLevel: 'SOFTWARE',
    })
  })

  it('says that it verified the checksums that came, and refuses bytes that do not fit theirs', async () => {
    const sums = {
      plaintextCrc32c: String(crc32c(PLAINTEXT)),
      additionalAuthenticatedDataCrc32c: String(crc32c(BOUND)),
    }
    const { data } = await encrypt(sums)
    expect(data).toMatchObject({ verifiedPlaintextCrc32c: true, verifiedAdditionalAuthenticatedDataCrc32c: true })
    for (const wrong of [{ plaintextCrc32c: '1' }, { additionalAuthenticatedDataCrc32c: '1' }]) {
      expect(await refusal(encrypt({ ...sums, ...wrong }))).toMatch(/^400 INVALID_ARGUMENT: The checksum in field/)
    }
    const ciphertextCrc32c = data.ciphertextCrc32c
    expect((await decrypt(data.ciphertext, { ciphertextCrc32c })).status).toBe(200)
    expect(await refusal(decrypt(data.ciphertext, { ciphertextCrc32c: '1' }))).toMatch(/checksum in field ciphertext/)
  })

  it('refuses other authenticated data, each changed byte, another key, and whatever no key encrypted', async () => {
    const { ciphertext } = (await encrypt()).data
    for (const bound of ['', base64(Buffer.from('shop/Prod'))])
      expect(await refusal(decrypt(ciphertext, { additionalAuthenticatedData: bound }))).toMatch(REFUSED)
    const blob = Buffer.from(ciphertext!, 'base64')
    for (let at = 0; at < blob.length; at += 1) {
      const changed = Buffer.from(blob)
      changed[at]! ^= 1
      expect(await refusal(decrypt(base64(changed)))).toMatch(REFUSED)
    }
    for (const other of [
      blob.subarray(0, -1),
      Buffer.concat([blob, Buffer.alloc(1)]),
      Buffer.from('x'),
      Buffer.alloc(0),
    ])
      expect(await refusal(decrypt(base64(other)))).toMatch(REFUSED)
    expect(await refusal(decrypt(ciphertext, {}, server.createKey('other').name))).toMatch(REFUSED)
  })

  it('encrypts with the primary version, and decrypts with every version that is enabled', async () => {
    const { ciphertext } = (await encrypt()).data
    const second = key.rotate()
    const again = (await encrypt()).data
    expect(again.name).toBe(second.name)
    expect((await decrypt(ciphertext)).data).not.toHaveProperty('usedPrimary')
    const [first] = key.versions
    for (const state of ['DISABLED', 'DESTROY_SCHEDULED', 'DESTROYED'] as const) {
      first!.state = state
      expect(await refusal(decrypt(ciphertext))).toBe(
        `400 FAILED_PRECONDITION: ${first!.name} is not enabled, current state is: ${state}.`,
      )
      expect((await decrypt(again.ciphertext)).status).toBe(200)
    }
    key.primary = first!
    expect(await refusal(encrypt())).toMatch(/^400 FAILED_PRECONDITION/)
    expect((await send(key.name)).data).toMatchObject({
      name: key.name,
      primary: { name: first!.name, state: 'DESTROYED' },
    })
  })

  it('lets in who brings a token that it knows, and does what that one may do with that key', async () => {
    await using strict = await startGcpKmsServer({
      credentials: [{ token: 'known' }, { token: 'old', expired: true }, { token: 'reader', deny: [ENCRYPT] }],
    })
    const { name } = strict.createKey('state')
    const other = strict.createKey('other').name
    const ask = async (token: string | undefined, key = name) => {
      const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: token }) }
      const answer = await fetch(`${strict.endpoint}/v1/${key}:encrypt`, {
        method: 'POST',
        headers,
        body: '{"plaintext":""}',
      })
      return answer.status
    }
    expect(await ask('Bearer known')).toBe(200)
    for (const wrong of [undefined, 'Bearer unknown', 'Bearer old', 'Basic known', 'known'])
      expect(await ask(wrong)).toBe(401)
    expect([await ask('Bearer reader'), await ask('Bearer reader', other)]).toEqual([403, 403])
    strict.deny('reader', [{ permission: ENCRYPT, key: '*/other' }])
    expect([await ask('Bearer reader'), await ask('Bearer reader', other)]).toEqual([200, 403])
    expect(await ask('Bearer reader', `${strict.keyRing}/cryptoKeys/absent`)).toBe(404)
    await using open = await startGcpKmsServer({ anonymous: true })
    expect((await fetch(`${open.endpoint}/v1/${open.createKey('state').name}`)).status).toBe(200)
  })

  it('refuses what it does not do instead of ignoring it, and what is too large', async () => {
    expect(await refusal(encrypt({ more: '' }))).toMatch(/^400 INVALID_ARGUMENT: .*"more"/)
    expect(await refusal(encrypt({ plaintext: '***' }))).toMatch(/^400 INVALID_ARGUMENT: .*plaintext/)
    expect(await refusal(send(`${key.name}:encrypt`, {}))).toMatch(/^400 INVALID_ARGUMENT/)
    expect(await refusal(send(`${key.name}:rawEncrypt`, {}))).toMatch(/^501 UNIMPLEMENTED/)
    expect(await refusal(send(`${key.name}/cryptoKeyVersions/1:encrypt`, {}))).toMatch(/^501 UNIMPLEMENTED/)
    expect(await refusal(send(`${key.name}:encrypt?fields=name`, {}))).toMatch(/^400 INVALID_ARGUMENT: .*"fields"/)
    const limit = 64 * 1024
    expect((await encrypt({ plaintext: base64(Buffer.alloc(limit)) })).status).toBe(200)
    expect(await refusal(encrypt({ plaintext: base64(Buffer.alloc(limit + 1)) }))).toMatch(/larger than the maximum/)
    expect(await refusal(encrypt({ additionalAuthenticatedData: base64(Buffer.alloc(limit + 1)) }))).toMatch(/larger/)
    expect(await refusal(encrypt({ plaintext: base64(Buffer.alloc(600_000)) }))).toMatch(/payload size/)
    expect(() => server.createKey('state')).toThrow(/already exists/)
  })

  it('logs what was asked for, without a token or a key, and does what is planned to go wrong', async () => {
    server.faults.add({ operation: 'Decrypt', key: '*/state' }, { do: 'status', status: 503, code: 'UNAVAILABLE' })
    server.faults.add({ operation: 'Decrypt' }, { do: 'drop-answer' })
    const { ciphertext } = (await encrypt()).data
    expect(await refusal(decrypt(ciphertext))).toMatch(/^503 UNAVAILABLE/)
    await expect(decrypt(ciphertext)).rejects.toThrow()
    server.damageRequests('checksums')
    expect((await encrypt({ plaintextCrc32c: '1' })).data).not.toHaveProperty('verifiedPlaintextCrc32c')
    server.damageRequests('ciphertext')
    expect(await refusal(decrypt(ciphertext))).toMatch(REFUSED)
    expect((await decrypt(ciphertext)).status).toBe(200)
    expect(server.faults.unfired()).toEqual([])
    const log = server.takeRequests()
    expect(log.map(({ operation, fault, status, executions }) => [operation, fault, status, executions])).toEqual([
      ['Encrypt', undefined, 200, 1],
      ['Decrypt', 'status', 503, 0],
      ['Decrypt', 'drop-answer', undefined, 1],
      ['Encrypt', undefined, 200, 1],
      ['Decrypt', undefined, 400, 1],
      ['Decrypt', undefined, 200, 1],
    ])
    expect(JSON.stringify(log)).not.toContain(server.credential.token)
    expect(log[0]).toMatchObject({ key: key.name, method: 'POST' })
  })
})
