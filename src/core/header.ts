import { KeelstateError } from './errors.ts'

/**
 * The clear header that begins every message. docs/format.md "Messages".
 *
 * It is readable without a key and authenticated by the sealing of the body: every field is bound into the message's keys.
 */
export const MAGIC: Uint8Array = Buffer.from('KEEL')
export const FORMAT_VERSION = 1
export const SLOTS = 64 // write ids a head keeps; 512 bytes of every commit
export const SLOT_BYTES = 8 // first bytes of a write id; 64 of them among 2^64 cannot collide by chance
export const ID_BYTES = 16 // store, birth, write, object and key ids: 128 bits

const FLAG_COMPRESSED = 1
const FLAG_HEAD = 2
const FLAG_HAS_CURRENT = 4
const FIXED = 8 // magic, version, suite, flags, segment size

/** What an immutable object holds; a `save` lies in a local file and never in a store. */
export const ROLES = { content: 1, segment: 2, index: 3, condemned: 4, save: 5 } as const
export type Role = keyof typeof ROLES

/** Which document a message belongs to. `path` is the encoded name, as in the object's key. */
export interface DocumentScope {
  readonly storeId: Uint8Array
  readonly kind: string
  readonly path: string
}

/** What the sealer adds to a header: how the body was treated. */
export interface Treatment {
  /** 0 plaintext, 1 AES-256-GCM in STREAM form. */
  suite: number
  compressed: boolean
  /** log2 of the segment size in bytes. */
  segmentLog2: number
}

export interface HeadHeader {
  readonly type: 'head'
  readonly scope: DocumentScope
  /** Random, chosen when the document was created; tells a re-made document from the one remembered. */
  readonly birth: Uint8Array
  /** Counts head writes, from 1. */
  readonly seq: number
  readonly writeId: Uint8Array
  /** The highest fencing token that has written or claimed this head; a u64. */
  readonly epoch: bigint
  /** Id of the data key that sealed the body. */
  readonly keyId: Uint8Array
  readonly hasCurrent: boolean
  /** `SLOTS` × `SLOT_BYTES`; place `s mod 64` holds the write id of the newest seq that is `s mod 64`. */
  readonly slots: Uint8Array
  /** The data key wrapped for each recipient; opaque here. */
  readonly keyTable: Uint8Array
}

export interface ObjectHeader {
  readonly type: 'object'
  readonly scope: DocumentScope
  readonly role: Role
  readonly objectId: Uint8Array
  readonly keyId: Uint8Array
}

export type Header = HeadHeader | ObjectHeader

export interface ParsedMessage {
  header: Header
  treatment: Treatment
  /** Length of the clear header; what follows is the sealer's. */
  headerLength: number
  bytes: Uint8Array
}

/** Writes a clear header. */
export function encodeHeader(header: Header, treatment: Treatment): Uint8Array {
  const kind = Buffer.from(header.scope.kind)
  const path = Buffer.from(header.scope.path)
  const isHead = header.type === 'head'
  const tail = isHead ? 16 + 8 + 16 + 8 + 16 + SLOTS * SLOT_BYTES + 2 + header.keyTable.length : 1 + 16 + 16
  const out = Buffer.allocUnsafe(FIXED + ID_BYTES + 2 + kind.length + 2 + path.length + tail)
  out.set(MAGIC, 0)
  out[4] = FORMAT_VERSION
  out[5] = treatment.suite
  out[6] =
    (treatment.compressed ? FLAG_COMPRESSED : 0) |
    (isHead ? FLAG_HEAD : 0) |
    (isHead && header.hasCurrent ? FLAG_HAS_CURRENT : 0)
  out[7] = treatment.segmentLog2
  let at = FIXED
  const put = (bytes: Uint8Array) => {
    out.set(bytes, at)
    at += bytes.length
  }
  put(header.scope.storeId)
  at = out.writeUInt16BE(kind.length, at)
  put(kind)
  at = out.writeUInt16BE(path.length, at)
  put(path)
  if (isHead) {
    put(header.birth)
    at = out.writeBigUInt64BE(BigInt(header.seq), at)
    put(header.writeId)
    at = out.writeBigUInt64BE(header.epoch, at)
    put(header.keyId)
    put(header.slots)
    at = out.writeUInt16BE(header.keyTable.length, at)
    put(header.keyTable)
  } else {
    at = out.writeUInt8(ROLES[header.role], at)
    put(header.objectId)
    put(header.keyId)
  }
  return out
}

/**
 * Reads a clear header. Nothing in it is proven until the sealer opened the body.
 *
 * @throws {KeelstateError} `Corrupt` when the bytes are no message of ours; `Unsupported` when they are of a newer format.
 */
export function decodeHeader(bytes: Uint8Array, key: string): ParsedMessage {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length === 0) throw corrupt(key, 'is empty', 'length')
  if (view.length < FIXED || !view.subarray(0, 4).equals(MAGIC))
    throw corrupt(key, 'was not written by keelstate', 'magic')
  const version = view[4]!
  if (version !== FORMAT_VERSION) {
    throw new KeelstateError('Unsupported', {
      key,
      message: `${key} has format version ${version}; this build reads version ${FORMAT_VERSION}.`,
      hint: 'Upgrade keelstate to a release that reads this format.',
    })
  }
  const flags = view[6]!
  const treatment: Treatment = { suite: view[5]!, compressed: (flags & FLAG_COMPRESSED) !== 0, segmentLog2: view[7]! }
  let at = FIXED
  const need = (length: number) => {
    if (at + length > view.length) throw corrupt(key, 'ends inside its header', 'length')
  }
  const take = (length: number) => {
    need(length)
    at += length
    return view.subarray(at - length, at)
  }
  const u16 = () => take(2).readUInt16BE()
  const u64 = () => take(8).readBigUInt64BE()
  const scope = { storeId: take(ID_BYTES), kind: take(u16()).toString(), path: take(u16()).toString() }
  let header: Header
  if (flags & FLAG_HEAD) {
    const birth = take(16)
    const seq = u64()
    if (seq > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(key, 'has an impossible sequence number', 'seq')
    const fields = { writeId: take(16), epoch: u64(), keyId: take(16), slots: take(SLOTS * SLOT_BYTES) }
    const keyTable = take(u16())
    header = {
      type: 'head',
      scope,
      birth,
      seq: Number(seq),
      ...fields,
      hasCurrent: (flags & FLAG_HAS_CURRENT) !== 0,
      keyTable,
    }
  } else {
    const roleByte = take(1)[0]
    const role = (Object.keys(ROLES) as Role[]).find((name) => ROLES[name] === roleByte)
    if (role === undefined) throw corrupt(key, `has the unknown role ${roleByte}`, 'role')
    header = { type: 'object', scope, role, objectId: take(16), keyId: take(16) }
  }
  return { header, treatment, headerLength: at, bytes: view }
}

/** What a reader expects of an object's header, beyond its scope. */
export interface ExpectedObject {
  role: Role
  objectId: Uint8Array
}

/**
 * Compares a header with what the reader asked for, field by field.
 *
 * @throws {KeelstateError} `Corrupt` whose `details.differs` names the first field that differs: a swapped, renamed or foreign object.
 */
export function checkIdentity(found: Header, scope: DocumentScope, key: string, expected?: ExpectedObject): void {
  const fail = (field: string, what: string): never => {
    throw corrupt(key, `belongs elsewhere: ${what}`, field)
  }
  if (!same(found.scope.storeId, scope.storeId)) fail('storeId', 'it was written for another store')
  if (found.scope.kind !== scope.kind) fail('kind', 'it was written for a document of another kind')
  if (found.scope.path !== scope.path) fail('name', 'it was written for another document')
  if (expected === undefined) {
    if (found.type !== 'head') fail('type', 'it is no head')
    return
  }
  if (found.type !== 'object') throw fail('type', 'it is a head')
  if (found.role !== expected.role) fail('role', `it is a ${found.role}, not a ${expected.role}`)
  if (!same(found.objectId, expected.objectId)) fail('objectId', 'it is another object')
}

/** The first 8 bytes of the write id in the slot of `seq`, or `undefined` when the header does not keep it (any more). */
export function slotOf(header: Pick<HeadHeader, 'slots' | 'seq'>, seq: number): Uint8Array | undefined {
  if (seq < 1 || seq > header.seq || seq <= header.seq - SLOTS) return undefined
  const at = (seq % SLOTS) * SLOT_BYTES
  return header.slots.subarray(at, at + SLOT_BYTES)
}

/** The slots of the head that follows `base`. */
export function nextSlots(base: Pick<HeadHeader, 'slots'> | undefined, seq: number, writeId: Uint8Array): Uint8Array {
  const slots = base === undefined ? new Uint8Array(SLOTS * SLOT_BYTES) : new Uint8Array(base.slots)
  slots.set(writeId.subarray(0, SLOT_BYTES), (seq % SLOTS) * SLOT_BYTES)
  return slots
}

/** Equality of two byte strings. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function fromHex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

/** A `Corrupt` error about the object at `key`. */
export function corrupt(key: string, what: string, differs?: string, cause?: unknown): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key,
    message: `${key} ${what}.`,
    details: differs === undefined ? {} : { differs },
    hint: 'Somebody or something other than keelstate changed it. Restore the object from the bucket’s versions, then run `keelstate verify`.',
    cause,
  })
}
