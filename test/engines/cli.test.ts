import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
  // Two emulated services at once: on a busy machine the renewals of a shorter lease come too late.
  commandLines(where, { ...bucket.env, ...env }, async () => [await inBucket(bucket), await inTable(table)], '6s')
}

it('the quickstart runs on S3 and DynamoDB by changing the two addresses', { timeout: 240_000 }, async () => {
  const bucket = storeEngines.find(({ locks }) => locks === 'localstack')!
  const table = dynamoDbEngines.find(({ name }) => name === 'localstack')!
  const addresses = { KEELSTATE_STORE: await inBucket(bucket), KEELSTATE_LOCK: await inTable(table) }
  const env = { ...process.env, ...bucket.env, ...addresses }
  const script = fileURLToPath(new URL('../../scripts/quickstart.mjs', import.meta.url))
  const child = spawn(process.execPath, [script], { env, stdio: 'pipe' })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await once(child, 'close')
  expect(child.exitCode, said).toBe(0)
  expect(said).toContain('keelstate unlock') // import, lock, zombie and force-unlock included
  expect(said).toContain('Done; everything was removed again')
})
