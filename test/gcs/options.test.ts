import { inspect } from 'node:util'
import { Storage } from '@google-cloud/storage'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { type GcsClientSlice, type GcsStoreOptions, gcsStore, parseGcsAddress } from '../../src/gcs/index.ts'

const KMS_KEY = 'projects/p/locations/eu/keyRings/r/cryptoKeys/k'

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
    ['gs://acme', { bucket: 'acme' }],
    ['gs://acme/', { bucket: 'acme' }],
    ['GS://acme_state.example/prod', { bucket: 'acme_state.example', prefix: 'prod' }],
    ['gs://acme/team%20a/prod/?userProject=payer-1', { bucket: 'acme', prefix: 'team a/prod', userProject: 'payer-1' }],
    ['gs://acme?endpoint=http://127.0.0.1:4443', { bucket: 'acme', endpoint: 'http://127.0.0.1:4443' }],
    [
      `gs://acme?kmsKeyName=${KMS_KEY}&maxBytes=1000000&attemptTimeoutMs=5000`,
      { bucket: 'acme', kmsKeyName: KMS_KEY, maxBytes: 1_000_000, attemptTimeoutMs: 5_000 },
    ],
  ])('%s is read as the options that it stands for', (address, options) => {
    expect(parseGcsAddress(address)).toEqual(options)
  })

  it.each([
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
  ])('%s is refused, naming what is wrong', (address, option, words) => {
    const error = refusal(() => parseGcsAddress(address))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
  })

  it.each([
    'gs://me:hunter2secret@acme/prod',
    'gs://acme?token=hunter2secret',
    'gs://acme?credentials=hunter2secret',
    'gs://acme?private_key=hunter2secret',
    'gs://acme?endpoint=http://user:hunter2secret@storage:4443',
  ])('that holds credentials is refused without repeating them: %#', (address) => {
    const error = refusal(() => parseGcsAddress(address))
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2secret/)
  })

  it('comes back from the store, and opens the same place', () => {
    for (const address of ['gs://acme', 'gs://acme/team%20a/prod', 'gs://acme/x?endpoint=http://127.0.0.1:4443']) {
      expect(gcsStore(parseGcsAddress(address)).address).toBe(address)
    }
    expect(gcsStore({ bucket: 'acme', userProject: 'payer', prefix: '/prod/' }).address).toBe('gs://acme/prod')
  })
})

describe('an option', () => {
  it.each([
    [{ bucket: 'acme', endpont: 'x' }, 'endpont', 'the nearest is endpoint'],
    [{ bucket: 'acme', retries: 3 }, 'retries', 'is no option'],
    [{}, 'bucket', 'bucket is needed'],
    [{ bucket: 'acme', credentials: { client_email: 'a@hunter2' } }, 'credentials', 'private_key'],
    [{ bucket: 'acme', client: {} }, 'client', 'method bucket'],
    [{ bucket: 'acme', attemptTimeoutMs: -1 }, 'attemptTimeoutMs', 'not valid'],
    [{ bucket: 'acme', maxBytes: 6 * 1024 ** 3 }, 'maxBytes', 'not valid'],
    [{ bucket: 'acme', endpoint: 'http://a', client: { bucket: () => ({}) } }, 'endpoint', 'beside a client'],
    [undefined, 'options', 'have to be an object'],
  ])('that is not valid is refused by its name: %#', (options, option, words) => {
    const error = refusal(() => gcsStore(options as unknown as GcsStoreOptions))
    expect(error.details.option).toBe(option)
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('hunter2')
  })

  it('may be the Storage of the client library itself, typed by the part that is used', () => {
    const client: GcsClientSlice = new Storage()
    expect(gcsStore({ bucket: 'acme', client }).address).toBe('gs://acme')
  })
})
