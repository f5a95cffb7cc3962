import type { Environment } from './environment.ts'
import { KeelstateError } from './errors.ts'
import { corrupt, fromHex, hex, ID_BYTES } from './header.ts'
import { STORE_KEY } from './names.ts'
import { Fields } from './record.ts'
import { Deadline, isNotExecuted, type Limits } from './retry.ts'
import type { ObjectStore } from './store.ts'

const FORMAT = 'keelstate-store/1'
const SALT_BYTES = 16

/** What `<prefix>/store` says: create-only, clear. */
export interface StoreMarker {
  /** 16 bytes; part of the identity of everything in the store. */
  readonly storeId: Uint8Array
  /** For passphrase keys. */
  readonly salt: Uint8Array
}

type Parts = { store: ObjectStore; environment: Environment; limits: Limits }

/** Reads the marker. @throws {KeelstateError} `NotFound` (subject `store`) when nobody has made a store here. */
export async function readMarker(parts: Parts, signal?: AbortSignal): Promise<StoreMarker> {
  const marker = await findMarker(parts, signal)
  if (marker !== undefined) return marker
  throw new KeelstateError('NotFound', {
    operation: 'store.open',
    key: parts.store.address,
    message: `There is no keelstate store at ${parts.store.address}.`,
    details: { subject: 'store' },
    hint: 'Check the address, or make one: keelstate init (store.init() in a program).',
  })
}

/** Makes the marker, or finds the one that is there. */
export async function createMarker(
  parts: Parts,
  signal?: AbortSignal,
): Promise<{ marker: StoreMarker; created: boolean }> {
  await parts.store.prepare?.({ signal })
  const existing = await findMarker(parts, signal)
  if (existing !== undefined) return { marker: existing, created: false }
  const marker = { storeId: parts.environment.randomBytes(ID_BYTES), salt: parts.environment.randomBytes(SALT_BYTES) }
  const body = Buffer.from(
    `${JSON.stringify({ format: FORMAT, storeId: hex(marker.storeId), salt: Buffer.from(marker.salt).toString('base64') })}\n`,
  )
  const deadline = new Deadline(parts.environment, parts.limits, signal)
  try {
    await deadline.repeat('store.init', STORE_KEY, body.length, (options) =>
      parts.store.put(STORE_KEY, body, { ifAbsent: true }, options),
    )
  } catch (error) {
    if (isNotExecuted(error) && !KeelstateError.is(error, 'PreconditionFailed')) throw error
    // Somebody's marker is there, or the answer to ours was lost: what is stored decides.
    const now = await findMarker(parts, undefined)
    if (now === undefined) throw error
    return { marker: now, created: hex(now.storeId) === hex(marker.storeId) }
  }
  return { marker, created: true }
}

async function findMarker(parts: Parts, signal: AbortSignal | undefined): Promise<StoreMarker | undefined> {
  const deadline = new Deadline(parts.environment, parts.limits, signal)
  const stored = await deadline.repeat('store.open', STORE_KEY, 0, (options) => parts.store.get(STORE_KEY, options))
  return stored === undefined || stored === 'unchanged' ? undefined : parseMarker(stored.bytes)
}

function parseMarker(bytes: Uint8Array): StoreMarker {
  if (bytes.length === 0) throw corrupt(STORE_KEY, 'is empty', 'length')
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw corrupt(STORE_KEY, 'was not written by keelstate', 'format', cause)
  }
  const f = new Fields(json, STORE_KEY, 'store marker')
  const format = f.textOr('format') ?? ''
  if (format !== FORMAT) {
    if (!format.startsWith('keelstate-store/')) throw corrupt(STORE_KEY, 'was not written by keelstate', 'format')
    throw new KeelstateError('Unsupported', {
      key: STORE_KEY,
      message: `This store is of the format ${JSON.stringify(format.slice(0, 40))}; this build reads ${FORMAT}.`,
      hint: 'Upgrade keelstate.',
    })
  }
  const salt = Buffer.from(f.text('salt'), 'base64')
  if (salt.length !== SALT_BYTES)
    throw corrupt(STORE_KEY, `has a salt of ${salt.length} bytes instead of ${SALT_BYTES}`, 'salt')
  return { storeId: fromHex(f.hex('storeId')), salt }
}
