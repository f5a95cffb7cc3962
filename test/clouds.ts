// The clouds that keelstate has drivers for, each on its fixture server: what holds on one has to hold on the other.
import { gcsStore } from '../src/gcs/index.ts'
import type { ObjectStore } from '../src/index.ts'
import { s3Store } from '../src/s3/index.ts'
import { type GcsServer, type S3Server, startGcsServer, startS3Server } from '../src/testing/index.ts'

/** A store in a bucket of a fixture server, reached through the driver and the service's real client. */
export interface CloudPlace extends AsyncDisposable {
  readonly server: S3Server | GcsServer
  /** Of the store, as users write it. */
  readonly address: string
  /** What a process needs in its environment to reach it by its address. */
  readonly env: Readonly<Record<string, string>>
  /** The driver, as another process has it. */
  open(): ObjectStore
  /** Everything in the bucket, versions included. */
  snapshot(): unknown
  /** Names of objects in the bucket, ascending. */
  keys(): string[]
  bytes(key: string): Uint8Array
  /** Changes an object behind everybody's back. */
  overwrite(key: string, bytes: Uint8Array): void
  /** Refuses every read from now on; `all`: every request. */
  deny(): void
  close(): Promise<void>
}

export interface Cloud {
  readonly name: string
  readonly scheme: 's3' | 'gs'
  /** The service failed, and perhaps did what it was asked; it is busy; it is not allowed. */
  readonly broken: { readonly status: number; readonly code: string }
  readonly busy: { readonly status: number; readonly code: string }
  readonly denied: { readonly status: number; readonly code: string }
  start(options?: { versioning?: boolean }): Promise<CloudPlace>
}

export const BUCKET = 'acme-state'
export const PREFIX = 'prod'

const onS3: Cloud = {
  name: 'S3',
  scheme: 's3',
  broken: { status: 500, code: 'InternalError' },
  busy: { status: 503, code: 'SlowDown' },
  denied: { status: 403, code: 'AccessDenied' },
  async start({ versioning = false } = {}) {
    const server = await startS3Server()
    const bucket = server.createBucket(BUCKET, versioning ? { versioning: 'enabled' } : {})
    const { accessKeyId, secretAccessKey } = server.credential
    return placeOn(server, bucket, {
      address: `s3://${BUCKET}/${PREFIX}?region=${server.region}&endpoint=${server.endpoint}&conditionalWrites=trusted`,
      env: {
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      },
      open: () => s3Store({ ...server.clientConfig, conditionalWrites: 'trusted', bucket: BUCKET, prefix: PREFIX }),
      deny: () => server.deny(accessKeyId, ['GetObject']),
    })
  },
}

const FORBIDDEN = { status: 403, code: 'forbidden' }

const onGcs: Cloud = {
  name: 'Google Cloud Storage',
  scheme: 'gs',
  broken: { status: 500, code: 'backendError' },
  busy: { status: 429, code: 'rateLimitExceeded' },
  denied: FORBIDDEN,
  start: (options) => startGcs(options),
}

/** Google Cloud Storage; with `oneWriteASecond` as it is when somebody is in a hurry. */
export async function startGcs({
  versioning = false,
  oneWriteASecond = false,
}: {
  versioning?: boolean
  oneWriteASecond?: boolean
} = {}): Promise<CloudPlace> {
  const server = await startGcsServer({ oneWriteASecond, anonymous: true }) // an address of http: takes no credentials along
  const bucket = server.createBucket(BUCKET, { versioning })
  return placeOn(server, bucket, {
    address: `gs://${BUCKET}/${PREFIX}?endpoint=${server.endpoint}&conditionalWrites=trusted`,
    env: {},
    open: () => gcsStore({ ...server.clientConfig, conditionalWrites: 'trusted', bucket: BUCKET, prefix: PREFIX }),
    deny: () =>
      void server.faults.add({ method: 'GET', times: Number.POSITIVE_INFINITY }, { do: 'status', ...FORBIDDEN }),
  })
}

/** Both. */
export const clouds: readonly Cloud[] = [onS3, onGcs]

export function cloudOf(scheme: Cloud['scheme']): Cloud {
  return clouds.find((one) => one.scheme === scheme)!
}

type Bucket = ReturnType<S3Server['bucket']> | ReturnType<GcsServer['bucket']>

function placeOn(
  server: S3Server | GcsServer,
  bucket: Bucket,
  way: Pick<CloudPlace, 'address' | 'env' | 'open' | 'deny'>,
): CloudPlace {
  return {
    server,
    ...way,
    snapshot: () => bucket.snapshot(),
    keys: () => bucket.keys(),
    bytes: (key) => bucket.bytes(key)!,
    overwrite: (key, bytes) => void bucket.put(key, bytes),
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  }
}
