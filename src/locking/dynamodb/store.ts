import { KeelstateError, throwIfAborted } from '../../core/errors.ts'
import type { Finding } from '../../core/inspection.ts'
import type { CallOptions } from '../../core/store.ts'
import type { Claim, ListedLock, LockKey, LockStore, StoredLock } from '../lock-store.ts'
import { type LockRecord, listed } from '../record.ts'
import { type DynamoDbSdk, type Item, loadDynamoDb } from './client.ts'
import { blockingItem, fromDynamoDb } from './errors.ts'
import { inspectTable } from './inspect.ts'
import { fromItem, keyItem, toAttribute, toItem } from './item.ts'
import { type DynamoDbLockOptions, parseDynamoDbLockOptions } from './options.ts'

/**
 * Keeps lock records in a DynamoDB table: partition key `store` (the store's id), sort key `document` (kind/name). One request takes a free lock. All reads are
 * consistent. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
 */
export function dynamoDbLockStore(options: DynamoDbLockOptions): LockStore {
  return new DynamoDbLockStore(parseDynamoDbLockOptions(options))
}

class DynamoDbLockStore implements LockStore {
  readonly address: string
  readonly #options: DynamoDbLockOptions
  #sdk: Promise<DynamoDbSdk> | undefined

  constructor(options: DynamoDbLockOptions) {
    this.#options = options
    this.address = `dynamodb://${options.table}`
  }

  async read(key: LockKey, options: CallOptions = {}): Promise<StoredLock | undefined> {
    const answer = await this.#send('lock.read', key.identity, options, ({ getItem }) =>
      getItem({ TableName: this.#options.table, Key: keyItem(key), ConsistentRead: true }),
    )
    return answer.Item === undefined ? undefined : { record: fromItem(answer.Item, key.identity) }
  }

  async write(
    key: LockKey,
    base: StoredLock | undefined,
    next: LockRecord,
    options: CallOptions = {},
  ): Promise<StoredLock> {
    const condition =
      base === undefined
        ? { ConditionExpression: 'attribute_not_exists(#store)', ExpressionAttributeNames: { '#store': 'store' } }
        : {
            ConditionExpression: '#owner = :owner AND #fence = :fence AND #token = :token',
            ExpressionAttributeNames: { '#owner': 'owner', '#fence': 'fence', '#token': 'token' },
            ExpressionAttributeValues: {
              ':owner': toAttribute(base.record.owner),
              ':fence': toAttribute(base.record.fence),
              ':token': toAttribute(base.record.token),
            },
          }
    await this.#send('lock.write', key.identity, options, ({ putItem }) =>
      putItem({ TableName: this.#options.table, Item: toItem(key, next), ...condition }),
    )
    return { record: next }
  }

  async acquire(
    key: LockKey,
    claim: Claim,
    options: CallOptions = {},
  ): Promise<{ acquired: StoredLock } | { blocked: StoredLock }> {
    let blocking: unknown
    try {
      const answer = await this.#send(
        'lock.acquire',
        key.identity,
        options,
        ({ updateItem }) => updateItem({ TableName: this.#options.table, Key: keyItem(key), ...acquisition(claim) }),
        (error) => {
          blocking = blockingItem(error)
        },
      )
      return { acquired: { record: fromItem(answer.Attributes, key.identity) } }
    } catch (error) {
      if (!KeelstateError.is(error, 'PreconditionFailed')) throw error
      // The blocking item comes with the refusal; some emulators leave it out.
      if (blocking !== undefined) return { blocked: { record: fromItem(blocking, key.identity) } }
      const standing = await this.read(key, options)
      if (standing === undefined) throw vanished(key)
      return { blocked: standing }
    }
  }

  async *list(storeId: string, options: CallOptions = {}): AsyncGenerator<ListedLock> {
    let start: unknown
    do {
      const answer = await this.#send('lock.list', this.address, options, ({ query }) =>
        query({
          TableName: this.#options.table,
          ConsistentRead: true,
          KeyConditionExpression: '#store = :store',
          ExpressionAttributeNames: { '#store': 'store' },
          ExpressionAttributeValues: { ':store': { S: storeId } },
          ...(start === undefined ? {} : { ExclusiveStartKey: start }),
        }),
      )
      for (const item of Array.isArray(answer.Items) ? (answer.Items as Item[]) : []) {
        const document = item.document
        const identity = document !== undefined && 'S' in document ? document.S : this.address
        yield listed(identity, () => fromItem(item, identity))
      }
      start = answer.LastEvaluatedKey
    } while (start !== undefined)
  }

  async *inspect(options: CallOptions = {}): AsyncGenerator<Finding> {
    this.#sdk ??= loadDynamoDb(this.#options)
    const { client, describe } = await this.#sdk
    const TableName = this.#options.table
    yield* inspectTable(async (question) => {
      throwIfAborted(options.signal, 'lock.inspect', this.address)
      const bounds = options.signal === undefined ? {} : { abortSignal: options.signal }
      return ((await client.send(describe(question, { TableName }) as never, bounds)) ?? {}) as Record<string, unknown>
    })
  }

  async close(): Promise<void> {
    // A client that was passed in is its owner's to close.
    if (this.#options.client === undefined) (await this.#sdk?.catch(() => undefined))?.client.destroy?.()
  }

  async #send(
    operation: string,
    identity: string,
    options: CallOptions,
    command: (sdk: DynamoDbSdk) => object,
    onRefusal: (error: unknown) => void = () => {},
  ): Promise<Answer> {
    throwIfAborted(options.signal, operation, identity)
    this.#sdk ??= loadDynamoDb(this.#options)
    const sdk = await this.#sdk
    try {
      const answer = await sdk.client.send(
        command(sdk) as never,
        options.signal === undefined ? {} : { abortSignal: options.signal },
      )
      return (answer ?? {}) as Answer
    } catch (error) {
      onRefusal(error)
      throw fromDynamoDb(error, operation, identity, this.#options.table)
    }
  }
}

/** Between the refusal and the look at what stood in the way, somebody deleted the item. */
function vanished(key: LockKey): KeelstateError<'Unavailable'> {
  return new KeelstateError('Unavailable', {
    operation: 'lock.acquire',
    key: key.identity,
    message: `The lock record of ${key.identity} stood in the way, and was deleted before it could be read.`,
    details: { notExecuted: true },
  })
}

interface Answer {
  Item?: unknown
  Attributes?: unknown
  Items?: unknown
  LastEvaluatedKey?: unknown
}

/** The UpdateItem that reads, judges and takes a lock. Functions on the right see the item as it was before. */
function acquisition({ record, watched }: Claim): object {
  const optional = ['reason', 'run'] as const
  const given = { ...record }
  for (const name of optional) if (given[name] === undefined) delete given[name]
  const sets = [
    ...Object.keys(given).map((name) => `#${name} = :${name}`),
    '#held = :true',
    '#prevClean = if_not_exists(#clean, :false)',
    '#clean = :false',
    '#uncertain = :false',
    '#fence = if_not_exists(#fence, :zero) + :one',
    '#reset = if_not_exists(#reset, :true)',
    '#lastSeq = if_not_exists(#lastSeq, :zero)',
    '#lastId = if_not_exists(#lastId, :empty)',
    '#birth = if_not_exists(#birth, :empty)',
  ]
  const removed = optional.filter((name) => given[name] === undefined)
  const names = [
    'store',
    'held',
    'prevClean',
    'clean',
    'uncertain',
    'fence',
    'reset',
    'lastSeq',
    'lastId',
    'birth',
    ...Object.keys(given),
    ...removed,
  ]
  const condition = [
    'attribute_not_exists(#store)',
    '(#held = :false AND #owner <> :owner)',
    ...(watched === undefined ? [] : ['#token = :watched']),
  ]
  return {
    UpdateExpression: `SET ${sets.join(', ')}${removed.length === 0 ? '' : ` REMOVE ${removed.map((name) => `#${name}`).join(', ')}`}`,
    ConditionExpression: condition.join(' OR '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: {
      ...Object.fromEntries(
        Object.entries(given).map(([name, value]) => [`:${name}`, toAttribute(value as string | number)]),
      ),
      ':true': { BOOL: true },
      ':false': { BOOL: false },
      ':zero': { N: '0' },
      ':one': { N: '1' },
      ':empty': { S: '' },
      ...(watched === undefined ? {} : { ':watched': { S: watched } }),
    },
    ReturnValues: 'ALL_NEW',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  }
}
