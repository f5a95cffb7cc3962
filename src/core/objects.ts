import { createHash } from 'node:crypto'
import type { Access } from './access.ts'
import { KeelstateError } from './errors.ts'
import { checkIdentity, corrupt, decodeHeader, fromHex, hex, type ParsedMessage, type Role } from './header.ts'
import { objectKey } from './names.ts'
import type { ObjectReference } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'

/** An object that was uploaded and is not referred to yet. */
export interface Upload {
  readonly reference: ObjectReference
  /** SHA-256 of the body, base64. */
  readonly digest: string
  /** Seq of a head that was known before the upload began; 0 when there was none. A later barrier may have collected it. */
  readonly knownSeq: number
}

/**
 * Seals `body` and stores it as an immutable object of the document.
 *
 * @throws {KeelstateError} `TooLarge` before anything is sent when the sealed body exceeds what the store takes.
 */
export async function uploadObject(
  access: Access,
  role: Role,
  body: Uint8Array,
  keys: DocumentKeys,
  knownSeq: number,
  deadline: Deadline,
): Promise<Upload> {
  const sealed = await keys.seal({ type: 'object', scope: access.scope, role }, body)
  const { maxBytes } = access.store.capabilities
  if (sealed.bytes.length > maxBytes) {
    throw new KeelstateError('TooLarge', {
      key: access.headKey,
      message: `The content takes ${sealed.bytes.length} bytes when sealed; this store takes ${maxBytes}.`,
      details: { bytes: sealed.bytes.length, maxBytes },
    })
  }
  const id = hex(sealed.objectId)
  const key = objectKey(access.name, id)
  await deadline.repeat('object.write', key, sealed.bytes.length, async (options) => {
    try {
      await access.store.put(key, sealed.bytes, { ifAbsent: true }, options)
    } catch (error) {
      // The name is random: who finds it taken meets an earlier attempt of their own.
      if (!KeelstateError.is(error, 'PreconditionFailed')) throw error
    }
  })
  const sha256 = createHash('sha256').update(sealed.bytes).digest('base64')
  if (!isClear(decodeHeader(sealed.bytes, key))) access.objects?.put(sha256, sealed.bytes)
  const reference = { object: id, sha256, key: hex(keys.keyId), length: sealed.bytes.length }
  return { reference, digest: Buffer.from(sealed.bodySha256).toString('base64'), knownSeq }
}

/** Says that an object which a head refers to is not there: collected, or lost. Core's own; never reaches a caller. */
export class ObjectGone extends Error {
  readonly key: string

  constructor(key: string) {
    super(`${key} is gone`)
    this.key = key
  }
}

/**
 * Reads, checks and opens an immutable object: from this machine's cache, else from the store.
 *
 * @throws {ObjectGone} when it is not there; the caller reads the head again to learn why.
 * @throws {KeelstateError} `Corrupt` or `DecryptFailed` when the stored bytes are not the ones that were referred to.
 */
export async function fetchObject(
  access: Access,
  role: Role,
  reference: ObjectReference,
  keys: DocumentKeys,
  deadline: Deadline,
): Promise<Uint8Array> {
  const key = objectKey(access.name, reference.object)
  const cached = await access.objects?.get(reference.sha256, reference.length)
  const bytes = cached ?? (await fetchBytes(access, key, reference.length, deadline))
  if (bytes.length !== reference.length)
    throw corrupt(key, `has ${bytes.length} bytes instead of ${reference.length}`, 'length')
  const message = decodeHeader(bytes, key)
  checkIdentity(message.header, access.scope, key, { role, objectId: fromHex(reference.object) })
  if (cached === undefined && createHash('sha256').update(bytes).digest('base64') !== reference.sha256) {
    throw corrupt(key, 'does not have the SHA-256 that its reference names', 'sha256')
  }
  const body = await keys.open(message, key)
  if (cached === undefined && !isClear(message)) access.objects?.put(reference.sha256, bytes)
  return body
}

async function fetchBytes(access: Access, key: string, length: number, deadline: Deadline): Promise<Uint8Array> {
  const stored = await deadline.repeat('object.read', key, length, (options) => access.store.get(key, options))
  if (stored === undefined || stored === 'unchanged') throw new ObjectGone(key)
  return stored.bytes
}

/** What was stored in the clear is not for other disks. */
function isClear({ treatment }: ParsedMessage): boolean {
  return treatment.suite === 0
}
