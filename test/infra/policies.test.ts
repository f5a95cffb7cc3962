import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateTableCommand, type CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { S3Client } from '@aws-sdk/client-s3'
import dynalite from 'dynalite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AwsKmsProvider } from '../../src/encrypt/index.ts'
import { doctor, openStore, type Store } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { type KmsServer, startKmsServer, startS3Server } from '../../src/testing/index.ts'
import { askedOfBucket, askedOfKey, askingClient, askingStore, type Places } from './asking.ts'
import { type Ask, fits, judge } from './policies.ts'
import { Template } from './template.ts'
import { collect, read, write } from './work.ts'

const template = new Template({ BucketName: 'acme-state', Prefix: 'prod/eu', LockTableName: 'acme-locks' })
const BUCKET = 'arn:aws:s3:::acme-state'
const PLACES: Places = {
  bucket: BUCKET,
  prefix: 'prod/eu/',
  table: 'arn:aws:dynamodb:eu-west-1:111122223333:table/acme-locks',
  key: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
}

const bucketPolicy = template.statements('BucketPolicy')
const reader = template.statements('Reader')
const writer = [...reader, ...template.statements('Writer')]
const maintainer = [...writer, ...template.statements('Maintainer')]
const ROLES = { reader, writer, maintainer } as const

/** What each role's work asks AWS for, recorded from the library at work. */
const asked: Record<keyof typeof ROLES, Ask[]> = { reader: [], writer: [], maintainer: [] }

let dynamoDb: Server
let kms: KmsServer
beforeAll(async () => {
  dynamoDb = dynalite({ createTableMs: 0 })
  dynamoDb.listen(0, '127.0.0.1')
  await once(dynamoDb, 'listening')
  const endpoint = `http://127.0.0.1:${(dynamoDb.address() as AddressInfo).port}`
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const client = new DynamoDBClient({ endpoint, region: 'us-east-1', credentials })
  const { TableName, KeySchema, AttributeDefinitions, BillingMode } =
    template.properties<CreateTableCommandInput>('LockTable')
  await client.send(new CreateTableCommand({ TableName, KeySchema, AttributeDefinitions, BillingMode }))
  kms = await startKmsServer()
  for (const alias of ['alias/acme', 'alias/recovery'] as const) kms.setAlias(alias, kms.createKey())
  const provide = (alias: string) =>
    new AwsKmsProvider({ key: `${alias}?region=us-east-1&endpoint=${kms.endpoint}`, credentials: kms.credential })

  const bucket = new MemoryBucket()
  const seen: string[] = []
  const as = async (
    role: keyof typeof ROLES,
    work: (store: Store) => Promise<void>,
    keys = ['alias/acme'],
    lockTable = true,
  ) => {
    const locks = dynamoDbLockStore({ table: TableName!, client: askingClient(client, PLACES, asked[role]) })
    const store = askingStore(memoryStore({ bucket }), PLACES, asked[role])
    const options = { store, keys: keys.map(provide), ...(lockTable ? { lock: locks } : {}) }
    await using opened = await openStore(options)
    await work(opened)
    if (role === 'reader' && lockTable)
      for await (const { identity } of locks.list(await opened.id())) seen.push(identity)
    asked[role].push(...askedOfKey(kms.takeRequests(), 'alias/acme', PLACES))
  }

  await as('maintainer', async (store) => void (await store.init()))
  await as('writer', write)
  await as('writer', async (store) => write(store, 'shop/second'), ['alias/recovery', 'alias/acme'])
  await as('writer', async (store) => write(store, 'shop/third'), ['alias/acme'], false)
  await as('reader', read)
  await as('reader', read, ['alias/acme'], false)
  await as('maintainer', collect)
  expect(seen).toEqual(['state/shop/prod', 'state/shop/second'])
  await doctor({
    store: askingStore(memoryStore({ bucket }), PLACES, asked.maintainer),
    lock: dynamoDbLockStore({ table: TableName!, client: askingClient(client, PLACES, asked.maintainer) }),
    rounds: 1,
  })
  asked.maintainer.push(...(await askedForSettings()))
  client.destroy()
})
afterAll(async () => {
  dynamoDb.close()
  await kms.close()
})

/** What `doctor` asks for beside, of a bucket that it takes for one of AWS. */
async function askedForSettings(): Promise<Ask[]> {
  const server = await startS3Server()
  server.createBucket('acme-state')
  const client = new S3Client({ ...server.clientConfig, maxAttempts: 1 })
  const options = { bucket: 'acme-state', prefix: PLACES.prefix.replace(/\/$/, '') }
  const store = s3Store({ ...options, client: { send: client.send.bind(client) as never } })
  for await (const { verdict } of store.inspect!()) expect(verdict).not.toBe('unknown')
  const requests = server.takeRequests()
  client.destroy()
  await server.close()
  return askedOfBucket(requests, PLACES)
}

describe('the policies', () => {
  it.each(Object.keys(ROLES) as (keyof typeof ROLES)[])(
    'let the %s do all of its work, the bucket policy included',
    (role) => {
      expect(asked[role].length).toBeGreaterThan(10)
      const verdicts = asked[role].map((ask) => [judge(ask, [...ROLES[role], ...bucketPolicy]), ask] as const)
      expect(verdicts.filter(([verdict]) => verdict !== 'allowed')).toEqual([])
    },
  )

  it('grant no action that is not needed, on no place where it is not needed', () => {
    const everything = Object.values(asked).flat()
    for (const statement of maintainer) {
      for (const action of statement.Action) {
        for (const resource of statement.Resource) {
          const exact = { ...statement, Action: [action], Resource: [resource] }
          const used = everything.some((ask) => fits(exact, ask))
          // Records come with a later release: the place is reserved, and its writes are conditional like all others.
          expect([statement.Sid, action, resource, used || resource.endsWith('/records/*')]).toEqual([
            statement.Sid,
            action,
            resource,
            true,
          ])
        }
      }
    }
  })

  it('let a reader change nothing, and a writer neither make a store nor delete', () => {
    const others = [...asked.writer, ...asked.maintainer].filter(
      ({ action }) => !reader.some(({ Action }) => Action.includes(action)),
    )
    const looking = others.filter(({ action }) => /^(s3:Get|dynamodb:Describe)/.test(action))
    for (const ask of looking) expect(judge(ask, writer)).toBe('not granted')
    const changing = others.filter((ask) => !looking.includes(ask))
    expect(new Set(changing.map(({ action }) => action))).toEqual(
      new Set([
        's3:PutObject',
        's3:DeleteObject',
        'dynamodb:PutItem',
        'dynamodb:UpdateItem',
        'kms:GenerateDataKey',
        'kms:Encrypt',
      ]),
    )
    for (const ask of changing) expect(judge(ask, reader)).toBe('not granted')
    const maintaining = asked.maintainer.filter(
      ({ action, resource }) =>
        action === 's3:DeleteObject' || (action === 's3:PutObject' && resource.endsWith('/store')),
    )
    expect(maintaining.length).toBeGreaterThan(1)
    for (const ask of maintaining) expect(judge(ask, writer)).toBe('not granted')
  })

  it('reach nothing outside the prefix, no other table, and no use of the key without a document', () => {
    const grant = (action: string, resource: string, context = {}) => judge({ action, resource, context }, maintainer)
    for (const action of ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'])
      for (const key of [
        'heads/state/a/~',
        'objects/state/a/~/1',
        'store',
        'prod/euro/store',
        'prod/eu2/heads/a',
        'prod',
      ])
        expect(grant(action, `${BUCKET}/${key}`)).toBe('not granted')
    for (const key of ['heads/state/a/~', 'locks/state/a/~', 'store', 'records/a'])
      expect(grant('s3:DeleteObject', `${BUCKET}/prod/eu/${key}`)).toBe('not granted')
    expect(grant('s3:DeleteObjectVersion', `${BUCKET}/prod/eu/objects/state/a/~/1`)).toBe('not granted')
    for (const listed of ['', 'prod', 'prod/', 'prod/euro/', 'heads/'])
      expect(grant('s3:ListBucket', BUCKET, { 's3:prefix': listed })).toBe('not granted')
    expect(grant('dynamodb:UpdateItem', `${PLACES.table}-other`)).toBe('not granted')
    for (const action of ['dynamodb:DeleteItem', 'dynamodb:DeleteTable', 'dynamodb:Scan'])
      expect(grant(action, PLACES.table)).toBe('not granted')
    expect(grant('kms:Decrypt', PLACES.key)).toBe('not granted')
    expect(grant('kms:Decrypt', PLACES.key, { 'kms:EncryptionContext:keelstate:store': 'id' })).toBe('allowed')
  })

  it('make an absent object a 404 and not a 403, which takes the right to list without naming a prefix', () => {
    expect(judge({ action: 's3:ListBucket', resource: BUCKET, context: {} }, reader)).toBe('allowed')
  })
})

describe('the bucket policy', () => {
  const EVERYTHING = [{ Sid: 'Admin', Effect: 'Allow', Action: ['*'], Resource: ['*'] } as const]
  const TLS = { 'aws:SecureTransport': 'true' }
  const [ifAbsent, ifMatch] = [
    { ...TLS, 's3:if-none-match': '*' },
    { ...TLS, 's3:if-match': '"etag"' },
  ]
  const asAdmin = (policy: Template) => (action: string, key: string, context: Record<string, string>) =>
    judge({ action, resource: `${BUCKET}/${key}`, context }, [...EVERYTHING, ...policy.statements('BucketPolicy')])

  it('refuses to everybody what keelstate never does: writes without a precondition, and deletions of what moves', () => {
    const verdict = asAdmin(template)
    for (const key of ['heads/state/a/~', 'locks/state/a/~', 'records/x']) {
      expect(verdict('s3:PutObject', `prod/eu/${key}`, TLS)).toBe('denied by NoUnconditionalWrite')
      expect(verdict('s3:PutObject', `prod/eu/${key}`, ifAbsent)).toBe('allowed')
      expect(verdict('s3:PutObject', `prod/eu/${key}`, ifMatch)).toBe('allowed')
    }
    for (const key of ['store', 'objects/state/a/~/1']) {
      expect(verdict('s3:PutObject', `prod/eu/${key}`, TLS)).toMatch(/^denied by/)
      expect(verdict('s3:PutObject', `prod/eu/${key}`, ifMatch)).toBe('denied by CreatedOnceAndNeverReplaced')
      expect(verdict('s3:PutObject', `prod/eu/${key}`, ifAbsent)).toBe('allowed')
    }
    for (const key of ['store', 'heads/state/a/~', 'locks/state/a/~'])
      for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion'])
        expect(verdict(action, `prod/eu/${key}`, TLS)).toBe('denied by NeverDeleted')
    expect(verdict('s3:DeleteObject', 'prod/eu/objects/state/a/~/1', TLS)).toBe('allowed')
  })

  it('leaves what lies outside the prefix alone', () => {
    const verdict = asAdmin(template)
    for (const key of ['heads/a', 'store', 'prod/us/heads/a'])
      for (const action of ['s3:PutObject', 's3:DeleteObject']) expect(verdict(action, key, TLS)).toBe('allowed')
  })

  it('covers the whole bucket where there is no prefix', () => {
    const verdict = asAdmin(new Template({ BucketName: 'acme-state' }))
    expect(verdict('s3:PutObject', 'heads/state/a/~', TLS)).toBe('denied by NoUnconditionalWrite')
    expect(verdict('s3:PutObject', 'store', ifMatch)).toBe('denied by CreatedOnceAndNeverReplaced')
    expect(verdict('s3:DeleteObject', 'locks/state/a/~', TLS)).toBe('denied by NeverDeleted')
  })

  it('refuses plain HTTP, with those protections and without', () => {
    const open = new Template({ BucketName: 'acme-state', DenyUnconditionalWrites: 'no' })
    for (const policy of [template, open])
      expect(asAdmin(policy)('s3:GetObject', 'any', { 'aws:SecureTransport': 'false' })).toBe('denied by OnlyOverTls')
    for (const action of ['s3:PutObject', 's3:DeleteObject'])
      expect(asAdmin(open)(action, 'heads/state/a/~', TLS)).toBe('allowed')
  })
})
