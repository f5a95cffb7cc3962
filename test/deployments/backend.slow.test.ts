import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import type { Environment } from '../../src/core/environment.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { deployment } from '../../src/deployments/index.ts'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { fileStore } from '../../src/file/index.ts'
import { openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { type BackendPlace, registerSuite, testBackend } from '../../src/testing/index.ts'
import { clouds } from '../clouds.ts'

/** Deployments in stores over one bucket: each handle has a store of its own, as another process would. */
async function place(
  connect: () => ObjectStore,
  environment: Environment | undefined,
  rest: Omit<BackendPlace, 'backend'>,
): Promise<BackendPlace> {
  const keys = [new StaticKeyProvider({ key: Buffer.alloc(32, 7) })]
  const open = () => openStore({ store: connect(), keys, memory: false, ...(environment && { environment }) })
  await (await open()).init()
  return {
    async backend(name, encrypter) {
      return deployment(await open(), { ...name, ...(encrypter && { encrypter }) })
    },
    ...rest,
  }
}

registerSuite(
  testBackend({
    name: 'memory',
    clock: true,
    stored: false,
    async open(environment) {
      const bucket = new MemoryBucket()
      return place(() => memoryStore({ bucket }), environment, { dispose: async () => {} })
    },
  }),
  { describe, it },
)

registerSuite(
  testBackend({
    name: 'file',
    clock: true,
    stored: true,
    async open(environment) {
      const folder = await mkdtemp(join(tmpdir(), 'keelstate-backend-'))
      return place(() => fileStore({ root: join(folder, 'store') }), environment, {
        async stored() {
          const entries = await readdir(folder, { recursive: true, withFileTypes: true })
          return Promise.all(entries.filter((e) => e.isFile()).map((e) => readFile(join(e.parentPath, e.name))))
        },
        dispose: () => rm(folder, { recursive: true, force: true }),
      })
    },
  }),
  { describe, it },
)

for (const { name, start } of clouds) {
  registerSuite(
    testBackend({
      name: `${name} on the fixture server`,
      clock: true,
      stored: true,
      async open(environment) {
        const { open, keys, bytes, close } = await start({ versioning: true })
        return place(open, environment, { stored: async () => keys().map(bytes), dispose: close })
      },
    }),
    { describe, it },
  )
}
