import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ObjectStore } from '../../src/core/store.ts'
import { type FileStore, fileStore } from '../../src/file/index.ts'
import type { ObjectStoreHarness } from '../../src/testing/index.ts'
import { steppedDisk, storeOn } from './disks.ts'

const MAX_BYTES = 16 * 1024 * 1024

/** Stores in folders of their own below `parent`, by default the system's temporary folder. */
export function fileHarness(parent: string = tmpdir()): ObjectStoreHarness {
  const newRoot = async (name: string) => join(await mkdtemp(join(parent, 'keelstate-file-')), name)
  const open = (root: string): FileStore => fileStore({ root, maxBytes: MAX_BYTES })
  const rootOf = (store: ObjectStore) => store.address.slice('file:'.length)
  const stalled = new Set<string>()
  return {
    name: 'file',
    async open() {
      const root = await newRoot('store')
      await open(root).prepare()
      const disk = steppedDisk(() => (stalled.has(root) ? new Promise(() => {}) : Promise.resolve()))
      return storeOn(root, disk, { maxBytes: MAX_BYTES })
    },
    openAgain: async (store) => open(rootOf(store)),
    openMissingBucket: async () => open(join(parent, `keelstate-file-missing-${randomUUID()}`)),
    async stall(store) {
      stalled.add(rootOf(store))
    },
    dispose: (store) => rm(dirname(rootOf(store)), { recursive: true, force: true }),
  }
}
