import { randomBytes } from 'node:crypto'
import { describe, it } from 'vitest'
import { deployment } from '../../src/deployments/index.ts'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { openStore } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { registerSuite, testBackend, testLockStore } from '../../src/testing/index.ts'
import { dynamoHarness } from '../locking/dynamo.ts'
import { type DynamoDbEngine, dynamoDbEngines } from './aws.ts'
import { storeEngines } from './stores.ts'

const TIMEOUT_MS = 10 * 60_000

for (const engine of dynamoDbEngines) {
  registerSuite(testLockStore(dynamoHarness(`DynamoDB on ${engine.name}`, () => engine)), { describe, it }, TIMEOUT_MS)
}

const lockTable = ({ endpoint, region, credentials }: DynamoDbEngine, table: string) =>
  dynamoDbLockStore({ table, endpoint, region, credentials })

// Deployments as a team has them: documents in a bucket, locks in a table or beside the documents.
for (const engine of storeEngines) {
  const table = dynamoDbEngines.find(({ name }) => engine.locks === name)
  registerSuite(
    testBackend({
      name: `${engine.name}, locks ${table === undefined ? 'beside the documents' : 'in DynamoDB'}`,
      clock: true,
      stored: false,
      async open(environment) {
        const [bucket, locks] = await Promise.all([engine.newBucket({ versioning: true }), table?.newLockTable()])
        const prefix = randomBytes(4).toString('hex')
        const open = () =>
          openStore({
            store: engine.open({ bucket, prefix }),
            keys: [new StaticKeyProvider({ key: Buffer.alloc(32, 7) })],
            memory: false,
            cache: false,
            ...(table && locks && { lock: lockTable(table, locks) }),
            ...(environment && { environment }),
          })
        await (await open()).init()
        return {
          backend: async (name, encrypter) => deployment(await open(), { ...name, ...(encrypter && { encrypter }) }),
          dispose: async () => {},
        }
      },
    }),
    { describe, it },
    TIMEOUT_MS,
  )
}
