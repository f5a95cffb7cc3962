import type { LockKey } from '../lock-store.ts'
import { type LockRecord, parseRecord } from '../record.ts'
import type { AttributeValue, Item } from './client.ts'

export function keyItem(key: LockKey): Item {
  return { store: { S: key.storeId }, document: { S: key.identity } }
}

/** A whole item. */
export function toItem(key: LockKey, record: LockRecord): Item {
  const item = keyItem(key)
  for (const [name, value] of Object.entries(record)) {
    if (value !== undefined) item[name] = toAttribute(value as string | number | bigint | boolean)
  }
  return item
}

export function toAttribute(value: string | number | bigint | boolean): AttributeValue {
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'boolean') return { BOOL: value }
  return { N: value.toString() }
}

/** @throws {KeelstateError} `Corrupt` when an attribute is missing or of another type. */
export function fromItem(item: unknown, identity: string): LockRecord {
  const attributes = typeof item === 'object' && item !== null ? (item as Record<string, unknown>) : {}
  const fields = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, fromAttribute(name, value)]),
  )
  return parseRecord(fields, identity)
}

function fromAttribute(name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const { S, N, BOOL } = value as { S?: unknown; N?: unknown; BOOL?: unknown }
  if (typeof S === 'string') return S
  if (typeof BOOL === 'boolean') return BOOL
  if (typeof N !== 'string' || !/^\d{1,20}$/.test(N)) return undefined
  return name === 'fence' ? BigInt(N) : Number(N)
}
