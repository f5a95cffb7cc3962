import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { headKey, lockKey, objectKey, parseName, STORE_KEY } from '../../src/core/names.ts'
import { AwsKmsProvider } from '../../src/encrypt/index.ts'
import { parseDynamoDbAddress } from '../../src/locking/index.ts'
import { parseS3Address } from '../../src/s3/index.ts'
import { TEMPLATE, Template } from './template.ts'

interface LifecycleRule {
  Id: string
  Prefix: string
  Status: string
  NoncurrentVersionExpiration?: { NoncurrentDays: number }
  ExpiredObjectDeleteMarker?: boolean
}

const rulesOf = (template: Template) =>
  template.properties<{ LifecycleConfiguration: { Rules: LifecycleRule[] } }>('Bucket').LifecycleConfiguration.Rules

const PREFIXES = ['', 'prod', 'prod/eu']

describe('the CloudFormation template', () => {
  it('keeps bucket, table and key when the stack is deleted', () => {
    const holding = ['AWS::S3::Bucket', 'AWS::DynamoDB::Table', 'AWS::KMS::Key']
    const kept = new Template().resources.filter(([, , policy]) => policy === 'Retain').map(([, type]) => type)
    expect(kept.sort()).toEqual(holding.sort())
  })

  it('makes the bucket versioned, private, owned by its owner alone and encrypted', () => {
    expect(new Template().properties('Bucket')).toMatchObject({
      VersioningConfiguration: { Status: 'Enabled' },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    })
  })

  it.each(PREFIXES)(
    'has a rule for each place that grows, and none that touches what is current (prefix "%s")',
    (prefix) => {
      const rules = rulesOf(new Template({ Prefix: prefix, HistoryDays: 90, LockHistoryDays: 3 }))
      const name = parseName('shop/prod')
      const days = (key: string) => {
        const at = prefix === '' ? key : `${prefix}/${key}`
        const covering = rules.filter((rule) => rule.Prefix !== '' && at.startsWith(rule.Prefix))
        expect(covering.length, at).toBeLessThanOrEqual(1)
        return covering[0]?.NoncurrentVersionExpiration?.NoncurrentDays
      }
      expect(days(headKey(name))).toBe(90)
      expect(days(objectKey(name, 'ab'.repeat(16)))).toBe(90)
      expect(days(lockKey(name))).toBe(3)
      expect(days('records/x')).toBe(90)
      expect(days(STORE_KEY)).toBeUndefined()
      const allowed = ['Id', 'Prefix', 'Status', 'NoncurrentVersionExpiration', 'ExpiredObjectDeleteMarker']
      for (const rule of rules) {
        expect(rule.Status).toBe('Enabled')
        const more = Object.keys(rule).filter((member) => !allowed.includes(member))
        expect(more).toEqual(rule.Prefix === '' ? ['AbortIncompleteMultipartUpload'] : [])
      }
      expect(rules.filter((rule) => rule.ExpiredObjectDeleteMarker).map(({ Id }) => Id)).toEqual(['objects'])
    },
  )

  it('makes the lock table that the lock store needs: no time to live, restorable, protected', () => {
    const table = new Template().properties<Record<string, unknown>>('LockTable')
    expect(table).toEqual({
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'store', AttributeType: 'S' },
        { AttributeName: 'document', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'store', KeyType: 'HASH' },
        { AttributeName: 'document', KeyType: 'RANGE' },
      ],
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      DeletionProtectionEnabled: true,
    })
    expect(new Template({ DeletionProtection: 'no' }).properties('LockTable')).toMatchObject({
      DeletionProtectionEnabled: false,
    })
  })

  it('makes a key that KMS rotates, and an alias for it', () => {
    const template = new Template({ KeyAlias: 'acme/state' })
    expect(template.properties('Key')).toMatchObject({ EnableKeyRotation: true, PendingWindowInDays: 30 })
    expect(template.properties('Alias')).toMatchObject({ AliasName: 'alias/acme/state' })
  })

  it.each(PREFIXES)('answers with addresses that keelstate takes as they are (prefix "%s")', (prefix) => {
    const template = new Template({ BucketName: 'acme-state', Prefix: prefix, LockTableName: 'acme-locks' })
    expect(parseS3Address(template.output('Store'))).toEqual({
      bucket: 'acme-state',
      ...(prefix === '' ? {} : { prefix }),
      region: 'eu-west-1',
    })
    expect(parseDynamoDbAddress(template.output('Lock'))).toEqual({ table: 'acme-locks', region: 'eu-west-1' })
    for (const name of ['Key', 'KeyByAlias']) {
      const address = template.output(name)
      expect(new AwsKmsProvider({ key: address.replace('aws-kms:', '') }).address).toBe(address)
    }
    expect(JSON.parse(template.output('Configuration'))).toEqual({
      store: template.output('Store'),
      lock: template.output('Lock'),
      keys: [template.output('Key')],
    })
    for (const name of template.outputs) expect(template.output(name)).not.toContain('${')
  })

  it('is explained parameter by parameter and output by output', () => {
    const page = readFileSync(new URL('../../infra/aws/README.md', import.meta.url), 'utf8')
    const section = (name: string) =>
      TEMPLATE.slice(TEMPLATE.indexOf(`\n${name}:\n`) + name.length + 3).split(/\n\S/)[0]!
    const names = ['Parameters', 'Outputs'].flatMap((part) =>
      [...section(part).matchAll(/^ {2}(\w+):$/gm)].map(([, name]) => name!),
    )
    expect(names.length).toBeGreaterThan(12)
    for (const name of names) expect(page).toContain(`| \`${name}\` |`)
  })
})
