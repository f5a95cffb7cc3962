import type { ObjectStore, PutCondition } from '../../src/core/store.ts'
import type { DynamoDbClient } from '../../src/locking/index.ts'
import type { KmsRequestRecord, S3Server } from '../../src/testing/index.ts'
import type { Ask } from './policies.ts'

/** Where the requests go, as policies name it. */
export interface Places {
  readonly bucket: string
  /** Empty, or ends in `/`. */
  readonly prefix: string
  readonly table: string
  readonly key: string
}

const TLS = { 'aws:SecureTransport': 'true' }

/**
 * A store that passes everything on, and writes down what S3 would be asked for. A conditional write on an ETag also takes the right to read:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function askingStore(inner: ObjectStore, { bucket, prefix }: Places, asked: Ask[]): ObjectStore {
  const ask = (action: string, key: string, more = {}) =>
    asked.push({ action, resource: `${bucket}/${prefix}${key}`, context: { ...TLS, ...more } })
  return {
    address: inner.address,
    capabilities: inner.capabilities,
    get(key, options) {
      ask('s3:GetObject', key)
      return inner.get(key, options)
    },
    put(key, body, condition, options) {
      ask('s3:PutObject', key, headerOf(condition))
      if ('ifMatch' in condition) ask('s3:GetObject', key)
      return inner.put(key, body, condition, options)
    },
    delete(keys, options) {
      for (const key of keys) ask('s3:DeleteObject', key)
      return inner.delete(keys, options)
    },
    list(below, options) {
      asked.push({ action: 's3:ListBucket', resource: bucket, context: { ...TLS, 's3:prefix': `${prefix}${below}` } })
      return inner.list(below, options)
    },
    close: () => inner.close(),
  }
}

/** A client that passes everything on, and writes down what DynamoDB would be asked for. */
export function askingClient(inner: DynamoDbClient, { table }: Places, asked: Ask[]): DynamoDbClient {
  return {
    send(command, options) {
      const name = (command as object).constructor.name.replace(/Command$/, '')
      asked.push({ action: `dynamodb:${name}`, resource: table, context: TLS })
      return inner.send(command, options)
    },
  }
}

/** What requests that a KMS fixture got have asked of the key `alias`. */
export function askedOfKey(requests: readonly KmsRequestRecord[], alias: string, { key }: Places): Ask[] {
  return requests
    .filter(({ keyId }) => keyId === alias)
    .map(({ operation, context }) => {
      const pairs = Object.entries(context).map(([name, value]) => [`kms:EncryptionContext:${name}`, value])
      return { action: `kms:${operation}`, resource: key, context: { ...TLS, ...Object.fromEntries(pairs) } }
    })
}

function headerOf(condition: PutCondition): Record<string, string> {
  return 'ifAbsent' in condition ? { 's3:if-none-match': '*' } : { 's3:if-match': condition.ifMatch }
}

/** Actions by the operation that takes them, where their names differ. https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
const S3_ACTIONS: Readonly<Record<string, string>> = {
  GetBucketEncryption: 'GetEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  HeadBucket: 'ListBucket',
}

/** What requests that an S3 fixture got have asked of the bucket and of what lies in it. */
export function askedOfBucket(requests: S3Server['requests'], { bucket }: Places): Ask[] {
  return requests.map(({ operation, key, headers }) => ({
    action: `s3:${S3_ACTIONS[operation] ?? operation}`,
    resource: key === '' ? bucket : `${bucket}/${key}`,
    context: { ...TLS, ...(headers['if-none-match'] === undefined ? {} : { 's3:if-none-match': '*' }) },
  }))
}
