export {
  type DynamoDbClient,
  type DynamoDbLockOptions,
  dynamoDbLockStore,
  parseDynamoDbAddress,
} from './dynamodb/index.ts'
export type { Claim, ListedLock, LockKey, LockStore, StoredLock } from './lock-store.ts'
export { LeaseLocker } from './locker.ts'
export { objectLockStore } from './objects/index.ts'
export type { LockRecord } from './record.ts'
