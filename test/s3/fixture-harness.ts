import type { ObjectStore } from '../../src/core/store.ts'
import { s3Store } from '../../src/s3/index.ts'
import { type ObjectStoreHarness, type S3Server, type S3ServerOptions, startS3Server } from '../../src/testing/index.ts'

const BUCKET = 'state'
const PLACE = {
  bucket: BUCKET,
  prefix: 'team a/prod',
  maxBytes: 16 * 1024 * 1024,
  conditionalWrites: 'trusted', // doctor's suites are about proving it
} as const

/** The driver through the real SDK on a fixture server of its own for each case. */
export function fixtureHarness(name: string, versioning?: 'enabled'): ObjectStoreHarness {
  const servers = new Map<ObjectStore, S3Server>()
  const broken: S3Server[] = []
  const start = async (options?: S3ServerOptions) => {
    const server = await startS3Server(options)
    server.createBucket(BUCKET, versioning === undefined ? {} : { versioning })
    return server
  }
  const startBroken = async (options?: S3ServerOptions) => {
    const server = await start(options)
    broken.push(server)
    return server.clientConfig
  }
  return {
    name,
    async open() {
      const server = await start()
      const store = s3Store({ ...server.clientConfig, ...PLACE })
      servers.set(store, server)
      return store
    },
    openAgain: async (store) => s3Store({ ...servers.get(store)?.clientConfig, ...PLACE }),
    openMissingBucket: async () => s3Store({ ...(await startBroken()), ...PLACE, bucket: 'missing' }),
    async openDenied() {
      const deny = ['GetObject', 'PutObject', 'DeleteObject', 'ListBucket'] as const
      return s3Store({
        ...(await startBroken({ credentials: [{ accessKeyId: 'shut-out', secretAccessKey: 's', deny }] })),
        ...PLACE,
      })
    },
    async stall(store) {
      servers.get(store)?.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'stall' })
    },
    async dispose(store) {
      await servers.get(store)?.close()
      for (const server of broken.splice(0)) await server.close()
    },
  }
}
