import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe } from 'vitest'
import { ProcessWorkspace } from '../cli/processes.ts'
import { zombieCases } from '../cli/zombies.ts'
import { type DynamoDbEngine, dynamoDbEngines } from './aws.ts'
import { type EngineUnderTest, engines, type RunningService } from './engines.ts'

// The command as it is installed, in processes of its own, on real services: documents in a bucket or a folder, locks beside them or in a table.

async function inBucket({ newBucket, region, endpoint }: EngineUnderTest): Promise<string> {
  const bucket = await newBucket({ versioning: true })
  return `s3://${bucket}/${randomBytes(4).toString('hex')}?region=${region}&endpoint=${endpoint}&conditionalWrites=trusted`
}

async function inTable({ newLockTable, region, endpoint }: DynamoDbEngine): Promise<string> {
  return `dynamodb://${await newLockTable()}?region=${region}&endpoint=${endpoint}`
}

function commandLines(
  where: string,
  service: RunningService<string>,
  addresses: () => Promise<[store: string, lock: string]>,
) {
  describe(`two command lines on ${where}`, () => {
    let at: ProcessWorkspace

    beforeEach(async () => {
      const { accessKeyId, secretAccessKey } = service.credentials
      at = new ProcessWorkspace({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
      const [store, lock] = await addresses()
      at.ok(['init', '--store', store, '--lock', lock, '--new-key', 'state.key'])
    })
    afterEach(() => at.remove())

    zombieCases(() => at)
  })
}

for (const engine of engines) {
  commandLines(`${engine.name}, locks beside the documents`, engine, async () => [await inBucket(engine), 'store'])
}
for (const table of dynamoDbEngines) {
  const bucket = engines.find(({ name }) => name === table.name) // one process has credentials for one of them
  const where = `${bucket === undefined ? 'a folder' : table.name}, locks in DynamoDB on ${table.name}`
  const store = () => (bucket === undefined ? 'file:./state' : inBucket(bucket))
  commandLines(where, table, async () => [await store(), await inTable(table)])
}
