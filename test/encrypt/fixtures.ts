import { createHash } from 'node:crypto'
import { KeelstateError } from '../../src/core/errors.ts'
import { checkIdentity, type DocumentScope, decodeHeader, type ExpectedObject } from '../../src/core/header.ts'
import type { DocumentKeys, Sealer, SealHead, SealObject } from '../../src/core/sealer.ts'
import { makeSealer } from '../../src/encrypt/index.ts'

/** Bytes that look random and are the same in every run. */
export class SeededBytes {
  readonly #seed: string
  #drawn = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  readonly randomBytes = (length: number): Buffer => {
    const out = Buffer.alloc(length)
    for (let at = 0; at < length; at += 32) {
      createHash('sha256')
        .update(`${this.#seed} ${this.#drawn++}`)
        .digest()
        .copy(out, at)
    }
    return out
  }

  /** A whole number from 0 to `below` - 1. */
  readonly below = (below: number): number => Number(this.randomBytes(8).readBigUInt64BE() % BigInt(below))
}

export const STORE_ID: Buffer = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
export const SCOPE: DocumentScope = { storeId: STORE_ID, kind: 'state', path: 'shop/prod' }
export const KEY: Buffer = new SeededBytes('static key').randomBytes(32)
export const OTHER_KEY: Buffer = new SeededBytes('another static key').randomBytes(32)
export const PASSPHRASE = 'five random words häufig enough'
export const VARIABLES: Record<string, string> = {
  STATE_KEY: KEY.toString('base64'),
  OTHER_KEY: OTHER_KEY.toString('base64'),
  STATE_PASS: PASSPHRASE,
}
export const SALT: Buffer = Buffer.alloc(16, 0x77)

export function sealerFor(keys: string[], seed?: string): Sealer {
  const environment = seed === undefined ? {} : { environment: new SeededBytes(seed) }
  return makeSealer(keys, { salt: async () => SALT, variables: VARIABLES, ...environment })
}

export function headOf(scope: DocumentScope, fields: Partial<SealHead> = {}): SealHead {
  return {
    type: 'head',
    scope,
    birth: Buffer.alloc(16, 0xb1),
    seq: 3,
    writeId: Buffer.alloc(16, 0x1d),
    epoch: 7n,
    hasCurrent: true,
    slots: Buffer.alloc(512, 0x51),
    ...fields,
  }
}

export function contentOf(scope: DocumentScope): SealObject {
  return { type: 'object', scope, role: 'content' }
}

/** Reads a head as core does: header, identity, key table, body. */
export async function readHead(
  sealer: Sealer,
  bytes: Uint8Array,
  scope: DocumentScope = SCOPE,
  key = 'heads/…',
): Promise<Uint8Array> {
  const message = decodeHeader(bytes, key)
  checkIdentity(message.header, scope, key)
  if (message.header.type !== 'head') throw new Error('checkIdentity let an object pass for a head')
  const keys = await sealer.unwrap(scope, message.header.keyTable, message.header.keyId)
  return keys.open(message, key)
}

/** Reads an object as core does. */
export async function readObject(
  keys: DocumentKeys,
  bytes: Uint8Array,
  expected: ExpectedObject,
  scope: DocumentScope = SCOPE,
  key = 'objects/…',
): Promise<Uint8Array> {
  const message = decodeHeader(bytes, key)
  checkIdentity(message.header, scope, key, expected)
  return keys.open(message, key)
}

/** The typed error that `work` ends in. */
export async function refusal(work: Promise<unknown>): Promise<KeelstateError> {
  try {
    await work
  } catch (error) {
    if (KeelstateError.is(error)) return error
    throw error
  }
  throw new Error('it was not refused')
}

/** `Corrupt segment 1`: code and what differs, on one line. */
export async function verdict(work: Promise<unknown>): Promise<string> {
  const { code, details } = await refusal(work)
  const differs = 'differs' in details && details.differs !== undefined ? ` ${details.differs}` : ''
  return `${code}${differs}`
}
