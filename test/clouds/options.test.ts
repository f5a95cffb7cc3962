import { inspect } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { Storage } from '@google-cloud/storage'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type GcsClientSlice, type GcsStoreOptions, gcsStore, parseGcsAddress } from '../../src/gcs/index.ts'
import { parseS3Address, type S3ClientSlice, type S3StoreOptions, s3Store } from '../../src/s3/index.ts'

const KMS_KEY = 'projects/p/locations/eu/keyRings/r/cryptoKeys/k'

/** What is refused, the option that is named, and words that say why. */
type Refused<Given> = readonly [given: Given, option: string, words: string]

interface Driver {
  readonly name: string
  parse(address: string): object
  open(options: object): ObjectStore
  /** Options by the address that stands for them. */
  readonly read: readonly (readonly [address: string, options: object])[]
  readonly refusedAddresses: readonly Refused<string>[]
  readonly secretAddresses: readonly string[]
  /** What no error repeats. */
  readonly secret: RegExp
  /** They come back as they are. */
  readonly addresses: readonly string[]
  /** Options, and the address of their place. */
  readonly place: readonly [options: object, address: string]
  readonly refusedOptions: readonly Refused<unknown>[]
}

const DRIVERS: readonly Driver[] = [
  {
    name: 'S3',
    parse: parseS3Address,
    open: (options) => s3Store(options as S3StoreOptions),
    read: [
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
    ],
    refusedAddresses: [
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
    ],
    secretAddresses: [
      's3://AKIAEXAMPLE:hunter2secret@acme/prod',
      's3://hunter2secret@acme',
      's3://acme?accessKeyId=AKIAEXAMPLE&secretAccessKey=hunter2secret',
      's3://acme?secret=hunter2secret',
      's3://acme?sessionToken=hunter2secret',
      's3://acme?X-Amz-Signature=hunter2secret',
      's3://acme?endpoint=http://user:hunter2secret@minio:9000',
    ],
    secret: /hunter2|AKIAEXAMPLE/,
    addresses: ['s3://acme', 's3://acme/team%20a/prod', 's3://acme/x?endpoint=http://127.0.0.1:9000'],
    place: [{ bucket: 'acme', region: 'eu-west-1', prefix: '/prod/' }, 's3://acme/prod'],
    refusedOptions: [
      [{ bucket: 'acme', regoin: 'x' }, 'regoin', 'the nearest is region'],
      [{ bucket: 'acme', retries: 3 }, 'retries', 'is no option'],
      [{}, 'bucket', 'bucket is needed'],
      [{ bucket: 'acme', credentials: { accessKeyId: 'AKIAEXAMPLE' } }, 'credentials', 'secretAccessKey'],
      [{ bucket: 'acme', client: {} }, 'client', 'method send'],
      [{ bucket: 'acme', attemptTimeoutMs: -1 }, 'attemptTimeoutMs', 'not valid'],
      [{ bucket: 'acme', maxBytes: 6 * 1024 ** 3 }, 'maxBytes', 'not valid'],
      [{ bucket: 'acme', region: 'eu-west-1', client: { send: async () => ({}) } }, 'region', 'beside a client'],
      [undefined, 'options', 'have to be an object'],
    ],
  },
  {
    name: 'Google Cloud Storage',
    parse: parseGcsAddress,
    open: (options) => gcsStore(options as GcsStoreOptions),
    read: [
      ['gs://acme', { bucket: 'acme' }],
      ['gs://acme/', { bucket: 'acme' }],
      ['GS://acme_state.example/prod', { bucket: 'acme_state.example', prefix: 'prod' }],
      [
        'gs://acme/team%20a/prod/?userProject=payer-1',
        { bucket: 'acme', prefix: 'team a/prod', userProject: 'payer-1' },
      ],
      ['gs://acme?endpoint=http://127.0.0.1:4443', { bucket: 'acme', endpoint: 'http://127.0.0.1:4443' }],
      [
        `gs://acme?kmsKeyName=${KMS_KEY}&maxBytes=1000000&attemptTimeoutMs=5000`,
        { bucket: 'acme', kmsKeyName: KMS_KEY, maxBytes: 1_000_000, attemptTimeoutMs: 5_000 },
      ],
    ],
    refusedAddresses: [
      ['gs://acme?endpont=x', 'endpont', 'the nearest is endpoint'],
      ['gs://acme?region=eu', 'region', 'is no parameter of a gs: address'],
      ['gs://acme?endpoint=http://a&endpoint=http://b', 'endpoint', 'twice'],
      ['gs://acme?userProject=', 'userProject', 'no value'],
      ['gs://acme?userProject=No!', 'userProject', 'is no id of a project'],
      ['gs://acme?maxBytes=1e6', 'maxBytes', 'whole number'],
      ['gs://acme?maxBytes=0', 'maxBytes', 'not valid'],
      ['gs://acme?kmsKeyName=k', 'kmsKeyName', 'has to be projects/'],
      ['gs://acme?endpoint=localhost:4443', 'endpoint', 'http: or https:'],
      ['gs://acme/a//b', 'prefix', 'none of them empty'],
      ['gs://acme/../b', 'prefix', '".."'],
      [`gs://acme/${'x'.repeat(121)}`, 'prefix', 'at most 120 bytes'],
      ['gs://acme/%7B%7BprojectId%7D%7D', 'prefix', 'must not hold'],
      ['gs://acme/%zz', 'store', "'%'"],
      ['gs://', 'bucket', 'is no name of a bucket'],
      ['gs://Acme', 'bucket', 'is no name of a bucket'],
      ['gs:acme/prod', 'store', 'no address of a store on Google Cloud Storage'],
      ['gs://acme#x', 'store', 'no address of a store on Google Cloud Storage'],
    ],
    secretAddresses: [
      'gs://me:hunter2secret@acme/prod',
      'gs://acme?token=hunter2secret',
      'gs://acme?credentials=hunter2secret',
      'gs://acme?private_key=hunter2secret',
      'gs://acme?endpoint=http://user:hunter2secret@storage:4443',
    ],
    secret: /hunter2/,
    addresses: ['gs://acme', 'gs://acme/team%20a/prod', 'gs://acme/x?endpoint=http://127.0.0.1:4443'],
    place: [{ bucket: 'acme', userProject: 'payer', prefix: '/prod/' }, 'gs://acme/prod'],
    refusedOptions: [
      [{ bucket: 'acme', endpont: 'x' }, 'endpont', 'the nearest is endpoint'],
      [{ bucket: 'acme', retries: 3 }, 'retries', 'is no option'],
      [{}, 'bucket', 'bucket is needed'],
      [{ bucket: 'acme', credentials: { client_email: 'a@hunter2' } }, 'credentials', 'private_key'],
      [{ bucket: 'acme', client: {} }, 'client', 'method bucket'],
      [{ bucket: 'acme', attemptTimeoutMs: -1 }, 'attemptTimeoutMs', 'not valid'],
      [{ bucket: 'acme', maxBytes: 6 * 1024 ** 3 }, 'maxBytes', 'not valid'],
      [{ bucket: 'acme', endpoint: 'http://a', client: { bucket: () => ({}) } }, 'endpoint', 'beside a client'],
      [undefined, 'options', 'have to be an object'],
    ],
  },
]

function refusal(work: () => unknown): KeelstateError<'InvalidOptions'> {
  try {
    work()
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidOptions')) return error
    throw error
  }
  return expect.unreachable('nothing was refused')
}

describe.each(DRIVERS)('$name: an address', (driver) => {
  const { parse, open } = driver

  it.each(driver.read)('%s is read as the options that it stands for', (address, options) => {
    expect(parse(address)).toEqual(options)
  })

  it.each(driver.refusedAddresses)('%s is refused, naming what is wrong', (address, option, words) => {
    const error = refusal(() => parse(address))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
  })

  it.each(driver.secretAddresses)('that holds credentials is refused without repeating them: %#', (address) => {
    const error = refusal(() => parse(address))
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(driver.secret)
  })

  it('comes back from the store, and opens the same place', () => {
    for (const address of driver.addresses) expect(open(parse(address)).address).toBe(address)
    const [options, address] = driver.place
    expect(open(options).address).toBe(address)
  })
})

describe.each(DRIVERS)('$name: an option', ({ open, refusedOptions, secret }) => {
  it.each(refusedOptions)('that is not valid is refused by its name: %#', (options, option, words) => {
    const error = refusal(() => open(options as object))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
    expect(error.message).not.toMatch(secret)
  })
})

describe('the option client', () => {
  it('may be the client of the AWS SDK itself, typed by the part that is used', () => {
    const client: S3ClientSlice = new S3Client({ region: 'eu-west-1' })
    expect(s3Store({ bucket: 'acme', client }).address).toBe('s3://acme')
  })

  it('may be the Storage of the client library itself, typed by the part that is used', () => {
    const client: GcsClientSlice = new Storage()
    expect(gcsStore({ bucket: 'acme', client }).address).toBe('gs://acme')
  })
})
