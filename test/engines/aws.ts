import { randomBytes } from 'node:crypto'
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb'
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { Template } from '../infra/template.ts'
import { type RunningService, runningService } from './engines.ts'

/** A DynamoDB service that runs for the tests. */
export interface DynamoDbEngine extends RunningService<'dynamodb-local' | 'localstack'> {
  /** Makes an empty lock table, of the schema that infra/aws/keelstate.yaml gives, and resolves to its name. */
  newLockTable(): Promise<string>
}

/** A KMS service that runs for the tests. */
export interface KmsEngine extends RunningService<'localstack'> {
  /** For what is done to keys besides using them. */
  readonly client: KMSClient
  newKey(): Promise<{ readonly arn: string; readonly id: string; readonly alias: string }>
}

/** Every DynamoDB service that the suites of locks run on. `npm run test:engines` provides them. */
export const dynamoDbEngines: readonly DynamoDbEngine[] = (['localstack', 'dynamodb-local'] as const).map((name) => {
  const service = runningService(name)
  return { ...service, newLockTable: () => newLockTable(service) }
})

export const kmsEngine: KmsEngine = localstackKms()

async function newLockTable({ endpoint, region, credentials }: RunningService<string>): Promise<string> {
  const client = new DynamoDBClient({ endpoint, region, credentials })
  const TableName = `keelstate-test-${randomBytes(8).toString('hex')}`
  const { KeySchema, AttributeDefinitions, BillingMode } = new Template().properties<CreateTableCommandInput>(
    'LockTable',
  )
  try {
    await client.send(new CreateTableCommand({ TableName, KeySchema, AttributeDefinitions, BillingMode }))
    await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.5 }, { TableName })
    return TableName
  } finally {
    client.destroy()
  }
}

function localstackKms(): KmsEngine {
  const service = runningService('localstack')
  const { endpoint, region, credentials } = service
  const client = new KMSClient({ endpoint, region, credentials })
  return {
    ...service,
    client,
    async newKey() {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      const { Arn: arn, KeyId: id } = KeyMetadata!
      const alias = `alias/keelstate-test-${randomBytes(8).toString('hex')}`
      await client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: id! }))
      return { arn: arn!, id: id!, alias }
    },
  }
}
