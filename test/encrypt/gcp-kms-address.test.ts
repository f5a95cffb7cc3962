import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { GcpKmsProvider, makeSealer, parseKey } from '../../src/encrypt/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import { KEY, SALT } from './fixtures.ts'

const schema = JSON.parse(readFileSync(new URL('../../keelstate.schema.json', import.meta.url), 'utf8')) as {
  $defs: { key: { pattern: string } }
}
const REST = 'locations/europe-west1/keyRings/keelstate/cryptoKeys/state'
const NAME = `projects/acme-prod/${REST}`

function refusalOf(text: string): KeelstateError {
  try {
    parseKey(`gcp-kms:${text}`)
  } catch (error) {
    if (KeelstateError.is(error)) return error
    throw error
  }
  throw new Error(`gcp-kms:${text} was not refused`)
}

describe('the address of a key of Cloud KMS', () => {
  it.each([
    [NAME],
    [`projects/123456789012/${REST}`],
    [`projects/example.com:acme-prod/${REST}`],
    ['projects/acme-prod/locations/global/keyRings/R_1/cryptoKeys/K-2'],
    [`${NAME}?endpoint=http://127.0.0.1:9010`],
    [`${NAME}?endpoint=https%3A%2F%2Fcloudkms.europe-west1.rep.googleapis.com`],
  ])('may be %s', (key) => {
    expect(`gcp-kms:${key}`).toMatch(new RegExp(schema.$defs.key.pattern))
    expect(parseKey(`gcp-kms:${key}`)).toEqual({ type: 'gcp-kms', address: `gcp-kms:${key}`, key })
    const provider = new GcpKmsProvider({ key })
    expect([provider.address, provider.describe()]).toEqual([`gcp-kms:${key}`, `gcp-kms:${key}`])
    makeSealer([`gcp-kms:${key}`], { salt: async () => SALT })
  })

  it.each([
    ['nothing', '', /comes the resource name of a key/],
    ['a bare name', 'state', /comes the resource name of a key/],
    ['a key ring', NAME.replace('/cryptoKeys/state', ''), /comes the resource name of a key/],
    ['a version of a key', `${NAME}/cryptoKeyVersions/1`, /names a version/],
    ['a name without a project', `projects//${REST}`, /comes the resource name of a key/],
    ['a project in capitals', `projects/ACME-PROD/${REST}`, /comes the resource name of a key/],
    ['a key with a blank', `${NAME} x`, /comes the resource name of a key/],
    ['a key with a dot', `${NAME}.x`, /comes the resource name of a key/],
    ['something behind the key', `${NAME}/x`, /comes the resource name of a key/],
    ['something before it', `/${NAME}`, /comes the resource name of a key/],
    ['a line break', `${NAME}\n`, /comes the resource name of a key/],
    ['a method', `${NAME}:encrypt`, /comes the resource name of a key/],
    ['an unknown parameter', `${NAME}?endpont=http://127.0.0.1`, /no such parameter; the nearest is endpoint/],
    ['two endpoints', `${NAME}?endpoint=http://a&endpoint=http://a`, /endpoint stands twice/],
    ['an empty endpoint', `${NAME}?endpoint=`, /has to be an http/],
    ['an endpoint without a scheme', `${NAME}?endpoint=localhost:9010`, /has to be an http/],
    ['a fragment', `${NAME}#b`, /comes the resource name of a key/],
  ])('may not be %s', (_, text, says) => {
    const error = refusalOf(text)
    expect([error.code, error.details]).toEqual(['InvalidOptions', { option: 'keys' }])
    expect(error.message).toMatch(says)
    expect(error.message).toMatch(/^A gcp-kms: key cannot be used as written/)
  })

  it('is not repeated when it is refused: it may hold a secret', () => {
    const secret = 'hunter2-hunter2'
    for (const text of [
      KEY.toString('base64'),
      KEY.toString('hex'),
      secret,
      `${NAME}?token=${secret}`,
      `${NAME}?${secret}`,
      `${NAME}?endpoint=http://user:${secret}@127.0.0.1`,
      `${NAME}?endpoint=http://127.0.0.1/?token=${secret}`,
    ]) {
      const hidden = text.includes(secret) ? secret : text
      assertHides(everythingShown(refusalOf(text)), [hidden], 'the error')
    }
  })
})

describe('a recipient of a document', () => {
  it.each([
    [NAME, NAME, true],
    [`${NAME}?endpoint=http://127.0.0.1:9010`, NAME, true],
    [NAME, NAME.replace('acme-prod', 'acme-test'), false],
    [NAME, NAME.replace('europe-west1', 'global'), false],
    [NAME, NAME.replace('keelstate', 'other'), false],
    [NAME, NAME.replace('cryptoKeys/state', 'cryptoKeys/other'), false],
    [NAME, NAME.replace('acme-prod', '123456789012'), true],
    [NAME.replace('acme-prod', '123456789012'), NAME, true],
    [NAME.replace('acme-prod', '123456789012'), NAME.replace('acme-prod', '123456789013'), false],
    [NAME, `${NAME}/cryptoKeyVersions/1`, false],
    [NAME, `${NAME} `, false],
    [NAME, '', false],
  ])('asked of the key %s, as the table names it: %s → %s', (key, keyId, expected) => {
    const provider = new GcpKmsProvider({ key })
    expect(provider.matches({ provider: 'gcp-kms', keyId })).toBe(expected)
    expect(provider.matches({ provider: 'aws-kms', keyId })).toBe(false)
  })
})

describe('the options of a key of Cloud KMS', () => {
  const key = NAME
  const client = { request: async () => ({ status: 200, data: '' }) }
  it.each([
    ['key', {}],
    ['key', { key: 5 }],
    ['timeoutMs', { key, timeoutMs: 0 }],
    ['timeoutMs', { key, timeoutMs: '5s' }],
    ['credentials', { key, credentials: { client_email: 'a' } }],
    ['credentials', { key, credentials: 'token' }],
    ['client', { key, client: {} }],
    ['credentials', { key, client, credentials: async () => 'token' }],
    ['timeoutMS', { key, timeoutMS: 5 }],
    ['options', undefined],
  ])('are refused by the name of the one that is wrong: %s', (option, options) => {
    expect(() => new GcpKmsProvider(options as never)).toThrow(
      expect.objectContaining({ code: 'InvalidOptions', details: expect.objectContaining({ option }) }),
    )
  })
})
