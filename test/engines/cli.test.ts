import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe } from 'vitest'
import { ProcessWorkspace } from '../cli/processes.ts'
import { zombieCases } from '../cli/zombies.ts'
import { type DynamoDbEngine, dynamoDbEngines } from './aws.ts'
import { type StoreEngine, storeEngines } from './stores.ts'

// The command as it is installed, in processes of its own, on real services: documents in a bucket or a folder, locks beside them or in a table.

async function inBucket(engine: StoreEngine): Promise<string> {
  const bucket = await engine.newBucket({ versioning: true })
  return engine.address({ bucket, prefix: randomBytes(4).toString('hex') })
}

async function inTable({ newLockTable, region, endpoint }: DynamoDbEngine): Promise<string> {
  return `dynamodb://${await newLockTable()}?region=${region}&endpoint=${endpoint}`
}

function commandLines(
  where: string,
  env: Readonly<Record<string, string>>,
  addresses: () => Promise<[store: string, lock: string]>,
  lease?: string,
) {
  describe(`two command lines, ${where}`, () => {
    let at: ProcessWorkspace

    beforeEach(async () => {
      at = new ProcessWorkspace(env)
      const [store, lock] = await addresses()
      at.ok(['init', '--store', store, '--lock', lock, '--new-key', 'state.key'])
    })
    afterEach(() => at.remove())

    zombieCases(() => at, lease)
  })
}

for (const engine of storeEngines) {
  const { name, env, shortestLease } = engine
  commandLines(`${name}, locks beside the documents`, env, async () => [await inBucket(engine), 'store'], shortestLease)
}
for (const table of dynamoDbEngines) {
  const { accessKeyId, secretAccessKey } = table.credentials
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  const bucket = storeEngines.find(({ locks }) => locks === table.name)! // one process has AWS credentials for one service
  const where = `${bucket.name}, locks in DynamoDB on ${table.name}`
  commandLines(
    where,
    { ...bucket.env, ...env },
    async () => [await inBucket(bucket), await inTable(table)],
    bucket.shortestLease,
  )
}
