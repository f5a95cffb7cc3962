import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoctorReport, doctor, openStore } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { createLockTable, REGION, startDynalite } from '../locking/dynamo.ts'

let service: Awaited<ReturnType<typeof startDynalite>>

beforeAll(async () => {
  service = await startDynalite()
})
afterAll(() => service.close())

async function examine(table: string, answers?: Record<string, object>): Promise<DoctorReport> {
  const store = memoryStore()
  await (await openStore({ store, keys: 'plaintext' })).init()
  const real = new DynamoDBClient({ ...service, region: REGION, maxAttempts: 1 })
  // What no emulator has, a table with copies or with a time to live, is told by the client in its place.
  const send = async (command: object) => answers?.[command.constructor.name] ?? (await real.send(command as never))
  try {
    return await doctor({ store, lock: dynamoDbLockStore({ table, client: { send: send as never } }), rounds: 2 })
  } finally {
    real.destroy()
  }
}

const found = ({ findings }: DoctorReport, check: string) => findings.find((finding) => finding.check === check)

describe('a lock table in DynamoDB', () => {
  it('is safe as the template makes it', async () => {
    const report = await examine(await createLockTable(service))
    expect(report.verdict).toBe('safe')
    for (const check of [
      'lock-write-race',
      'lock-acquire-race',
      'lock-refused',
      'lock-table',
      'lock-replicas',
      'lock-ttl',
    ])
      expect(found(report, check), check).toMatchObject({ verdict: 'ok' })
  })

  const keys = [
    { AttributeName: 'store', KeyType: 'HASH' },
    { AttributeName: 'document', KeyType: 'RANGE' },
  ]
  it.each([
    [
      'is deleted from by age',
      { DescribeTimeToLiveCommand: { TimeToLiveDescription: { TimeToLiveStatus: 'ENABLED' } } },
      'lock-ttl',
      'unsafe',
    ],
    [
      'will be deleted from by age',
      { DescribeTimeToLiveCommand: { TimeToLiveDescription: { TimeToLiveStatus: 'ENABLING' } } },
      'lock-ttl',
      'unsafe',
    ],
    [
      'is copied with a delay',
      { DescribeTableCommand: { Table: { KeySchema: keys, Replicas: [{}], MultiRegionConsistency: 'EVENTUAL' } } },
      'lock-replicas',
      'unsafe',
    ],
    [
      'is copied without delay',
      { DescribeTableCommand: { Table: { KeySchema: keys, Replicas: [{}], MultiRegionConsistency: 'STRONG' } } },
      'lock-replicas',
      'ok',
    ],
    [
      'has other keys',
      { DescribeTableCommand: { Table: { KeySchema: [{ AttributeName: 'LockID', KeyType: 'HASH' }] } } },
      'lock-table',
      'unsafe',
    ],
  ])('that %s is judged', async (_, answers, check, verdict) => {
    const report = await examine(await createLockTable(service), answers)
    expect(found(report, check)).toMatchObject({ verdict })
    expect(report.verdict).toBe(verdict === 'ok' ? 'safe' : 'unsafe')
  })

  it('of another tool is told from one for locks, and one that is not there', async () => {
    const client = new DynamoDBClient({ ...service, region: REGION })
    const TableName = 'terraform-locks'
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'LockID', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'LockID', AttributeType: 'S' }],
      }),
    )
    client.destroy()
    const other = await examine(TableName)
    expect(other.verdict).toBe('unsafe')
    expect(found(other, 'lock-table')).toMatchObject({
      verdict: 'unsafe',
      says: expect.stringContaining('LockID HASH'),
    })
    expect(await examine('no-such-table')).toMatchObject({ verdict: 'unproven' })
  })
})
