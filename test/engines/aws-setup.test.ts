import { randomBytes } from 'node:crypto'
import {
  type CreateTableCommandInput,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb'
import { DescribeKeyCommand, GetKeyPolicyCommand, GetKeyRotationStatusCommand } from '@aws-sdk/client-kms'
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  type LifecycleRule,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import { Template } from '../infra/template.ts'
import { kmsEngine } from './aws.ts'

// What infra/aws/localstack-setup.py made of the template when LocalStack was ready.
const [Bucket, TableName, KeyId] = ['keelstate', 'keelstate-locks', 'alias/keelstate']
const template = new Template({ BucketName: Bucket, LockTableName: TableName })

const { endpoint, region, credentials } = kmsEngine
const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
const dynamoDb = new DynamoDBClient({ endpoint, region, credentials })
afterAll(() => {
  s3.destroy()
  dynamoDb.destroy()
})

describe('LocalStack is set up as the template says', () => {
  it('with its bucket', async () => {
    interface Properties {
      readonly BucketEncryption: { ServerSideEncryptionConfiguration: { ServerSideEncryptionByDefault: object }[] }
      readonly LifecycleConfiguration: { Rules: Record<string, unknown>[] }
      readonly OwnershipControls: object
      readonly PublicAccessBlockConfiguration: object
      readonly VersioningConfiguration: { Status: string }
    }
    const expected = template.properties<Properties>('Bucket')
    const versioning = await s3.send(new GetBucketVersioningCommand({ Bucket }))
    expect(versioning.Status).toBe(expected.VersioningConfiguration.Status)
    const access = await s3.send(new GetPublicAccessBlockCommand({ Bucket }))
    expect(access.PublicAccessBlockConfiguration).toEqual(expected.PublicAccessBlockConfiguration)
    const ownership = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))
    expect(ownership.OwnershipControls).toEqual(expected.OwnershipControls)
    const encryption = await s3.send(new GetBucketEncryptionCommand({ Bucket }))
    const rule = encryption.ServerSideEncryptionConfiguration?.Rules?.[0]
    const [wanted] = expected.BucketEncryption.ServerSideEncryptionConfiguration
    expect(rule?.ApplyServerSideEncryptionByDefault).toEqual(wanted?.ServerSideEncryptionByDefault)
    const lifecycle = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
    expect(lifecycle.Rules?.map(asInTemplate)).toEqual(expected.LifecycleConfiguration.Rules)
    const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket }))
    expect(JSON.parse(Policy!)).toEqual(template.properties<{ PolicyDocument: object }>('BucketPolicy').PolicyDocument)
  })

  it('with its lock table', async () => {
    const { Table } = await dynamoDb.send(new DescribeTableCommand({ TableName }))
    const { KeySchema, AttributeDefinitions, BillingMode, DeletionProtectionEnabled } =
      template.properties<CreateTableCommandInput>('LockTable')
    expect(Table).toMatchObject({ KeySchema, AttributeDefinitions, DeletionProtectionEnabled })
    expect(Table?.BillingModeSummary?.BillingMode).toBe(BillingMode)
    const backups = await dynamoDb.send(new DescribeContinuousBackupsCommand({ TableName }))
    const recovery = backups.ContinuousBackupsDescription?.PointInTimeRecoveryDescription
    expect(recovery?.PointInTimeRecoveryStatus).toBe('ENABLED')
    const { TimeToLiveDescription } = await dynamoDb.send(new DescribeTimeToLiveCommand({ TableName }))
    expect(TimeToLiveDescription?.TimeToLiveStatus).toBe('DISABLED')
  })

  it('with its key', async () => {
    const { client } = kmsEngine
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }))
    const expected = template.properties<{ Description: string; EnableKeyRotation: boolean; KeyPolicy: object }>('Key')
    expect(KeyMetadata).toMatchObject({
      Description: expected.Description,
      KeyState: 'Enabled',
      KeySpec: 'SYMMETRIC_DEFAULT',
    })
    const { KeyRotationEnabled } = await client.send(new GetKeyRotationStatusCommand({ KeyId: KeyMetadata!.KeyId! }))
    expect(KeyRotationEnabled).toBe(expected.EnableKeyRotation)
    const { Policy } = await client.send(new GetKeyPolicyCommand({ KeyId: KeyMetadata!.KeyId!, PolicyName: 'default' }))
    const account = (text: string) => text.replace(/\b\d{12}\b/g, 'ACCOUNT')
    expect(JSON.parse(account(Policy!))).toEqual(JSON.parse(account(JSON.stringify(expected.KeyPolicy))))
  })
})

describe('a store on what the template makes', () => {
  const before = { ...process.env }
  beforeAll(() => {
    process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId
    process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey
  })
  afterAll(() => {
    process.env = before
  })

  it('is opened by three addresses: documents in S3, locks in DynamoDB, the key in KMS', async () => {
    const at = `region=${region}&endpoint=${endpoint}`
    const addresses = {
      store: `s3://${Bucket}/${randomBytes(4).toString('hex')}?${at}`,
      lock: `dynamodb://${TableName}?region=${region}&endpoint=${encodeURIComponent(endpoint)}`,
      keys: `aws-kms:${KeyId}?${at}`,
      memory: false as const,
      cache: false as const,
    }
    await using store = await openStore(addresses)
    await store.init()
    const shop = store.document('shop/prod', json<{ replicas: number }>())
    await shop.withLock({ operation: 'deploy' }, async (held) => {
      await held.commit({ replicas: 1 })
      await using rival = await openStore(addresses)
      const waiting = rival.document('shop/prod', json()).lock({ operation: 'rival' })
      await expect(waiting).rejects.toMatchObject({ code: 'Locked', details: { operation: 'deploy' } })
    })
    await using next = await openStore(addresses)
    await next.document('shop/prod', json<{ replicas: number }>()).withLock({ operation: 'scale' }, async (held) => {
      expect(held.current?.value).toEqual({ replicas: 1 })
      await held.commit({ replicas: 2 })
    })
    expect((await shop.read())?.value).toEqual({ replicas: 2 })
    expect((await shop.verify()).ok).toBe(true)
  })
})

/** A rule as the template writes it: the API names two members otherwise. */
function asInTemplate({ ID, Filter, Expiration, ...rest }: LifecycleRule): Record<string, unknown> {
  const marker = Expiration?.ExpiredObjectDeleteMarker
  return {
    Id: ID,
    Prefix: Filter?.Prefix,
    ...(marker === undefined ? {} : { ExpiredObjectDeleteMarker: marker }),
    ...rest,
  }
}
