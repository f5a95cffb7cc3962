import { KeelstateError } from '../../core/errors.ts'
import { withoutNodeWarning } from '../../core/sdk-warning.ts'
import type { DynamoDbLockOptions } from './options.ts'

/** A value as DynamoDB spells it; the slice that is used. */
export type AttributeValue = { S: string } | { N: string } | { BOOL: boolean }

export type Item = Record<string, AttributeValue>

/** The slice of `DynamoDBClient` that is used. */
export interface DynamoDbClient {
  send(command: never, options?: { abortSignal?: AbortSignal }): Promise<unknown>
  destroy?(): void
}

/** The SDK's commands, loaded with it. */
export interface DynamoDbSdk {
  readonly client: DynamoDbClient
  readonly getItem: (input: object) => object
  readonly putItem: (input: object) => object
  readonly updateItem: (input: object) => object
  readonly query: (input: object) => object
  readonly describe: (question: 'DescribeTable' | 'DescribeTimeToLive', input: object) => object
}

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 15_000 // a backstop: the caller's own timeout is shorter

/** Loads `@aws-sdk/client-dynamodb`. @throws {KeelstateError} `Unsupported` with the install command when it is not there. */
export async function loadDynamoDb(options: DynamoDbLockOptions): Promise<DynamoDbSdk> {
  const sdk = await import('@aws-sdk/client-dynamodb').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      message: 'Locks in DynamoDB need the package @aws-sdk/client-dynamodb, which is not installed.',
      hint: 'npm install @aws-sdk/client-dynamodb',
      cause,
    })
  })
  const client = (options.client ??
    withoutNodeWarning(
      () =>
        new sdk.DynamoDBClient({
          maxAttempts: 1, // retries belong to the lease, which reads back before it sends again
          requestHandler: {
            connectionTimeout: CONNECTION_TIMEOUT_MS,
            requestTimeout: REQUEST_TIMEOUT_MS,
            throwOnRequestTimeout: true,
          },
          ...(options.region === undefined ? {} : { region: options.region }),
          ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
          ...(options.credentials === undefined ? {} : { credentials: options.credentials as never }),
        }),
    )) as DynamoDbClient
  return {
    client,
    getItem: (input) => new sdk.GetItemCommand(input as never),
    putItem: (input) => new sdk.PutItemCommand(input as never),
    updateItem: (input) => new sdk.UpdateItemCommand(input as never),
    query: (input) => new sdk.QueryCommand(input as never),
    describe: (question, input) =>
      question === 'DescribeTable'
        ? new sdk.DescribeTableCommand(input as never)
        : new sdk.DescribeTimeToLiveCommand(input as never),
  }
}
