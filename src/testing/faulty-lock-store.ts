import { type Environment, systemEnvironment } from '../core/environment.ts'
import type { LockStore } from '../locking/index.ts'
import type { FaultPlan, FaultTarget } from './faults.ts'
import { FaultyCalls } from './faulty-calls.ts'

/**
 * A `LockStore` between whom a plan of faults and another one stand.
 *
 * Rules see `read`, `write` and `acquire` as the method, DynamoDB's name of it as the operation, and the document's identity as the key.
 */
export interface FaultyLockStore extends LockStore {
  /** Faults to come. */
  readonly faults: FaultPlan
  /** Resolves when no call is under way any more: nothing late, held or doubled is still to come. */
  settled(): Promise<void>
}

export function faultyLockStore(
  inner: LockStore,
  environment: Pick<Environment, 'sleep'> = systemEnvironment,
): FaultyLockStore {
  const calls = new FaultyCalls(environment)
  return {
    faults: calls.faults,
    settled: () => calls.settled(),
    ...throughCalls(inner, (target, signal, execute) => calls.call(target, signal, execute)),
    async close() {
      await calls.close()
      await inner.close()
    },
  }
}

/** Makes each call of a lock store by `make`. */
export function throughCalls(
  inner: LockStore,
  make: <T>(
    target: FaultTarget,
    signal: AbortSignal | undefined,
    execute: (signal?: AbortSignal) => Promise<T>,
  ) => Promise<T>,
): LockStore {
  const { acquire } = inner
  return {
    address: inner.address,
    shortestLeaseMs: inner.shortestLeaseMs,
    read: (key, options) =>
      make({ method: 'read', operation: 'GetItem', key: key.identity }, options?.signal, (signal) =>
        inner.read(key, { signal }),
      ),
    write: (key, base, next, options) =>
      make({ method: 'write', operation: 'PutItem', key: key.identity }, options?.signal, (signal) =>
        inner.write(key, base, next, { signal }),
      ),
    ...(acquire === undefined
      ? {}
      : {
          acquire: (key, claim, options) =>
            make({ method: 'acquire', operation: 'UpdateItem', key: key.identity }, options?.signal, (signal) =>
              acquire.call(inner, key, claim, { signal }),
            ),
        }),
    list: (storeId, options) => inner.list(storeId, options),
    close: () => inner.close(),
  }
}
