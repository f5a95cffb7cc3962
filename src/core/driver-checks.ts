import type { DriverCall } from './driver-attempt.ts'
import { KeelstateError } from './errors.ts'
import { STORE_KEY } from './names.ts'
import type { ObjectKey, PutCondition } from './store.ts'

/** Keys that a page or one deletion takes at most, of every driver; see the port. */
export const DRIVER_PAGE = 1_000

/** Keys that are only ever created, perhaps deleted; see the port. */
export function isImmutable(key: ObjectKey): boolean {
  return key === STORE_KEY || key.startsWith('objects/')
}

/** @throws {KeelstateError} `TooLarge`; `InvalidInput` for the replacement of an immutable object. */
export function checkPut(call: DriverCall, body: Uint8Array, condition: PutCondition, maxBytes: number): void {
  const { operation, key } = call
  if (body.length > maxBytes) {
    throw new KeelstateError('TooLarge', {
      operation,
      key,
      message: `${key} would be ${body.length} bytes; this store takes ${maxBytes}.`,
      hint: 'The option maxBytes sets the limit.',
      details: { bytes: body.length, maxBytes, notExecuted: true },
    })
  }
  if ('ifMatch' in condition && isImmutable(key))
    throw invalidInput(call, `${key} is immutable: it can be created, not replaced.`)
}

/** @throws {KeelstateError} `InvalidInput` for too many keys, and for one that is mutable. */
export function checkDelete(call: DriverCall, keys: readonly ObjectKey[]): void {
  if (keys.length > DRIVER_PAGE)
    throw invalidInput(call, `${keys.length} keys were given; one call takes ${DRIVER_PAGE}.`)
  const mutable = keys.find((key) => !isImmutable(key))
  if (mutable !== undefined)
    throw invalidInput({ ...call, key: mutable }, `${mutable} is mutable: it is moved, never deleted.`)
}

/** @throws {KeelstateError} `InvalidInput` for a prefix that ends within a segment, and for an empty page. */
export function checkList(call: DriverCall, prefix: string, limit: number): void {
  if (prefix !== '' && !prefix.endsWith('/')) throw invalidInput(call, `The prefix "${prefix}" does not end in "/".`)
  if (limit < 1) throw invalidInput(call, `A page of ${limit} keys was asked for; at least 1 is needed.`)
}

function invalidInput({ operation, key }: DriverCall, message: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', { operation, key, message, details: { notExecuted: true } })
}
