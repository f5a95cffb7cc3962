import { timingSafeEqual } from 'node:crypto'
import type { Environment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import { corrupt, encodeHeader, type Header, ID_BYTES, type ParsedMessage, same } from '../core/header.ts'
import type { SealedMessage, SealHead, SealObject } from '../core/sealer.ts'
import { compress, decompress } from './compression.ts'
import { COMMITMENT_BYTES, type DataKey, MESSAGE_ID_BYTES } from './derive.ts'
import { commitmentError, notEncrypted, unknownDataKey, unknownSuite } from './errors.ts'
import { Pace, pacedSha256 } from './pace.ts'
import {
  openSegments,
  SEGMENT_LOG2,
  SEGMENT_LOG2_MAX,
  SEGMENT_LOG2_MIN,
  sealedLength,
  sealSegments,
  TAG_BYTES,
} from './segments.ts'

/**
 * One message: clear header ‖ message id ‖ commitment ‖ segments. docs/format.md "Messages" and "Envelope".
 */
export const SUITE_PLAINTEXT = 0
export const SUITE_AES_256_GCM = 1
/** What follows the clear header before the body, in every suite. */
export const PREAMBLE_BYTES: number = MESSAGE_ID_BYTES + COMMITMENT_BYTES
/** Largest body by default: the 256 MiB that a store takes, and room for what a document adds to its content. */
export const DEFAULT_MAX_BODY_BYTES: number = (256 << 20) + (1 << 20)

const MESSAGE_RANDOM_BYTES = 32

/** The sealer's choices and limits that a message needs. */
export interface MessageContext {
  readonly environment: Pick<Environment, 'randomBytes'>
  /** Largest body in bytes, before compression. */
  readonly maxBytes: number
}

/** Seals `body` under `dataKey`. The caller leaves `body` as it is until the promise settles. */
export async function sealMessage(
  dataKey: DataKey,
  keyTable: Uint8Array,
  fields: SealHead | SealObject,
  body: Uint8Array,
  context: MessageContext,
): Promise<SealedMessage> {
  refuseTooLarge(body, context.maxBytes)
  const pace = new Pace()
  const plaintextHash = await pacedSha256([body], pace)
  const messageId = dataKey.messageId(context.environment.randomBytes(MESSAGE_RANDOM_BYTES), plaintextHash)
  const { compressed, payload } = await compress(body)
  const header = completeHeader(fields, dataKey.id, keyTable, messageId)
  const clear = encodeHeader(header, { suite: SUITE_AES_256_GCM, compressed, segmentLog2: SEGMENT_LOG2 })
  const keys = dataKey.messageKeys(messageId, clear)

  const start = clear.length + PREAMBLE_BYTES
  const bytes = Buffer.allocUnsafeSlow(start + sealedLength(payload.length, SEGMENT_LOG2))
  bytes.set(clear, 0)
  bytes.set(messageId, clear.length)
  bytes.set(keys.commitment, clear.length + MESSAGE_ID_BYTES)
  await sealSegments(keys, SEGMENT_LOG2, payload, bytes.subarray(start), pace)
  return { bytes, objectId: header.type === 'object' ? header.objectId : new Uint8Array(0), bodySha256: plaintextHash }
}

/**
 * Opens a message. Order: suite, data key, layout, message id, commitment, every segment, and only then decompression.
 *
 * @throws {KeelstateError} `Corrupt`, `DecryptFailed` or `Unsupported`; `details.differs` names what differs.
 */
export async function openMessage(
  message: ParsedMessage,
  key: string,
  dataKeyOf: (keyId: Uint8Array) => DataKey | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  const { header, treatment, headerLength, bytes } = message
  checkSuite(treatment.suite, key)
  const dataKey = dataKeyOf(header.keyId)
  if (dataKey === undefined) throw unknownDataKey(header, key)
  if (treatment.segmentLog2 < SEGMENT_LOG2_MIN || treatment.segmentLog2 > SEGMENT_LOG2_MAX) {
    throw corrupt(key, `gives an impossible segment size (2^${treatment.segmentLog2})`, 'segmentLog2')
  }
  const { messageId, commitment, sealed } = splitMessage(message, key, TAG_BYTES)
  const keys = dataKey.messageKeys(messageId, bytes.subarray(0, headerLength))
  if (!timingSafeEqual(keys.commitment, commitment)) throw commitmentError(header, key)
  const pace = new Pace()
  const payload = await openSegments(keys, treatment.segmentLog2, sealed, key, pace)
  return treatment.compressed ? decompress(payload, maxBytes, key) : payload
}

/** The parts after the clear header, with at least `minBody` bytes of body. Checks that an object's id is that of its message. */
export function splitMessage(
  { header, headerLength, bytes }: ParsedMessage,
  key: string,
  minBody: number,
): { messageId: Uint8Array; commitment: Uint8Array; sealed: Uint8Array } {
  const start = headerLength + PREAMBLE_BYTES
  if (bytes.length < start + minBody) throw corrupt(key, 'was cut short: it ends before its body', 'length')
  const messageId = bytes.subarray(headerLength, headerLength + MESSAGE_ID_BYTES)
  if (header.type === 'object' && !same(header.objectId, messageId.subarray(0, ID_BYTES))) {
    throw corrupt(key, 'has an object id that is not that of its message', 'messageId')
  }
  return {
    messageId,
    commitment: bytes.subarray(headerLength + MESSAGE_ID_BYTES, start),
    sealed: bytes.subarray(start),
  }
}

/** Adds what is the sealer's own: key id and key table of a head, key id and object id of an object. */
export function completeHeader(
  fields: SealHead | SealObject,
  keyId: Uint8Array,
  keyTable: Uint8Array,
  messageId: Uint8Array,
): Header {
  if (fields.type === 'head') return { ...fields, keyId, keyTable }
  return { ...fields, keyId, objectId: Uint8Array.from(messageId.subarray(0, ID_BYTES)) }
}

export function refuseTooLarge(body: Uint8Array, maxBytes: number): void {
  if (body.length <= maxBytes) return
  throw new KeelstateError('TooLarge', {
    message: `The body has ${body.length} bytes; the limit is ${maxBytes}.`,
    details: { bytes: body.length, maxBytes },
  })
}

function checkSuite(suite: number, key: string): void {
  if (suite === SUITE_PLAINTEXT) throw notEncrypted(key)
  if (suite !== SUITE_AES_256_GCM) throw unknownSuite(suite, key)
}
