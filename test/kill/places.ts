import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { type ObjectStore, openStore, type Store } from '../../src/index.ts'
import { parseS3Address, s3Store } from '../../src/s3/index.ts'
import { startS3Server } from '../../src/testing/index.ts'
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

/** A server in this process: it outlives its clients, and so does what they sent. */
export async function s3Place(): Promise<Place> {
  const server = await startS3Server()
  onTestFinished(() => server.close())
  server.createBucket('state')
  const { accessKeyId, secretAccessKey } = server.credential
  const address = `s3://state/kept?region=${server.region}&endpoint=${server.endpoint}&conditionalWrites=trusted`
  const open = () => s3Store({ ...parseS3Address(address), credentials: server.credential })
  const env = {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  }
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
  const open = () => openStore({ store: objects(), keys, memory, by: 'the next one' })
  return { store, keys, memory, env, open, objects, settled }
}
