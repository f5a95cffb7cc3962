import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { documentName } from '../../src/core/names.ts'
import { json, openStore } from '../../src/index.ts'
import { dynamoDbLockStore, type LockKey, type LockRecord, parseDynamoDbAddress } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { dynamoDbWire, startFaultProxy } from '../../src/testing/index.ts'
import { createLockTable, REGION, startDynalite } from './dynamo.ts'

const RECORD: LockRecord = {
  held: true,
  owner: 'a'.repeat(32),
  token: 'c'.repeat(32),
  fence: 1n,
  leaseMs: 30_000,
  clean: false,
  prevClean: false,
  uncertain: false,
  reset: false,
  lastSeq: 0,
  lastId: '',
  birth: '',
  since: '2026-11-21T00:00:00.000Z',
  who: 'tester',
  host: '',
  operation: 'test',
}
const KEY: LockKey = { storeId: '0'.repeat(32), name: documentName(['doc']), identity: 'state/doc' }

let dynalite: Awaited<ReturnType<typeof startDynalite>>
beforeAll(async () => {
  dynalite = await startDynalite()
})
afterAll(() => dynalite.close())

describe('an address of a lock table', () => {
  it('names table, region and endpoint', () => {
    expect(parseDynamoDbAddress('dynamodb://acme-locks')).toEqual({ table: 'acme-locks' })
    expect(
      parseDynamoDbAddress('dynamodb://acme-locks?region=eu-west-1&endpoint=http%3A%2F%2Flocalhost%3A8000'),
    ).toEqual({
      table: 'acme-locks',
      region: 'eu-west-1',
      endpoint: 'http://localhost:8000',
    })
  })

  it.each([
    ['dynamodb:acme-locks', /no address of a lock table/],
    ['dynamodb://', /no address of a lock table/],
    ['dynamodb://key:secret@acme-locks', /no credentials/],
    ['dynamodb://acme-locks?table=other', /no parameter "table"/],
    ['dynamodb://acme-locks?accessKeyId=AKIA', /no parameter "accessKeyId"/],
    ['dynamodb://acme-locks?endpoint=ftp://x', /endpoint/],
    ['dynamodb://a', /table/],
  ])('is refused when it is %s', (address, message) => {
    expect(() => parseDynamoDbAddress(address)).toThrow(
      expect.objectContaining({ code: 'InvalidOptions', message: expect.stringMatching(message) }),
    )
  })

  it('is what a store can be opened with', async () => {
    const table = await createLockTable(dynalite)
    const lock = `dynamodb://${table}?region=${REGION}&endpoint=${encodeURIComponent(dynalite.endpoint)}`
    const bucket = new MemoryBucket()
    vi.stubEnv('AWS_ACCESS_KEY_ID', dynalite.credentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', dynalite.credentials.secretAccessKey)
    try {
      const open = async () =>
        (await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', lock })).document(
          'shop/prod',
          json<number>(),
        )
      const [left, right] = [await open(), await open()]
      const held = await left.lock({ operation: 'deploy' })
      await held.commit(1)
      await expect(right.lock({ operation: 'x' })).rejects.toMatchObject({
        code: 'Locked',
        details: { owner: held.owner },
      })
      await held.release()
      await right.withLock({ operation: 'y' }, (next) => next.commit(next.current!.value + 1))
      await left.withLock({ operation: 'z' }, (next) => expect(next.current?.value).toBe(2))
      expect(bucket.keys().filter((key) => key.startsWith('locks/'))).toEqual([])
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

describe('what DynamoDB answers', () => {
  const answers = [
    {
      status: 400,
      code: 'ConditionalCheckFailedException',
      expected: { code: 'PreconditionFailed', notExecuted: true },
    },
    { status: 400, code: 'ResourceNotFoundException', expected: { code: 'BucketMissing', notExecuted: true } },
    { status: 400, code: 'AccessDeniedException', expected: { code: 'AccessDenied', notExecuted: true } },
    { status: 400, code: 'UnrecognizedClientException', expected: { code: 'Unauthenticated', notExecuted: true } },
    { status: 400, code: 'ExpiredTokenException', expected: { code: 'Unauthenticated', notExecuted: true } },
    { status: 400, code: 'InvalidSignatureException', expected: { code: 'Unauthenticated', notExecuted: true } },
    { status: 400, code: 'ProvisionedThroughputExceededException', expected: { code: 'Throttled', notExecuted: true } },
    { status: 400, code: 'ThrottlingException', expected: { code: 'Throttled', notExecuted: true } },
    { status: 400, code: 'RequestLimitExceeded', expected: { code: 'Throttled', notExecuted: true } },
    { status: 400, code: 'ValidationException', expected: { code: 'InvalidOptions', notExecuted: true } },
    { status: 500, code: 'InternalServerError', expected: { code: 'Unavailable', notExecuted: undefined } },
    { status: 503, code: 'ServiceUnavailable', expected: { code: 'Unavailable', notExecuted: undefined } },
    { status: 400, code: 'SomethingNewException', expected: { code: 'Unavailable', notExecuted: undefined } },
  ]

  async function behindProxy() {
    const proxy = await startFaultProxy(dynalite.endpoint, dynamoDbWire)
    const { credentials } = dynalite
    const table = await createLockTable(dynalite)
    const locks = dynamoDbLockStore({ table, endpoint: proxy.endpoint, region: REGION, credentials })
    return { proxy, locks, table }
  }

  it.each(answers)('becomes ours: $status $code, after one attempt', async ({ status, code, expected }) => {
    const { proxy, locks } = await behindProxy()
    proxy.faults.add({ operation: 'GetItem', times: 5 }, { do: 'status', status, code })
    const error = await locks.read(KEY).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: expected.code, details: { serviceCode: code, status } })
    expect((error as { details: { notExecuted?: boolean } }).details.notExecuted).toBe(expected.notExecuted)
    expect(proxy.requests.length).toBe(1)
    await locks.close()
    await proxy.close()
  })

  it('is not known after a reset, and known not to have happened when nobody listens', async () => {
    const { proxy, locks } = await behindProxy()
    for (const action of [{ do: 'drop-request' }, { do: 'drop-answer' }] as const) {
      proxy.faults.add({ operation: 'GetItem' }, action)
      const error = await locks.read(KEY).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'Unavailable', details: { status: 'ECONNRESET' } })
      expect((error as { details: object }).details).not.toHaveProperty('notExecuted')
    }
    await proxy.close()
    await expect(locks.read(KEY)).rejects.toMatchObject({
      code: 'Unavailable',
      details: { notExecuted: true, status: 'ECONNREFUSED' },
    })
    await locks.close()
  })

  it('is not known when it broke off, whatever its status had said', async () => {
    const { proxy, locks, table } = await behindProxy()
    const record = { ...RECORD }
    const base = await locks.write(KEY, undefined, record)
    const elsewhere = { ...KEY, identity: 'state/elsewhere' }
    const { credentials } = dynalite
    const missing = dynamoDbLockStore({
      table: `${table}-2`,
      endpoint: proxy.endpoint,
      region: REGION,
      credentials,
    })
    const calls: Record<string, () => Promise<unknown>> = {
      'a record that is there': () => locks.read(KEY),
      'one that is not': () => locks.read(elsewhere),
      'a change that was made': () => locks.write(elsewhere, undefined, record),
      'a change that was refused': () => locks.write(KEY, undefined, record),
      'a lock that was taken': () => locks.acquire!(elsewhere, { record, watched: undefined }),
      'a lock that is held': () =>
        locks.acquire!(KEY, { record: { ...record, owner: 'b'.repeat(32) }, watched: undefined }),
      'a table that is not there': () => missing.read(KEY),
    }
    for (const [what, call] of Object.entries(calls)) {
      for (const bytes of [0, 1]) {
        proxy.faults.add({}, { do: 'truncate', bytes })
        const error = await call().then(
          () => expect.unreachable(`${what}, after ${bytes} bytes`),
          (thrown: unknown) => thrown,
        )
        expect(error, `${what}, after ${bytes} bytes`).toMatchObject({ code: 'Unavailable' })
        expect((error as { details: object }).details).not.toHaveProperty('notExecuted')
      }
    }
    expect(await locks.read(KEY)).toEqual(base)
    for (const one of [locks, missing]) await one.close()
    await proxy.close()
  })

  it('is told without what was signed: no key, no secret, no token', async () => {
    const { proxy, locks } = await behindProxy()
    proxy.faults.add({ operation: 'GetItem' }, { do: 'status', status: 400, code: 'UnrecognizedClientException' })
    const error = await locks.read(KEY).catch((thrown: unknown) => thrown as Error)
    const { inspect } = await import('node:util')
    for (const secret of Object.values(dynalite.credentials))
      expect(inspect(error, { depth: 10 })).not.toContain(secret)
    await locks.close()
    await proxy.close()
  })
})

describe('a client of one’s own', () => {
  it('is used, and is its owner’s to close', async () => {
    const client = new DynamoDBClient({ ...dynalite, region: REGION, maxAttempts: 1 })
    const table = await createLockTable(dynalite)
    const locks = dynamoDbLockStore({ table, client })
    expect(await locks.read(KEY)).toBeUndefined()
    await locks.close()
    expect(await dynamoDbLockStore({ table, client }).read(KEY)).toBeUndefined()
    client.destroy()
  })

  it('and every other option is checked when the lock store is made', () => {
    const wrong = [
      {},
      { table: 'a' },
      { table: 'abc', region: '' },
      { table: 'abc', endpoint: 'nowhere' },
      { table: 'abc', client: {} },
      { table: 'abc', tabel: 'x' },
    ]
    for (const options of wrong)
      expect(() => dynamoDbLockStore(options as never)).toThrow(expect.objectContaining({ code: 'InvalidOptions' }))
    expect(dynamoDbLockStore({ table: 'arn:aws:dynamodb:eu-west-1:1:table/locks' }).address).toContain('table/locks')
  })
})
