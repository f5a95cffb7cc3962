import type { ObjectStore } from '../../src/core/store.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import {
  type GcsServer,
  type GcsServerOptions,
  type ObjectStoreHarness,
  startGcsServer,
} from '../../src/testing/index.ts'

const BUCKET = 'state'
const PLACE = {
  bucket: BUCKET,
  prefix: 'team a/prod',
  maxBytes: 16 * 1024 * 1024,
  conditionalWrites: 'trusted', // doctor's suites are about proving it
} as const

/** The driver through the real client on a fixture server of its own for each case. */
export function fixtureHarness(name: string, versioning = false): ObjectStoreHarness {
  const servers = new Map<ObjectStore, GcsServer>()
  const broken: GcsServer[] = []
  const start = async (options?: GcsServerOptions) => {
    const server = await startGcsServer({ idempotencyTokens: true, ...options })
    server.createBucket(BUCKET, { versioning })
    return server
  }
  const startBroken = async (options?: GcsServerOptions) => {
    const server = await start(options)
    broken.push(server)
    return server.clientConfig
  }
  return {
    name,
    async open() {
      const server = await start()
      const store = gcsStore({ ...server.clientConfig, ...PLACE })
      servers.set(store, server)
      return store
    },
    openAgain: async (store) => gcsStore({ ...servers.get(store)?.clientConfig, ...PLACE }),
    openMissingBucket: async () => gcsStore({ ...(await startBroken()), ...PLACE, bucket: 'missing' }),
    async openDenied() {
      const deny = ['create', 'delete', 'get', 'list'].map((verb) => `storage.objects.${verb}` as 'storage.objects.get')
      return gcsStore({ ...(await startBroken({ credentials: [{ token: 'shut-out', deny }] })), ...PLACE })
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
