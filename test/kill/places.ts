import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { type ObjectStore, openStore, type Store } from '../../src/index.ts'
import type { Cloud, CloudPlace } from '../clouds.ts'
import { testFolder } from '../file/folder.ts'

/** Where an encrypted store lies that processes work on until they are killed. */
export interface Place {
  /** As users write it. */
  readonly store: string
  readonly keys: string
  /** Folder of what readers remember: everybody's, from the first process to the last. */
  readonly memory: string
  /** What a process has to have in its environment. */
  readonly env: NodeJS.ProcessEnv
  /** Opens it as a new process does, in this one. */
  open(): Promise<Store>
  /** The objects below the mechanism. */
  objects(): ObjectStore
  /** Resolves when nothing of a dead process is still under way. */
  settled(): Promise<void>
}

export async function filePlace(): Promise<Place> {
  const folder = await testFolder()
  const root = join(folder, 'store')
  // What the dead leave is swept at once, not after an hour.
  return await placeOn(
    folder,
    `file:${root}`,
    {},
    () => fileStore({ root, leftoverAgeMs: 0 }),
    async () => {},
  )
}

/** In a new bucket. */
export async function cloudPlace(cloud: Cloud): Promise<Place> {
  return await placeIn(await cloud.start())
}

/** In a bucket of a server in this process: it outlives its clients, and so does what they sent. */
export async function placeIn({ server, address, env, open, close }: CloudPlace): Promise<Place> {
  onTestFinished(close)
  return await placeOn(await testFolder(), address, env, open, async () => {
    await sleep(20) // what a dead client sent may still lie in the sockets
    await server.settled()
  })
}

async function placeOn(
  folder: string,
  store: string,
  env: NodeJS.ProcessEnv,
  objects: () => ObjectStore,
  settled: () => Promise<void>,
): Promise<Place> {
  const keyFile = join(folder, 'state.key')
  await writeFile(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
  const keys = `file:${keyFile}`
  const memory = join(folder, 'memory')
  const open = () => openStore({ store: objects(), keys, memory, cache: false, by: 'the next one' })
  const own = { ...env, XDG_CACHE_HOME: join(folder, 'cache') } // what the dead kept of objects is not for the machine's user
  return { store, keys, memory, env: own, open, objects, settled }
}
