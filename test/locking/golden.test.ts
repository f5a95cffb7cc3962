import { readFileSync } from 'node:fs'
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentName } from '../../src/core/names.ts'
import {
  dynamoDbLockStore,
  type LockKey,
  type LockRecord,
  type LockStore,
  objectLockStore,
} from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { createLockTable, REGION, startDynalite } from './dynamo.ts'

// Golden files are never made anew: they are what released versions wrote.
const golden = (name: string) => readFileSync(new URL(`golden/${name}`, import.meta.url))

const KEY: LockKey = {
  storeId: '00112233445566778899aabbccddeeff',
  name: documentName(['shop', 'prod eu']),
  identity: 'state/shop/prod%20eu',
}
const OBJECT = 'locks/state/shop/prod%20eu/~'

const whole: LockRecord = {
  held: true,
  owner: '0f1e2d3c4b5a69788796a5b4c3d2e1f0',
  token: 'ffeeddccbbaa99887766554433221100',
  fence: 18_446_744_073_709_551_615n,
  leaseMs: 86_400_000,
  clean: false,
  prevClean: true,
  uncertain: true,
  reset: false,
  lastSeq: 9_007_199_254_740_991,
  lastId: '0123456789abcdef',
  birth: '102132435465768798a9babcbdcecfd0',
  since: '2026-11-21T14:00:00.000Z',
  who: 'zoë',
  host: 'runner-7',
  operation: 'deploy',
  reason: 'hotfix "7"',
  run: 'https://ci.example/runs/7',
}

/** What the first holder of a document writes who says nothing of itself, and what an item or object without defaults means. */
const plain: LockRecord = {
  held: false,
  owner: '00000000000000000000000000000001',
  token: '00000000000000000000000000000002',
  fence: 1n,
  leaseMs: 30_000,
  clean: true,
  prevClean: false,
  uncertain: false,
  reset: false,
  lastSeq: 0,
  lastId: '',
  birth: '',
  since: '2026-11-21T14:00:00.000Z',
  who: 'root',
  host: 'vm',
  operation: 'x',
}

describe('a lock record as an object', () => {
  const bucket = new MemoryBucket()
  const locks = objectLockStore(memoryStore({ bucket }))
  const text = (bytes: Uint8Array | Buffer) => Buffer.from(bytes).toString()

  it('is written as the page says, byte for byte', async () => {
    await locks.write(KEY, undefined, whole)
    expect(bucket.keys()).toEqual([OBJECT])
    expect(text(bucket.peek(OBJECT)!.bytes)).toBe(text(golden('lock.json')))
  })

  it('is read from what a released version wrote, and from one without the members that have a default', async () => {
    bucket.overwrite(OBJECT, golden('lock.json'))
    expect((await locks.read(KEY))?.record).toEqual(whole)
    bucket.overwrite(OBJECT, golden('lock-plain.json'))
    expect((await locks.read(KEY))?.record).toEqual(plain)
  })

  it('is told in JSON that needs nothing of keelstate to be read', () => {
    const line = text(golden('lock.json'))
    expect(line.endsWith('}\n')).toBe(true)
    expect(line.trimEnd()).not.toContain('\n')
    const { format, fence, ...rest } = JSON.parse(line)
    expect(format).toBe('keelstate-lock/1')
    expect({ ...rest, fence: BigInt(fence) }).toEqual(whole)
  })

  it('of a later format is refused by name, and of no format at all as damaged', async () => {
    bucket.overwrite(OBJECT, Buffer.from(text(golden('lock.json')).replace('lock/1', 'lock/2')))
    await expect(locks.read(KEY)).rejects.toMatchObject({ code: 'Unsupported', hint: 'Upgrade keelstate.' })
    for (const wrong of ['', '{}', 'null', '[]', '{"format":"keelstate-lock/1"}', '{"format":"other","held":false}']) {
      bucket.overwrite(OBJECT, Buffer.from(wrong))
      await expect(locks.read(KEY)).rejects.toMatchObject({ code: 'Corrupt' })
    }
  })

  it('with any member missing or of another type is damaged, and the error names the member', async () => {
    const good = JSON.parse(text(golden('lock.json'))) as Record<string, unknown>
    const optional = ['format', 'uncertain', 'reset', 'reason', 'run']
    for (const member of Object.keys(good).filter((name) => !optional.includes(name))) {
      const { [member]: _, ...less } = good
      for (const wrong of [less, { ...good, [member]: null }, { ...good, [member]: [] }, { ...good, [member]: -1 }]) {
        bucket.overwrite(OBJECT, Buffer.from(JSON.stringify(wrong)))
        await expect(locks.read(KEY)).rejects.toMatchObject({ code: 'Corrupt', details: { differs: member } })
      }
    }
    for (const fence of ['-1', '1.5', '18446744073709551616', '0x10', '', ' 1']) {
      bucket.overwrite(OBJECT, Buffer.from(JSON.stringify({ ...good, fence })))
      await expect(locks.read(KEY)).rejects.toMatchObject({ code: 'Corrupt' })
    }
  })

  it('is never believed a lease longer than a day', async () => {
    const long = { ...JSON.parse(text(golden('lock.json'))), leaseMs: 10 * 86_400_000 }
    bucket.overwrite(OBJECT, Buffer.from(JSON.stringify(long)))
    expect((await locks.read(KEY))?.record.leaseMs).toBe(86_400_000)
  })
})

describe('a lock record as an item', () => {
  let dynalite: Awaited<ReturnType<typeof startDynalite>>
  let client: DynamoDBClient
  let table: string
  let locks: LockStore
  const Key = { store: { S: KEY.storeId }, document: { S: KEY.identity } }
  const item = (name: string) => JSON.parse(golden(name).toString())

  beforeAll(async () => {
    dynalite = await startDynalite()
    client = new DynamoDBClient({ ...dynalite, region: REGION })
    table = await createLockTable(dynalite)
    locks = dynamoDbLockStore({ table, client })
  })
  afterAll(async () => {
    client.destroy()
    await dynalite.close()
  })

  it('is written as the page says', async () => {
    await locks.write(KEY, undefined, whole)
    const { Item } = await client.send(new GetItemCommand({ TableName: table, Key }))
    expect(Item).toEqual(item('item.json'))
  })

  it('is read from what a released version wrote, and from one without the attributes that have a default', async () => {
    await client.send(new PutItemCommand({ TableName: table, Item: item('item.json') }))
    expect((await locks.read(KEY))?.record).toEqual(whole)
    await client.send(new PutItemCommand({ TableName: table, Item: item('item-plain.json') }))
    expect((await locks.read(KEY))?.record).toEqual(plain)
  })

  it('is changed by an acquisition as the page says', async () => {
    const Item = { ...item('item-plain.json'), reason: { S: 'old' }, lastSeq: { N: '7' } }
    await client.send(new PutItemCommand({ TableName: table, Item }))
    const { since, who, host, operation } = whole
    const owner = 'a'.repeat(32)
    const token = 'b'.repeat(32)
    await locks.acquire!(KEY, {
      record: { owner, token, leaseMs: 5_000, since, who, host, operation },
      watched: undefined,
    })
    const { reason: _, ...rest } = Item
    expect((await client.send(new GetItemCommand({ TableName: table, Key }))).Item).toEqual({
      ...rest,
      held: { BOOL: true },
      owner: { S: owner },
      token: { S: token },
      fence: { N: '2' },
      leaseMs: { N: '5000' },
      clean: { BOOL: false },
      prevClean: { BOOL: true },
      uncertain: { BOOL: false },
      reset: { BOOL: true },
      who: { S: who },
      host: { S: host },
      operation: { S: operation },
    })
  })

  it('with an attribute of another type is damaged, and the error names it', async () => {
    for (const [name, wrong] of [
      ['held', { S: 'true' }],
      ['fence', { S: '1' }],
      ['fence', { N: '-1' }],
      ['leaseMs', { N: '1.5' }],
      ['owner', { S: 'me' }],
      ['lastId', { S: 'xyz' }],
    ] as const) {
      await client.send(new PutItemCommand({ TableName: table, Item: { ...item('item.json'), [name]: wrong } }))
      await expect(locks.read(KEY)).rejects.toMatchObject({ code: 'Corrupt', details: { differs: name } })
    }
  })
})
