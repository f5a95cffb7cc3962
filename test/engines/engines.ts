import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  GetBucketVersioningCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3Engine } from '../../src/testing/s3-matrix/index.ts'

/** A service that runs for the tests, and how clients reach it. */
export interface RunningService<N extends string> {
  readonly name: N
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** An S3 service. */
export interface EngineUnderTest extends RunningService<S3Engine> {
  /** Makes an empty bucket and resolves to its name. Buckets are left: the engines of a test run do not outlive it. */
  newBucket(options?: { versioning?: boolean }): Promise<string>
}

/** Every engine that the suites run on. `npm run test:engines` provides them; one that is missing fails every suite. */
export const engines: readonly EngineUnderTest[] = [engine('localstack'), engine('minio')]

/** What `npm run test:engines` says of a service. */
export function runningService<N extends string>(name: N): RunningService<N> {
  const variable = `KEELSTATE_TEST_${name.toUpperCase().replaceAll('-', '_')}`
  const endpoint = required(variable)
  const credentials = {
    accessKeyId: required(`${variable}_ACCESS_KEY`),
    secretAccessKey: required(`${variable}_SECRET_KEY`),
  }
  return { name, endpoint, region: 'us-east-1', credentials }
}

function engine(name: S3Engine): EngineUnderTest {
  const service = runningService(name)
  const { endpoint, region, credentials } = service
  return { ...service, newBucket }

  async function newBucket({ versioning = false }: { versioning?: boolean } = {}): Promise<string> {
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
    try {
      const Bucket = `keelstate-test-${randomBytes(8).toString('hex')}`
      await client.send(new CreateBucketCommand({ Bucket }))
      if (!versioning) return Bucket
      const VersioningConfiguration = { Status: 'Enabled' } as const
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
      const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket }))
      if (Status !== 'Enabled') throw new Error(`${name} did not enable versioning.`)
      return Bucket
    } finally {
      client.destroy()
    }
  }
}

/** What `npm run test:engines` sets. */
export function required(variable: string): string {
  const value = process.env[variable]
  if (!value)
    throw new Error(`${variable} is not set: run these suites by \`npm run test:engines\`, which provides the engines.`)
  return value
}
