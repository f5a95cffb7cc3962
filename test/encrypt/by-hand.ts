import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from 'node:crypto'
import { brotliDecompressSync } from 'node:zlib'

/**
 * A reader and a writer of the format, written from docs/format.md alone. Imports nothing of keelstate: what it opens is what the page says.
 */
export interface ReadHeader {
  suite: number
  flags: number
  segmentLog2: number
  storeId: Buffer
  kind: string
  name: string
  keyId: Buffer
  birth?: Buffer
  seq?: bigint
  writeId?: Buffer
  epoch?: bigint
  slots?: Buffer
  keyTable?: Buffer
  role?: number
  objectId?: Buffer
  /** Exactly as stored. */
  clear: Buffer
}

export interface Recipient {
  provider: string
  keyId: string
  wrapped: Buffer
}

export function readHeader(bytes: Uint8Array): ReadHeader {
  const all = Buffer.from(bytes)
  let at = 0
  const take = (n: number) => {
    at += n
    if (at > all.length) throw new Error('short header')
    return all.subarray(at - n, at)
  }
  const text = () => take(take(2).readUInt16BE()).toString('utf8')
  if (take(4).toString('hex') !== '4b45454c') throw new Error('magic')
  if (take(1)[0] !== 1) throw new Error('version')
  const [suite, flags, segmentLog2] = [take(1)[0]!, take(1)[0]!, take(1)[0]!]
  const common = { suite, flags, segmentLog2, storeId: take(16), kind: text(), name: text() }
  if ((flags & 2) !== 0) {
    const birth = take(16)
    const seq = take(8).readBigUInt64BE()
    const head = { birth, seq, writeId: take(16), epoch: take(8).readBigUInt64BE(), keyId: take(16), slots: take(512) }
    const keyTable = take(take(2).readUInt16BE())
    return { ...common, ...head, keyTable, clear: all.subarray(0, at) }
  }
  const object = { role: take(1)[0]!, objectId: take(16), keyId: take(16) }
  return { ...common, ...object, clear: all.subarray(0, at) }
}

export function readKeyTable(table: Buffer): Recipient[] {
  let at = 0
  const take = (n: number) => {
    at += n
    return table.subarray(at - n, at)
  }
  if (take(1)[0] !== 1) throw new Error('key table version')
  const count = take(1)[0]!
  const recipients: Recipient[] = []
  for (let n = 0; n < count; n++) {
    const provider = take(take(1)[0]!).toString('ascii')
    const keyId = take(take(2).readUInt16BE()).toString('utf8')
    recipients.push({ provider, keyId, wrapped: take(take(2).readUInt16BE()) })
  }
  if (at !== table.length) throw new Error('key table length')
  return recipients
}

/** The document's data key, by a static key or a passphrase. */
export function unwrap(recipient: Recipient, secret: Buffer | string, header: ReadHeader): Buffer {
  const { provider, keyId, wrapped } = recipient
  let key = secret
  let entry = wrapped
  if (provider === 'passphrase') {
    const [kdf, log2N, r, p] = wrapped
    if (kdf !== 1) throw new Error('function')
    key = stretch(secret as string, wrapped.subarray(4, 20), log2N!, r!, p!)
    entry = wrapped.subarray(20)
  }
  if (wrappingKeyId(provider, key as Buffer) !== keyId) throw new Error('another key')
  if (entry.length !== 72) throw new Error('wrapped key length')
  const { wrapKey, nonce } = wrapKeys(provider, key as Buffer, entry.subarray(0, 24), header)
  const decipher = createDecipheriv('aes-256-gcm', wrapKey, nonce, { authTagLength: 16 })
  decipher.setAuthTag(entry.subarray(56))
  return Buffer.concat([decipher.update(entry.subarray(24, 56)), decipher.final()])
}

export function readEarlier(keys: string): Buffer[] {
  const bytes = Buffer.from(keys, 'base64')
  if (bytes[0] !== 1) throw new Error('version of the earlier keys')
  return Array.from({ length: (bytes.length - 1) / 32 }, (_, n) => bytes.subarray(1 + n * 32, 33 + n * 32))
}

/** The body of a message of suite 1. */
export function openMessage(bytes: Uint8Array, dataKey: Buffer): Buffer {
  const header = readHeader(bytes)
  const rest = Buffer.from(bytes).subarray(header.clear.length)
  const [messageId, commitment] = [rest.subarray(0, 32), rest.subarray(32, 64)]
  if (header.suite !== 1) throw new Error('suite')
  if (!dataKeyId(dataKey).equals(header.keyId)) throw new Error('key id')
  if (header.objectId !== undefined && !header.objectId.equals(messageId.subarray(0, 16))) throw new Error('object id')
  const keys = messageKeys(dataKey, messageId, header.clear)
  if (!keys.commitment.equals(commitment)) throw new Error('commitment')
  const size = 2 ** header.segmentLog2 + 16
  const plain: Buffer[] = []
  for (let at = 64, counter = 0; ; at += size, counter++) {
    const segment = rest.subarray(at, at + size)
    const last = at + size >= rest.length
    const decipher = createDecipheriv('aes-256-gcm', keys.key, nonceOf(keys.prefix, counter, last), {
      authTagLength: 16,
    })
    decipher.setAuthTag(segment.subarray(-16))
    plain.push(decipher.update(segment.subarray(0, -16)), decipher.final())
    if (last) break
  }
  const payload = Buffer.concat(plain)
  return (header.flags & 1) === 1 ? brotliDecompressSync(payload) : payload
}

/** The body of a message of suite 0. */
export function openPlaintext(bytes: Uint8Array): Buffer {
  const header = readHeader(bytes)
  const rest = Buffer.from(bytes).subarray(header.clear.length)
  const body = rest.subarray(64)
  if (header.suite !== 0 || header.segmentLog2 !== 0 || !header.keyId.equals(Buffer.alloc(16)))
    throw new Error('fields')
  if ((header.keyTable?.length ?? 0) !== 0) throw new Error('key table')
  const checksum = sha256(header.clear, rest.subarray(0, 32), body)
  if (!checksum.equals(rest.subarray(32, 64))) throw new Error('checksum')
  return body
}

/** How a writer makes a message id: the randomness is part of what a golden file fixes. */
export function makeMessageId(dataKey: Buffer | undefined, random: Buffer, body: Uint8Array): Buffer {
  if (dataKey === undefined) return sha256(random, sha256(body))
  return hmac(hkdf(dataKey, Buffer.alloc(0), 'keelstate/1 message id key', 32), random, sha256(body))
}

/** Seals `payload` (compressed by the caller if `clear` says so) in segments of the size that `clear` gives. */
export function sealMessage(clear: Buffer, dataKey: Buffer, messageId: Buffer, payload: Buffer): Buffer {
  const keys = messageKeys(dataKey, messageId, clear)
  const size = 2 ** clear[7]!
  const count = Math.max(1, Math.ceil(payload.length / size))
  const parts = [clear, messageId, keys.commitment]
  for (let n = 0; n < count; n++) {
    const cipher = createCipheriv('aes-256-gcm', keys.key, nonceOf(keys.prefix, n, n === count - 1), {
      authTagLength: 16,
    })
    parts.push(cipher.update(payload.subarray(n * size, (n + 1) * size)), cipher.final(), cipher.getAuthTag())
  }
  return Buffer.concat(parts)
}

/** An entry for a key table. */
export function wrapStatic(key: Buffer, salt: Buffer, dataKey: Buffer, scope: Scope): Recipient {
  return {
    provider: 'static',
    keyId: wrappingKeyId('static', key),
    wrapped: wrapUnder('static', key, salt, dataKey, scope),
  }
}

/** An entry for a key table; the cost is the caller's choice. */
export function wrapPassphrase(
  passphrase: string,
  cost: { storeSalt: Buffer; log2N: number; r: number; p: number },
  salt: Buffer,
  dataKey: Buffer,
  scope: Scope,
): Recipient {
  const key = stretch(passphrase, cost.storeSalt, cost.log2N, cost.r, cost.p)
  const wrapped = wrapUnder('passphrase', key, salt, dataKey, scope)
  const parameters = Buffer.concat([Buffer.from([1, cost.log2N, cost.r, cost.p]), cost.storeSalt])
  return {
    provider: 'passphrase',
    keyId: wrappingKeyId('passphrase', key),
    wrapped: Buffer.concat([parameters, wrapped]),
  }
}

/** How a writer of this release chooses the salt of a wrapped key. */
export function wrapSalt(provider: string, wrappingKey: Buffer, random: Buffer, dataKey: Buffer): Buffer {
  return hmac(hkdf(wrappingKey, Buffer.alloc(0), `keelstate/1 ${provider} salt`, 32), random, dataKey).subarray(0, 24)
}

export function writeKeyTable(recipients: readonly Recipient[]): Buffer {
  const parts: Buffer[] = [Buffer.from([1, recipients.length])]
  for (const { provider, keyId, wrapped } of recipients) {
    parts.push(Buffer.from([provider.length]), Buffer.from(provider), u16(Buffer.byteLength(keyId)), Buffer.from(keyId))
    parts.push(u16(wrapped.length), wrapped)
  }
  return Buffer.concat(parts)
}

export function writeEarlier(dataKeys: readonly Buffer[]): string {
  return Buffer.concat([Buffer.from([1]), ...dataKeys]).toString('base64')
}

export function dataKeyId(dataKey: Buffer): Buffer {
  return hkdf(dataKey, Buffer.alloc(0), 'keelstate/1 data key id', 16)
}

export function stretch(passphrase: string, salt: Buffer, log2N: number, r: number, p: number): Buffer {
  const N = 2 ** log2N
  return scryptSync(Buffer.from(passphrase.normalize('NFC'), 'utf8'), salt, 32, { N, r, p, maxmem: 2 ** 31 })
}

type Scope = Pick<ReadHeader, 'storeId' | 'kind' | 'name'>

function wrapUnder(provider: string, key: Buffer, salt: Buffer, dataKey: Buffer, scope: Scope): Buffer {
  const { wrapKey, nonce } = wrapKeys(provider, key, salt, scope)
  const cipher = createCipheriv('aes-256-gcm', wrapKey, nonce, { authTagLength: 16 })
  return Buffer.concat([salt, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
}

function wrapKeys(provider: string, key: Buffer, salt: Buffer, scope: Scope): { wrapKey: Buffer; nonce: Buffer } {
  const [kind, name] = [Buffer.from(scope.kind), Buffer.from(scope.name)]
  const documentHash = sha256(scope.storeId, u16(kind.length), kind, u16(name.length), name)
  const bytes = hkdf(key, salt, Buffer.concat([Buffer.from(`keelstate/1 ${provider} wrap`), documentHash]), 44)
  return { wrapKey: bytes.subarray(0, 32), nonce: bytes.subarray(32) }
}

function wrappingKeyId(provider: string, key: Buffer): string {
  return hkdf(key, Buffer.alloc(0), `keelstate/1 ${provider} key id`, 8).toString('hex')
}

function messageKeys(
  dataKey: Buffer,
  messageId: Buffer,
  clear: Buffer,
): { key: Buffer; commitment: Buffer; prefix: Buffer } {
  const bytes = hkdf(dataKey, messageId, Buffer.concat([Buffer.from('keelstate/1 message keys'), sha256(clear)]), 71)
  return { key: bytes.subarray(0, 32), commitment: bytes.subarray(32, 64), prefix: bytes.subarray(64, 71) }
}

function nonceOf(prefix: Buffer, counter: number, last: boolean): Buffer {
  const tail = Buffer.alloc(5)
  tail.writeUInt32BE(counter)
  tail[4] = last ? 1 : 0
  return Buffer.concat([prefix, tail])
}

function hkdf(key: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha512', key, salt, info, length))
}

function hmac(key: Buffer, ...parts: Uint8Array[]): Buffer {
  return createHmac('sha256', key).update(Buffer.concat(parts)).digest()
}

function sha256(...parts: Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255])
}
