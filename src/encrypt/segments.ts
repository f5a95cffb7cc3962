import { createCipheriv, createDecipheriv } from 'node:crypto'
import { corrupt } from '../core/header.ts'
import type { MessageKeys } from './derive.ts'
import type { Pace } from './pace.ts'

/**
 * AES-256-GCM segments in STREAM form: each has its own nonce (prefix ‖ counter ‖ last), so that none can be dropped, repeated, moved or
 * cut off unnoticed. docs/format.md "Envelope".
 */
export const SEGMENT_LOG2 = 18 // 256 KiB: as fast as larger ones, faster than 64 KiB (8 MiB: 2.0 against 1.5 GB/s), and damage is named closely
export const SEGMENT_LOG2_MIN = 12
export const SEGMENT_LOG2_MAX = 24
export const TAG_BYTES = 16
const MAX_SEGMENTS = 2 ** 32 // the counter in the nonce is a u32

/** Bytes of all segments of a payload. An empty payload is one empty segment. */
export function sealedLength(payloadLength: number, segmentLog2: number): number {
  return payloadLength + TAG_BYTES * Math.max(1, Math.ceil(payloadLength / 2 ** segmentLog2))
}

/** Encrypts `payload` into `out`, which is `sealedLength` long. */
export async function sealSegments(
  keys: MessageKeys,
  segmentLog2: number,
  payload: Uint8Array,
  out: Uint8Array,
  pace: Pace,
): Promise<void> {
  const size = 2 ** segmentLog2
  const count = Math.max(1, Math.ceil(payload.length / size))
  if (count > MAX_SEGMENTS) throw new RangeError('too many segments')
  const nonce = new SegmentNonce(keys.noncePrefix)
  let at = 0
  for (let index = 0; index < count; index++) {
    const plain = payload.subarray(index * size, (index + 1) * size)
    const cipher = createCipheriv('aes-256-gcm', keys.encryptionKey, nonce.of(index, index === count - 1), {
      authTagLength: TAG_BYTES,
    })
    out.set(cipher.update(plain), at)
    cipher.final()
    out.set(cipher.getAuthTag(), at + plain.length)
    at += plain.length + TAG_BYTES
    const turn = pace.after(plain.length)
    if (turn !== undefined) await turn
  }
}

/**
 * Verifies and decrypts all segments; resolves only when every one of them was verified.
 *
 * @throws {KeelstateError} `Corrupt`: `differs` is `length` when whole segments are missing or something follows the last one, else `segment N`.
 */
export async function openSegments(
  keys: MessageKeys,
  segmentLog2: number,
  sealed: Uint8Array,
  key: string,
  pace: Pace,
): Promise<Uint8Array> {
  const size = 2 ** segmentLog2 + TAG_BYTES
  const count = Math.ceil(sealed.length / size)
  const lastLength = sealed.length - (count - 1) * size
  if (count === 0 || lastLength < TAG_BYTES)
    throw corrupt(key, 'ends inside a segment: it was cut short or extended', 'length')
  if (count > MAX_SEGMENTS) throw corrupt(key, `has more than ${MAX_SEGMENTS} segments`, 'length')
  if (count > 1 && lastLength === TAG_BYTES)
    throw corrupt(key, 'ends in an empty segment: it was cut short or extended', 'length')
  const nonce = new SegmentNonce(keys.noncePrefix)
  const payload = new Uint8Array(sealed.length - count * TAG_BYTES)
  let at = 0
  for (let index = 0; index < count; index++) {
    const segment = sealed.subarray(index * size, (index + 1) * size)
    const last = index === count - 1
    const plain = openSegment(keys, nonce.of(index, last), segment)
    if (plain === undefined) {
      const otherwise = openSegment(keys, nonce.of(index, !last), segment) !== undefined
      throw segmentError(key, index + 1, count, otherwise)
    }
    payload.set(plain, at)
    at += plain.length
    const turn = pace.after(plain.length)
    if (turn !== undefined) await turn
  }
  return payload
}

function openSegment(keys: MessageKeys, nonce: Uint8Array, segment: Uint8Array): Uint8Array | undefined {
  const end = segment.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', keys.encryptionKey, nonce, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(segment.subarray(end))
  const plain = decipher.update(segment.subarray(0, end))
  try {
    decipher.final()
    return plain
  } catch {
    return undefined
  }
}

/** `otherwise`: the segment is genuine, but is the last one where more follow, or is not where nothing follows. */
function segmentError(key: string, number: number, count: number, otherwise: boolean): Error {
  const last = number === count
  if (otherwise && last)
    return corrupt(key, `was cut short: it ends after segment ${number}, which is not its last`, 'length')
  if (otherwise) return corrupt(key, `was extended: it goes on after segment ${number}, which is its last`, 'length')
  const what = last ? 'was changed, cut short or extended' : 'was changed or is out of place'
  return corrupt(key, `is damaged: its segment ${number} of ${count} ${what}`, `segment ${number}`)
}

/** prefix (7) ‖ counter (u32) ‖ last (1). One buffer, rewritten for each segment. */
class SegmentNonce {
  readonly #bytes = Buffer.alloc(12)

  constructor(prefix: Uint8Array) {
    this.#bytes.set(prefix)
  }

  of(index: number, last: boolean): Uint8Array {
    this.#bytes.writeUInt32BE(index, 7)
    this.#bytes[11] = last ? 1 : 0
    return this.#bytes
  }
}
