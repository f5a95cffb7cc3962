import { KeelstateError } from '../../core/errors.ts'
import { lockKey, nameOfLockKey } from '../../core/names.ts'
import { ProofGate } from '../../core/proof.ts'
import type { CallOptions, ObjectStore, StoredObject } from '../../core/store.ts'
import type { ListedLock, LockStore, StoredLock } from '../lock-store.ts'
import { type LockRecord, listed, parseRecord } from '../record.ts'

const FORMAT = 'keelstate-lock/1'
const RECORDS_AT_ONCE = 16 // that `list` reads side by side

// A process that works under somebody's lock writes the same record. When a renewal of the holder's comes before its own, it is refused twice, by the
// condition and by the rate, before it can be taken two intervals and a half later: the holder must not renew again before that. It does so three
// times in a lease.
const INTERVALS_PER_LEASE = 10

/**
 * Keeps lock records as objects beside the documents: no further service is needed. One object per document, moved by conditional writes. On a
 * service that has to prove first that it honours those, writes are refused until `keelstate doctor` has seen it: `Unsupported`.
 */
export function objectLockStore(store: ObjectStore): LockStore {
  const gate = new ProofGate(store)
  const { writeIntervalMs } = store.capabilities
  return {
    address: store.address,
    ...(writeIntervalMs !== undefined && { shortestLeaseMs: INTERVALS_PER_LEASE * writeIntervalMs }),
    async read({ name }, options = {}) {
      const stored = await store.get(lockKey(name), options)
      return stored === undefined || stored === 'unchanged' ? undefined : decode(stored, lockKey(name))
    },
    async write({ name }, base, next, options = {}) {
      const condition = base === undefined ? { ifAbsent: true as const } : { ifMatch: base.version! }
      await gate.pass(options)
      return { record: next, version: await store.put(lockKey(name), encode(next), condition, options) }
    },
    list: (_storeId, options = {}) => list(store, options),
    async close() {}, // the documents' store is not this one's to close
  }
}

async function* list(store: ObjectStore, options: CallOptions): AsyncGenerator<ListedLock> {
  let cursor: string | undefined
  do {
    const page = await store.list('locks/', { ...options, cursor })
    const keys = page.objects.map(({ key }) => key).filter((key) => nameOfLockKey(key) !== undefined)
    for (let at = 0; at < keys.length; at += RECORDS_AT_ONCE) {
      const some = keys.slice(at, at + RECORDS_AT_ONCE)
      const read = await Promise.all(some.map((key) => store.get(key, options)))
      for (const [n, stored] of read.entries()) {
        if (stored === undefined || stored === 'unchanged') continue
        const key = some[n]!
        yield listed(key.slice('locks/'.length, -'/~'.length), () => decode(stored, key).record)
      }
    }
    cursor = page.cursor
  } while (cursor !== undefined)
}

function encode(record: LockRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, ...record, fence: record.fence.toString() })}\n`)
}

function decode(stored: StoredObject, key: string): StoredLock {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(stored.bytes).toString('utf8'))
  } catch {
    json = undefined
  }
  const fields = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {}
  const { format, fence, ...rest } = fields
  if (typeof format === 'string' && format !== FORMAT && format.startsWith('keelstate-lock/')) {
    throw new KeelstateError('Unsupported', {
      key,
      message: `${key} is a lock record of a newer format.`,
      hint: 'Upgrade keelstate.',
    })
  }
  const digits = typeof fence === 'string' && /^\d{1,20}$/.test(fence) ? BigInt(fence) : undefined
  return { record: parseRecord({ ...rest, fence: digits }, key), version: stored.token }
}
