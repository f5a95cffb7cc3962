import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ObjectStore } from '../../src/core/store.ts'
import { type FileStore, fileStore } from '../../src/file/index.ts'
import type { ObjectStoreHarness } from '../../src/testing/index.ts'

const MAX_BYTES = 16 * 1024 * 1024

/** Stores in folders of their own below the system's temporary folder. */
export function fileHarness(): ObjectStoreHarness {
  const open = async (name: string): Promise<FileStore> => {
    const parent = await mkdtemp(join(tmpdir(), 'keelstate-file-'))
    return fileStore({ root: join(parent, name), maxBytes: MAX_BYTES })
  }
  const rootOf = (store: ObjectStore) => store.address.slice('file:'.length)
  return {
    name: 'file',
    async open() {
      const store = await open('store')
      await store.prepare()
      return store
    },
    openAgain: async (store) => fileStore({ root: rootOf(store), maxBytes: MAX_BYTES }),
    openMissingBucket: () => open('missing'),
    dispose: (store) => rm(dirname(rootOf(store)), { recursive: true, force: true }),
  }
}
