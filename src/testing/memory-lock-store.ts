import { KeelstateError, throwIfAborted } from '../core/errors.ts'
import type { CallOptions } from '../core/store.ts'
import type { Claim, LockKey, LockRecord, LockStore, StoredLock } from '../locking/index.ts'

/**
 * What one or more memory lock stores keep their records in.
 *
 * Its methods are unconditional: they stand for whoever changes a lock table behind the back of its users.
 */
export class MemoryLockTable {
  readonly #records = new Map<string, LockRecord>()

  peek(key: LockKey): LockRecord | undefined {
    return this.#records.get(address(key))
  }

  overwrite(key: LockKey, record: LockRecord): void {
    this.#records.set(address(key), Object.freeze({ ...record }))
  }

  remove(key: LockKey): void {
    this.#records.delete(address(key))
  }

  /** The records of a store, by identity. */
  of(storeId: string): { identity: string; record: LockRecord }[] {
    return [...this.#records]
      .filter(([at]) => at.startsWith(`${storeId} `))
      .map(([at, record]) => ({ identity: at.slice(storeId.length + 1), record }))
  }
}

/**
 * Lock records in this process's memory, with the conditions of the DynamoDB lock store and one request per acquisition: for simulations in
 * virtual time. `dynamoDbLockStore` and this one pass the same suite.
 */
export function memoryLockStore(table: MemoryLockTable = new MemoryLockTable()): LockStore {
  return {
    address: 'memory:',
    async read(key, options) {
      begin('lock.read', key.identity, options)
      const record = table.peek(key)
      return record && { record: { ...record } }
    },
    async write(key, base, next, options) {
      begin('lock.write', key.identity, options)
      const standing = table.peek(key)
      const holds =
        base === undefined
          ? standing === undefined
          : standing?.owner === base.record.owner &&
            standing.fence === base.record.fence &&
            standing.token === base.record.token
      if (!holds) {
        throw new KeelstateError('PreconditionFailed', {
          operation: 'lock.write',
          key: key.identity,
          message: `The lock record of ${key.identity} is not what it was expected to be.`,
        })
      }
      table.overwrite(key, next)
      return { record: { ...next } }
    },
    async acquire(key, claim, options) {
      begin('lock.acquire', key.identity, options)
      return acquire(table, key, claim)
    },
    async *list(storeId, options) {
      for (const { identity, record } of table.of(storeId)) {
        begin('lock.list', identity, options)
        yield { identity, record: { ...record } }
      }
    },
    async close() {},
  }
}

function acquire(
  table: MemoryLockTable,
  key: LockKey,
  { record, watched }: Claim,
): { acquired: StoredLock } | { blocked: StoredLock } {
  const standing = table.peek(key)
  const free =
    standing === undefined || (!standing.held && standing.owner !== record.owner) || standing.token === watched
  if (!free) return { blocked: { record: { ...standing } } }
  table.overwrite(key, {
    ...record,
    held: true,
    fence: (standing?.fence ?? 0n) + 1n,
    prevClean: standing?.clean ?? false,
    clean: false,
    uncertain: false,
    reset: standing?.reset ?? true,
    lastSeq: standing?.lastSeq ?? 0,
    lastId: standing?.lastId ?? '',
    birth: standing?.birth ?? '',
  })
  return { acquired: { record: { ...table.peek(key)! } } }
}

function begin(operation: string, identity: string, options: CallOptions | undefined): void {
  throwIfAborted(options?.signal, operation, identity)
}

function address({ storeId, identity }: LockKey): string {
  return `${storeId} ${identity}`
}
