export type { DynamoDbClient } from './client.ts'
export { type DynamoDbLockOptions, parseDynamoDbAddress } from './options.ts'
export { dynamoDbLockStore } from './store.ts'
