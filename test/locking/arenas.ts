import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileStore } from '../../src/file/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import {
  dynamoDbWire,
  type FaultMatch,
  type FaultPlan,
  startFaultProxy,
  type Weather,
} from '../../src/testing/index.ts'
import { clouds } from '../clouds.ts'
import { createLockTable, REGION, startDynalite } from './dynamo.ts'
import { LOCK_OBJECT, objectsPlace, type Place, tablePlace, World } from './world.ts'

/** A world, and where in it messages to the lock store can be lost. */
export interface Arena {
  readonly world: World
  readonly faults: FaultPlan
  /** The request that takes the lock next, that proves it after the first acquisition from now on, or that changes its record next. */
  change(which: Change): FaultMatch
  /** What the service says when it is busy, and when something went wrong with a request that it perhaps executed. */
  readonly busy: { readonly status: number; readonly code: string }
  readonly broken: { readonly status: number; readonly code: string }
  close(): Promise<void>
}

export type Change = 'acquire' | 'proof' | 'next'

export interface ArenaKind {
  readonly name: string
  /** Messages can take virtual time, or get lost in silence. A real service answers while time stands still, or hangs up. */
  readonly silence: boolean
  open(weather?: Weather, seed?: number): Promise<Arena>
}

const ofLockObject =
  (key: string) =>
  (which: Change): FaultMatch => ({
    operation: 'PutObject',
    key,
    nth: which === 'proof' ? 2 : 1,
  })
const ofTable = (which: Change): FaultMatch => ({ operation: which === 'acquire' ? 'UpdateItem' : 'PutItem' })
const s3Codes = { busy: { status: 503, code: 'SlowDown' }, broken: { status: 500, code: 'InternalError' } }
const dynamoDbCodes = {
  busy: { status: 400, code: 'ThrottlingException' },
  broken: { status: 500, code: 'InternalServerError' },
}

/** In memory: thousands of lives in a second. */
export const inMemory: readonly ArenaKind[] = [
  {
    name: 'locks taken in one request',
    silence: true,
    open: async (weather, seed) => {
      const world = new World(tablePlace(), weather, seed)
      return { world, faults: world.network.faults, change: ofTable, ...s3Codes, close: async () => {} }
    },
  },
  {
    name: 'lock objects',
    silence: true,
    open: async (weather, seed) => {
      const world = new World(objectsPlace(), weather, seed)
      const change = ofLockObject(LOCK_OBJECT)
      return { world, faults: world.network.faults, change, ...s3Codes, close: async () => {} }
    },
  },
]

/** The drivers, over files and real HTTP, in virtual time. */
export const onServices: readonly ArenaKind[] = [
  {
    name: 'lock objects in files',
    silence: true,
    async open(weather, seed) {
      const folder = await mkdtemp(join(tmpdir(), 'keelstate-locks-'))
      const objects = fileStore({ root: join(folder, 'store') })
      await objects.prepare?.()
      const world = new World({ objects }, weather, seed)
      return {
        world,
        faults: world.network.faults,
        change: ofLockObject(LOCK_OBJECT),
        ...s3Codes,
        async close() {
          await objects.close()
          await rm(folder, { recursive: true, force: true })
        },
      }
    },
  },
  ...clouds.map(
    ({ name, busy, broken, start }): ArenaKind => ({
      name: `lock objects on the fixture of ${name}`,
      silence: false,
      async open(weather, seed) {
        const place = await start()
        const objects = place.open()
        return {
          world: new World({ objects }, weather, seed),
          faults: place.server.faults,
          change: ofLockObject(`*${LOCK_OBJECT}`),
          busy,
          broken,
          async close() {
            await objects.close()
            await place.close()
          },
        }
      },
    }),
  ),
  {
    name: 'dynamodb on dynalite',
    silence: false,
    async open(weather, seed) {
      const dynalite = await startDynalite()
      const proxy = await startFaultProxy(dynalite.endpoint, dynamoDbWire)
      const { credentials } = dynalite
      const table = await createLockTable(dynalite)
      const locks = dynamoDbLockStore({ table, endpoint: proxy.endpoint, region: REGION, credentials })
      const place: Place = { objects: memoryStore(), locks }
      return {
        world: new World(place, weather, seed),
        faults: proxy.faults,
        change: ofTable,
        ...dynamoDbCodes,
        async close() {
          await locks.close()
          await proxy.close()
          await dynalite.close()
        },
      }
    },
  },
]
