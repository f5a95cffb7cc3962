import { KeelstateError, printable } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type { ObjectKey } from '../core/store.ts'
import type { Bench } from './bench.ts'
import type { LockBench } from './locks.ts'

const PAIRING: ObjectKey = 'doctor/pairing' // moved, never deleted
const MAX_REASON = 1_000 // characters that a lock record takes

/**
 * Finds two stores with one id that keep their locks in one table, as a bucket and its copy do: they would hold each other's locks.
 *
 * Every run leaves the same random token in the store and in the table. Whoever finds another one in the table than in the store is not the one who
 * was here last, or one of the two was restored from a backup.
 */
export async function pairing(bench: Bench, locks: LockBench): Promise<Finding> {
  const check = 'lock-pairing'
  const key = locks.key('pairing')
  const inStore = await bench.read(PAIRING)
  const known = tokensIn(inStore?.bytes)
  const inTable = await locks.read(key)
  const next = locks.newRecord((inTable?.record.fence ?? 0n) + 1n, bench.store.address.slice(0, MAX_REASON))
  const last = inTable?.record.token
  const body = Buffer.from(
    `${JSON.stringify({ format: 'keelstate-pairing/1', token: next.token, previous: last ?? null })}\n`,
  )
  await bench.write(PAIRING, body, inStore === undefined ? { ifAbsent: true } : { ifMatch: inStore.token })
  await locks.write(key, inTable, next)
  if (last !== undefined && !known.includes(last)) {
    const other = printable(inTable?.record.reason ?? '')
    return other === bench.store.address
      ? {
          check,
          verdict: 'warning',
          says: 'The store or its lock table was brought back from a backup, or doctor was interrupted.',
          todo: 'After a restore of either: keelstate locks reset, before anybody works again.',
        }
      : {
          check,
          verdict: 'unsafe',
          says: `Another store with the same id keeps its locks in this table: ${other}.`,
          todo: 'A copy of a bucket needs a lock table of its own. If the store was moved here, and nobody uses the other any more, run this again.',
        }
  }
  if (last === undefined && known.length > 0) {
    return {
      check,
      verdict: 'warning',
      says: 'This lock table does not know the store, which was seen with another table, or with this one before it was emptied.',
      todo: 'All who work on a store must name the same table. A table that was emptied needs nothing: the next holder of each lock claims the head.',
    }
  }
  return { check, verdict: 'ok', says: 'No other store with the same id keeps its locks in this table.' }
}

function tokensIn(bytes: Uint8Array | undefined): string[] {
  if (bytes === undefined) return []
  try {
    const { token, previous } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>
    return [token, previous].filter((one) => typeof one === 'string')
  } catch (cause) {
    throw new KeelstateError('Corrupt', { key: PAIRING, message: `${PAIRING} was not written by keelstate.`, cause })
  }
}
