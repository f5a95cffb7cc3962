import { randomBytes } from 'node:crypto'
import type { MatrixObservations } from '../matrix.ts'
import { S3_MATRIX, type S3MatrixRow, type S3MatrixTokens } from './rows.ts'

const SILENCE_MS = 15_000 // a body that LocalStack damaged is announced longer than it is, and its rest never comes

/** An S3 service to ask. Path style is used. */
export interface S3Endpoint {
  endpoint: string
  region: string
  credentials: { accessKeyId: string; secretAccessKey: string }
}

/**
 * Sends every row's request to a service and notes its answer. Makes two buckets of its own and leaves nothing in them.
 *
 * @param rows Default: the whole matrix.
 */
export async function runS3Matrix(
  service: S3Endpoint,
  rows: readonly S3MatrixRow[] = S3_MATRIX,
): Promise<MatrixObservations> {
  const run = new MatrixRun(service, await import('@aws-sdk/client-s3'))
  try {
    await run.begin()
    const observed: Record<string, string> = {}
    for (const row of rows) observed[row.id] = await run.observe(row)
    return observed
  } finally {
    await run.end()
  }
}

type Sdk = typeof import('@aws-sdk/client-s3')

class MatrixRun {
  readonly #service: S3Endpoint
  readonly #sdk: Sdk
  readonly #client: InstanceType<Sdk['S3Client']>
  readonly #suffix = randomBytes(6).toString('hex')
  readonly #written = new Map<string, Set<string>>() // keys by bucket
  #count = 0

  constructor(service: S3Endpoint, sdk: Sdk) {
    this.#service = service
    this.#sdk = sdk
    this.#client = this.#connect(service.credentials)
  }

  async begin(): Promise<void> {
    const { CreateBucketCommand, PutBucketVersioningCommand } = this.#sdk
    await this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket(false) }))
    await this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket(true) }))
    const versioning = { Bucket: this.#bucket(true), VersioningConfiguration: { Status: 'Enabled' as const } }
    await this.#client.send(new PutBucketVersioningCommand(versioning))
  }

  async end(): Promise<void> {
    const { DeleteBucketCommand, DeleteObjectCommand, ListObjectVersionsCommand } = this.#sdk
    for (const Bucket of [this.#bucket(false), this.#bucket(true)]) {
      // By name too, the longest first: MinIO does not list what lies below an object.
      const keys = [...(this.#written.get(Bucket) ?? [])].sort((a, b) => b.length - a.length)
      for (const Key of keys) await this.#client.send(new DeleteObjectCommand({ Bucket, Key })).catch(() => undefined)
      for (;;) {
        const page = await this.#client.send(new ListObjectVersionsCommand({ Bucket }))
        for (const { Key, VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
          await this.#client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
        }
        if (!page.IsTruncated) break
      }
      await this.#client.send(new DeleteBucketCommand({ Bucket }))
    }
    this.#client.destroy()
  }

  async observe(row: S3MatrixRow): Promise<string> {
    const prefix = `row-${++this.#count}/`
    const home = this.#bucket(row.versioned ?? false)
    const tokens = await this.#prepare(row, home, prefix)
    const { Key = 'k', StartAfter, ...input } = row.input?.(tokens) ?? {}
    const key = `${prefix}${Key}`
    const target = { Bucket: row.bucket === 'missing' ? `${home}-missing` : home, Key: key }
    const client = row.credentials === undefined ? this.#client : this.#connect(this.#wrong(row.credentials))
    if (row.operation === 'ListObjectsV2') {
      const after = StartAfter === undefined ? {} : { StartAfter: `${prefix}${StartAfter}` }
      return this.#list({ Bucket: target.Bucket, Prefix: prefix, ...after, ...input })
    }
    this.#note(target.Bucket, key)
    const before = row.state === 'absent' || row.state === 'delete marker' ? 'absent' : tokens.etag
    const answer = await describe(() => this.#send(client, row.operation, { ...target, ...input }))
    if (client !== this.#client) client.destroy()
    const writes = row.operation === 'PutObject' || row.operation.startsWith('Delete')
    if (!writes || row.bucket === 'missing') return answer
    const after = await this.#tokenOf(home, key)
    const effect = after === 'absent' || after === 'unreadable' ? after : after === before ? 'unchanged' : 'written'
    return `${answer}, ${effect}`
  }

  async #prepare(row: S3MatrixRow, bucket: string, prefix: string): Promise<S3MatrixTokens> {
    for (const key of row.keys ?? []) await this.#put(bucket, `${prefix}${key}`, key)
    const tokens = {
      etag: '"11111111111111111111111111111111"',
      earlier: '',
      other: '"22222222222222222222222222222222"',
    }
    if (row.state === 'absent') return tokens
    if (row.state === 'overwritten') tokens.earlier = await this.#put(bucket, `${prefix}k`, 'earlier')
    tokens.etag = await this.#put(bucket, `${prefix}k`, 'present')
    if (row.state === 'delete marker') {
      await this.#client.send(new this.#sdk.DeleteObjectCommand({ Bucket: bucket, Key: `${prefix}k` }))
    }
    return tokens
  }

  async #put(bucket: string, key: string, text: string): Promise<string> {
    this.#note(bucket, key)
    const put = new this.#sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(text) })
    return (await this.#client.send(put)).ETag ?? ''
  }

  #note(bucket: string, key: string): void {
    const keys = this.#written.get(bucket) ?? new Set()
    this.#written.set(bucket, keys.add(key))
  }

  async #tokenOf(bucket: string, key: string): Promise<string> {
    try {
      const answer = await this.#client.send(new this.#sdk.GetObjectCommand({ Bucket: bucket, Key: key }))
      await answer.Body?.transformToByteArray()
      return answer.ETag ?? ''
    } catch (error) {
      return error instanceof this.#sdk.NoSuchKey ? 'absent' : 'unreadable'
    }
  }

  async #send(
    client: InstanceType<Sdk['S3Client']>,
    operation: S3MatrixRow['operation'],
    input: { Bucket: string; Key: string },
  ): Promise<number | undefined> {
    const sdk = this.#sdk
    const statusOf = async (answer: Promise<{ $metadata: { httpStatusCode?: number } }>) =>
      (await answer).$metadata.httpStatusCode
    switch (operation) {
      case 'GetObject': {
        const answer = await client.send(new sdk.GetObjectCommand(input))
        await answer.Body?.transformToByteArray()
        return answer.$metadata.httpStatusCode
      }
      case 'PutObject':
        return statusOf(client.send(new sdk.PutObjectCommand({ Body: Buffer.from('written'), ...input })))
      case 'HeadObject':
        return statusOf(client.send(new sdk.HeadObjectCommand(input)))
      case 'DeleteObject':
        return statusOf(client.send(new sdk.DeleteObjectCommand(input)))
      default:
        return statusOf(
          client.send(
            new sdk.DeleteObjectsCommand({ Bucket: input.Bucket, Delete: { Objects: [{ Key: input.Key }] } }),
          ),
        )
    }
  }

  async #list(input: { Bucket: string; Prefix: string }): Promise<string> {
    let keys = ''
    let token: string | undefined
    const answer = await describe(async () => {
      let status: number | undefined
      do {
        const page = await this.#client.send(new this.#sdk.ListObjectsV2Command({ ...input, ContinuationToken: token }))
        const entries = [
          ...(page.Contents ?? []).map(({ Key }) => Key),
          ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
        ]
        for (const entry of entries) keys += ` ${entry?.slice(input.Prefix.length)}`
        keys += ' |'
        token = page.NextContinuationToken
        status = page.$metadata.httpStatusCode
      } while (token !== undefined)
      return status
    })
    return `${answer}${keys}`
  }

  #connect(credentials: S3Endpoint['credentials']): InstanceType<Sdk['S3Client']> {
    return new this.#sdk.S3Client({
      endpoint: this.#service.endpoint,
      region: this.#service.region,
      credentials,
      forcePathStyle: true,
      maxAttempts: 1,
      requestHandler: { socketTimeout: SILENCE_MS },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  #wrong(what: 'wrong secret' | 'unknown key id'): S3Endpoint['credentials'] {
    const { accessKeyId } = this.#service.credentials
    return {
      accessKeyId: what === 'wrong secret' ? accessKeyId : 'AKIAUNKNOWNUNKNOWN00',
      secretAccessKey: 'not-the-secret',
    }
  }

  #bucket(versioned: boolean): string {
    return `keelstate-matrix-${this.#suffix}${versioned ? '-versioned' : ''}`
  }
}

/** Status, and the service's error code when there is one; `no answer` when the connection ended before the answer did. */
async function describe(send: () => Promise<number | undefined>): Promise<string> {
  try {
    return String(await send())
  } catch (error) {
    const { name, code, $metadata } = error as { name: string; code?: string; $metadata?: { httpStatusCode?: number } }
    const status = $metadata?.httpStatusCode
    if (status === undefined && code === 'ECONNRESET') return 'no answer'
    if (status === undefined) throw error
    return /^\d+$|^UnknownError$|^Unknown$|^NotFound$|^NotModified$/.test(name) ? String(status) : `${status} ${name}`
  }
}
