import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { AwsKmsProvider, makeSealer, parseKey } from '../../src/encrypt/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import { KEY, SALT } from './fixtures.ts'

const schema = JSON.parse(readFileSync(new URL('../../keelstate.schema.json', import.meta.url), 'utf8')) as {
  $defs: { key: { pattern: string } }
}
const ID = '1234abcd-12ab-34cd-56ef-1234567890ab'
const MRK = 'mrk-1234abcd12ab34cd56ef1234567890ab'
const ARN = `arn:aws:kms:eu-west-1:111122223333:key/${ID}`

function refusalOf(text: string): KeelstateError {
  try {
    parseKey(`aws-kms:${text}`)
  } catch (error) {
    if (KeelstateError.is(error)) return error
    throw error
  }
  throw new Error(`aws-kms:${text} was not refused`)
}

describe('the address of a key of AWS KMS', () => {
  it.each([
    [ARN],
    [ID],
    [MRK],
    [`arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/${MRK}`],
    ['arn:aws-cn:kms:cn-north-1:111122223333:alias/acme/state'],
    ['alias/acme-state'],
    ['alias/acme/state_2'],
    ['alias/acme-state?region=eu-west-1'],
    ['alias/acme-state?region=us-east-1&endpoint=http://127.0.0.1:4566'],
    [`${ARN}?endpoint=https%3A%2F%2Fvpce-1.kms.eu-west-1.vpce.amazonaws.com`],
    [`${ARN}?region=eu-west-1`],
  ])('may be %s', (key) => {
    expect(`aws-kms:${key}`).toMatch(new RegExp(schema.$defs.key.pattern))
    expect(parseKey(`aws-kms:${key}`)).toEqual({ type: 'aws-kms', address: `aws-kms:${key}`, key })
    const provider = new AwsKmsProvider({ key })
    expect([provider.address, provider.describe()]).toEqual([`aws-kms:${key}`, `aws-kms:${key}`])
    makeSealer([`aws-kms:${key}`], { salt: async () => SALT })
  })

  it.each([
    ['nothing', '', /comes the ARN of a key/],
    ['a bare name', 'acme-state', /comes the ARN of a key/],
    ['an alias without a name', 'alias/', /comes the ARN of a key/],
    ['an alias with a blank', 'alias/acme state', /comes the ARN of a key/],
    ['an id that is too short', ID.slice(1), /comes the ARN of a key/],
    ['an id in capitals', ID.toUpperCase(), /comes the ARN of a key/],
    ['an ARN of another service', ARN.replace(':kms:', ':s3:'), /comes the ARN of a key/],
    ['an ARN without an account', ARN.replace('111122223333', ''), /comes the ARN of a key/],
    ['an ARN without a region', ARN.replace('eu-west-1', ''), /comes the ARN of a key/],
    ['an ARN of no key', ARN.replace('key/', 'grant/'), /comes the ARN of a key/],
    ['an ARN with something behind it', `${ARN}/x`, /comes the ARN of a key/],
    ['a line break', `${ARN}\n`, /comes the ARN of a key/],
    ['another region than its ARN', `${ARN}?region=us-east-1`, /names the region eu-west-1, and \?region= another/],
    ['an empty region', 'alias/a?region=', /no region/],
    ['a region that is none', 'alias/a?region=Ireland', /no region/],
    ['two regions', 'alias/a?region=eu-west-1&region=eu-west-1', /region stands twice/],
    ['an unknown parameter', 'alias/a?regin=eu-west-1', /no such parameter; the nearest is region/],
    ['an empty endpoint', 'alias/a?endpoint=', /has to be an http/],
    ['an endpoint without a scheme', 'alias/a?endpoint=localhost:4566', /has to be an http/],
    ['a second question mark', 'alias/a?region=eu-west-1?endpoint=http://127.0.0.1', /no region/],
    ['a fragment', 'alias/a#b', /comes the ARN of a key/],
  ])('may not be %s', (_, text, says) => {
    const error = refusalOf(text)
    expect([error.code, error.details]).toEqual(['InvalidOptions', { option: 'keys' }])
    expect(error.message).toMatch(says)
  })

  it('is not repeated when it is refused: it may hold a secret', () => {
    const secret = 'hunter2-hunter2'
    for (const text of [
      KEY.toString('base64'),
      KEY.toString('hex'),
      secret,
      `alias/a?secretAccessKey=${secret}`,
      `alias/a?${secret}`,
      `alias/a?region=${secret}`,
      `alias/a?endpoint=http://user:${secret}@127.0.0.1`,
      `alias/a?endpoint=http://127.0.0.1/?token=${secret}`,
    ]) {
      const hidden = text.includes(secret) ? secret : text
      assertHides(everythingShown(refusalOf(text)), [hidden], 'the error')
    }
  })
})

describe('a recipient of a document', () => {
  const MRK_ARN = `arn:aws:kms:eu-west-1:111122223333:key/${MRK}`
  it.each([
    [ARN, ARN, true],
    [ARN, ARN.replace('-1234567890ab', '-1234567890ac'), false],
    [ARN, ARN.replace('eu-west-1', 'us-east-1'), false],
    [ARN, ARN.replace('111122223333', '999922223333'), false],
    [ID, ARN, true],
    [`${ID}?region=us-east-1`, ARN, false],
    [ID, ARN.replace('1234abcd', '2234abcd'), false],
    ['alias/any', ARN, true],
    ['alias/any?region=eu-west-1', ARN, true],
    ['alias/any?region=us-east-1', ARN, false],
    ['arn:aws:kms:eu-west-1:111122223333:alias/any', ARN, true],
    ['arn:aws:kms:eu-west-1:999922223333:alias/any', ARN, false],
    ['arn:aws:kms:us-east-1:111122223333:alias/any', ARN, false],
    [MRK, MRK_ARN, true],
    [MRK_ARN.replace('eu-west-1', 'us-east-1'), MRK_ARN, true],
    [MRK_ARN.replace('111122223333', '999922223333'), MRK_ARN, false],
    ['alias/any?region=us-east-1', MRK_ARN, true],
    ['alias/any', 'alias/any', false],
    ['alias/any', ID, false],
    [ARN, `${ARN} `, false],
  ])('asked of the key %s, as the table names it: %s → %s', (key, keyId, expected) => {
    const provider = new AwsKmsProvider({ key })
    expect(provider.matches({ provider: 'aws-kms', keyId })).toBe(expected)
    expect(provider.matches({ provider: 'static', keyId })).toBe(false)
  })
})

describe('the options of a key of AWS KMS', () => {
  const key = 'alias/state'
  it.each([
    ['key', {}],
    ['key', { key: 5 }],
    ['timeoutMs', { key, timeoutMs: 0 }],
    ['timeoutMs', { key, timeoutMs: '5s' }],
    ['credentials', { key, credentials: { accessKeyId: 'a' } }],
    ['client', { key, client: {} }],
    ['regoin', { key, regoin: 'eu-west-1' }],
    ['options', undefined],
  ])('are refused by the name of the one that is wrong: %s', (option, options) => {
    expect(() => new AwsKmsProvider(options as never)).toThrow(
      expect.objectContaining({ code: 'InvalidOptions', details: expect.objectContaining({ option }) }),
    )
  })
})
