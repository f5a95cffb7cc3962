import { S3Client } from '@aws-sdk/client-s3'
import type { ObjectStore } from '../../src/core/store.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { gcsWire, startFaultProxy, type WireProtocol } from '../../src/testing/index.ts'
import { s3Wire } from '../../src/testing/s3-wire.ts'
import { type EngineUnderTest, engines } from './engines.ts'
import { fakeGcsServer } from './gcs.ts'

/** Where a store lies on an engine. */
export interface EnginePlace {
  readonly bucket: string
  readonly prefix?: string
  /** Of a proxy before the engine. */
  readonly endpoint?: string
}

/** A service that stores lie on, whatever it speaks. */
export interface StoreEngine {
  /** The driver and the engine. */
  readonly name: string
  readonly endpoint: string
  readonly wire: WireProtocol
  /** How it answers a read of what the reader has already; see its deviations. */
  readonly unchanged: 200 | 304
  /** Of locks beside the documents, where it is not as short as one likes. */
  readonly shortestLease?: string
  /** The DynamoDB service that goes with it, where suites keep their locks in a table. */
  readonly locks?: 'dynamodb-local' | 'localstack'
  /** What the service says when it is busy. */
  readonly busy: { readonly status: number; readonly code: string }
  /** What it says when it failed, and perhaps did what it was asked. */
  readonly broken: { readonly status: number; readonly code: string }
  /** What a command line needs in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Makes an empty bucket and resolves to its name. */
  newBucket(options?: { versioning?: boolean }): Promise<string>
  open(place: EnginePlace): ObjectStore
  /** A store as somebody sees it who may do nothing; where the engine knows of such people. */
  openDenied?(bucket: string): ObjectStore
  /** As users write it. */
  address(place: EnginePlace): string
}

/** Every engine that suites of stores run on. */
export const storeEngines: readonly StoreEngine[] = [...engines.map(s3Engine), gcsEngine()]

/** Starts a proxy that speaks as the engine does, and before it. */
export function startProxyBefore({ endpoint, wire }: StoreEngine): ReturnType<typeof startFaultProxy> {
  return startFaultProxy(endpoint, wire)
}

function s3Engine({ name, endpoint, region, credentials, newBucket }: EngineUnderTest): StoreEngine {
  return {
    name: `s3 on ${name}`,
    endpoint,
    wire: s3Wire,
    unchanged: 304,
    ...(name === 'localstack' && { locks: name }),
    busy: { status: 503, code: 'SlowDown' },
    broken: { status: 500, code: 'InternalError' },
    env: { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    newBucket,
    open: (place) => s3Store({ endpoint, region, credentials, conditionalWrites: 'trusted', ...place }),
    // LocalStack lets everybody in; see the deviations of the S3 matrix.
    ...(name === 'minio' && {
      openDenied: (bucket: string) => s3Store({ bucket, client: anonymous({ endpoint, region, credentials }) }),
    }),
    address: ({ bucket, prefix = '', endpoint: by = endpoint }) =>
      `s3://${bucket}/${prefix}?region=${region}&endpoint=${by}&conditionalWrites=trusted`,
  }
}

/** A client that nobody knows: a service that checks permissions gives it none. */
function anonymous(service: Pick<EngineUnderTest, 'endpoint' | 'region' | 'credentials'>): S3Client {
  const signer = { sign: async <T>(request: T) => request }
  return new S3Client({ ...service, signer, forcePathStyle: true, maxAttempts: 1 })
}

function gcsEngine(): StoreEngine {
  const { name, endpoint, newBucket } = fakeGcsServer
  return {
    name: `gcs on ${name}`,
    endpoint,
    wire: gcsWire,
    unchanged: 200,
    shortestLease: '10s',
    locks: 'dynamodb-local',
    busy: { status: 429, code: 'rateLimitExceeded' },
    broken: { status: 500, code: 'backendError' },
    env: {},
    newBucket,
    open: (place) => gcsStore({ endpoint, conditionalWrites: 'trusted', ...place }),
    address: ({ bucket, prefix = '', endpoint: by = endpoint }) =>
      `gs://${bucket}/${prefix}?endpoint=${by}&conditionalWrites=trusted`,
  }
}
