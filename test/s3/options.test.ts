import { inspect } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { parseS3Address, type S3ClientSlice, type S3StoreOptions, s3Store } from '../../src/s3/index.ts'

function refusal(work: () => unknown): KeelstateError<'InvalidOptions'> {
  try {
    work()
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidOptions')) return error
    throw error
  }
  return expect.unreachable('nothing was refused')
}

describe('an address', () => {
  it.each([
    ['s3://acme', { bucket: 'acme' }],
    ['s3://acme/', { bucket: 'acme' }],
    ['S3://acme/prod', { bucket: 'acme', prefix: 'prod' }],
    ['s3://acme/team%20a/prod/?region=eu-west-1', { bucket: 'acme', prefix: 'team a/prod', region: 'eu-west-1' }],
    [
      's3://acme?endpoint=http://127.0.0.1:9000&forcePathStyle=false',
      { bucket: 'acme', endpoint: 'http://127.0.0.1:9000', forcePathStyle: false },
    ],
    [
      's3://acme?endpoint=https%3A%2F%2Fminio.example%2Fs3&expectedBucketOwner=111122223333',
      { bucket: 'acme', endpoint: 'https://minio.example/s3', expectedBucketOwner: '111122223333' },
    ],
    [
      's3://acme?serverSideEncryption=aws:kms&kmsKeyId=alias/state&maxBytes=1000000&attemptTimeoutMs=5000&connectTimeoutMs=100',
      {
        bucket: 'acme',
        serverSideEncryption: 'aws:kms',
        kmsKeyId: 'alias/state',
        maxBytes: 1_000_000,
        attemptTimeoutMs: 5_000,
        connectTimeoutMs: 100,
      },
    ],
  ])('%s is read as the options that it stands for', (address, options) => {
    expect(parseS3Address(address)).toEqual(options)
  })

  it.each([
    ['s3://acme?regoin=eu-west-1', 'regoin', 'the nearest is region'],
    ['s3://acme?endpont=x', 'endpont', 'the nearest is endpoint'],
    ['s3://acme?colour=red', 'colour', 'is no parameter'],
    ['s3://acme?region=eu-west-1&region=eu-west-2', 'region', 'twice'],
    ['s3://acme?region=', 'region', 'no value'],
    ['s3://acme?region', 'region', 'no value'],
    ['s3://acme?region=Frankfurt!', 'region', 'is no name of a region'],
    ['s3://acme?forcePathStyle=yes', 'forcePathStyle', 'true or false'],
    ['s3://acme?maxBytes=1e6', 'maxBytes', 'whole number'],
    ['s3://acme?maxBytes=0', 'maxBytes', 'not valid'],
    ['s3://acme?serverSideEncryption=rot13', 'serverSideEncryption', 'AES256'],
    ['s3://acme?kmsKeyId=k', 'kmsKeyId', 'aws:kms'],
    ['s3://acme?endpoint=localhost:9000', 'endpoint', 'http: or https:'],
    ['s3://acme?expectedBucketOwner=me', 'expectedBucketOwner', '12 digits'],
    ['s3://acme/a//b', 'prefix', 'none of them empty'],
    ['s3://acme/../b', 'prefix', '".."'],
    [`s3://acme/${'x'.repeat(121)}`, 'prefix', 'at most 120 bytes'],
    ['s3://acme/%00', 'prefix', 'control characters'],
    ['s3://acme/%zz', 'store', "'%'"],
    ['s3://', 'bucket', 'is no name of a bucket'],
    ['s3://a', 'bucket', 'is no name of a bucket'],
    ['s3://state--use1-az4--x-s3', 'bucket', 'directory bucket'],
    ['s3:acme/prod', 'store', 'no address of an S3 store'],
    ['s3://acme#x', 'store', 'no address of an S3 store'],
  ])('%s is refused, naming what is wrong', (address, option, words) => {
    const error = refusal(() => parseS3Address(address))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
  })

  it.each([
    's3://AKIAEXAMPLE:hunter2secret@acme/prod',
    's3://hunter2secret@acme',
    's3://acme?accessKeyId=AKIAEXAMPLE&secretAccessKey=hunter2secret',
    's3://acme?secret=hunter2secret',
    's3://acme?sessionToken=hunter2secret',
    's3://acme?X-Amz-Signature=hunter2secret',
    's3://acme?endpoint=http://user:hunter2secret@minio:9000',
  ])('that holds credentials is refused without repeating them: %#', (address) => {
    const error = refusal(() => parseS3Address(address))
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2secret|AKIAEXAMPLE/)
  })

  it('comes back from the store, and opens the same place', () => {
    for (const address of ['s3://acme', 's3://acme/team%20a/prod', 's3://acme/x?endpoint=http://127.0.0.1:9000']) {
      expect(s3Store(parseS3Address(address)).address).toBe(address)
    }
    expect(s3Store({ bucket: 'acme', region: 'eu-west-1', prefix: '/prod/' }).address).toBe('s3://acme/prod')
  })
})

describe('an option', () => {
  it.each([
    [{ bucket: 'acme', regoin: 'x' }, 'regoin', 'the nearest is region'],
    [{ bucket: 'acme', retries: 3 }, 'retries', 'is no option'],
    [{}, 'bucket', 'bucket is needed'],
    [{ bucket: 'acme', credentials: { accessKeyId: 'AKIAEXAMPLE' } }, 'credentials', 'secretAccessKey'],
    [{ bucket: 'acme', client: {} }, 'client', 'method send'],
    [{ bucket: 'acme', attemptTimeoutMs: -1 }, 'attemptTimeoutMs', 'not valid'],
    [{ bucket: 'acme', maxBytes: 6 * 1024 ** 3 }, 'maxBytes', 'not valid'],
    [{ bucket: 'acme', region: 'eu-west-1', client: { send: async () => ({}) } }, 'region', 'beside a client'],
    [undefined, 'options', 'have to be an object'],
  ])('that is not valid is refused by its name: %#', (options, option, words) => {
    const error = refusal(() => s3Store(options as unknown as S3StoreOptions))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('AKIAEXAMPLE')
  })

  it('may be the client of the AWS SDK itself, typed by the part that is used', () => {
    const client: S3ClientSlice = new S3Client({ region: 'eu-west-1' })
    expect(s3Store({ bucket: 'acme', client }).address).toBe('s3://acme')
  })
})
