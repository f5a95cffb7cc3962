import { randomBytes } from 'node:crypto'
import { describe, it } from 'vitest'
import { deployment } from '../../src/deployments/index.ts'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { openStore } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { registerSuite, testBackend, testLockStore } from '../../src/testing/index.ts'
import { dynamoHarness } from '../locking/dynamo.ts'
import { dynamoDbEngines } from './aws.ts'
import { engines } from './engines.ts'

const TIMEOUT_MS = 10 * 60_000

for (const engine of dynamoDbEngines) {
  registerSuite(testLockStore(dynamoHarness(`DynamoDB on ${engine.name}`, () => engine)), { describe, it }, TIMEOUT_MS)
}

// Deployments as a team has them: documents in a bucket, locks in a table or beside the documents.
for (const engine of engines) {
  const table = dynamoDbEngines.find(({ name }) => name === engine.name)
  registerSuite(
    testBackend({
      name: `s3 on ${engine.name}, locks ${table === undefined ? 'beside the documents' : 'in DynamoDB'}`,
      clock: true,
      stored: false,
      async open(environment) {
        const { endpoint, region, credentials } = engine
        const [bucket, locks] = await Promise.all([engine.newBucket({ versioning: true }), table?.newLockTable()])
        const prefix = randomBytes(4).toString('hex')
        const open = () =>
          openStore({
            store: s3Store({ bucket, prefix, endpoint, region, credentials, conditionalWrites: 'trusted' }),
            keys: [new StaticKeyProvider({ key: Buffer.alloc(32, 7) })],
            memory: false,
            ...(locks !== undefined && { lock: dynamoDbLockStore({ table: locks, endpoint, region, credentials }) }),
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
