import { createSecretKey, type KeyObject, scrypt } from 'node:crypto'
import { type Environment, systemEnvironment } from '../../core/environment.ts'
import { KeelstateError, throwIfAborted } from '../../core/errors.ts'
import { corrupt, type DocumentScope, hex } from '../../core/header.ts'
import type { RecipientInfo } from '../../core/sealer.ts'
import type { CallOptions } from '../../core/store.ts'
import { changedWrap, headOf, notThisKey } from '../errors.ts'
import {
  fingerprint,
  sameFingerprint,
  unwrapDataKey,
  WRAPPED_BYTES,
  type WrapLabels,
  wrapDataKey,
} from '../key-wrap.ts'
import type { KeyProvider, WrappedKey } from '../provider.ts'

const LABELS: WrapLabels = {
  keyId: 'keelstate/1 passphrase key id',
  wrap: 'keelstate/1 passphrase wrap',
  salt: 'keelstate/1 passphrase salt',
}
const SCRYPT = 1
const ARGON2ID = 2
const STORE_SALT_BYTES = 16
const PARAMETER_BYTES = 4 // function, log2 N, r, p
const MIN_CHARACTERS = 12
const MAX_MEMORY_BYTES = 512 << 20 // 128 × N × r, four times what this release asks for
const MAX_COST = 2 ** 24 // N × r × p, 16 times what this release asks for: some 5 seconds
const MAX_REMEMBERED = 8

interface ScryptParameters {
  readonly log2N: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
}

/** What new wrappings use: 128 MiB and about 0.35 s per store and process. */
const COST: Omit<ScryptParameters, 'salt'> = { log2N: 17, r: 8, p: 1 }

export interface PassphraseOptions {
  /** The passphrase, or how to get it: asked when a key is derived. Taken as UTF-8 of its NFC form. */
  passphrase: string | (() => Promise<string>)
  /** The 16 bytes of the store's marker. Asked for when a data key is wrapped; wrappings repeat them, so reading needs no marker. */
  salt: (options?: CallOptions) => Promise<Uint8Array>
  /** Where the passphrase comes from, for messages. Default `passphrase`. */
  address?: string
  environment?: Pick<Environment, 'randomBytes'>
}

/**
 * A passphrase, stretched by scrypt. One derivation serves all documents of a store: its result is kept in the process, and callers
 * that come while it is under way wait for it.
 */
export class PassphraseProvider implements KeyProvider {
  readonly provider = 'passphrase'
  readonly address: string
  readonly #environment: Pick<Environment, 'randomBytes'>
  readonly #passphrase: () => Promise<string>
  readonly #storeSalt: (options?: CallOptions) => Promise<Uint8Array>
  readonly #derived = new Map<string, Promise<KeyObject>>()
  #lastDerivation: Promise<unknown> = Promise.resolve()

  constructor(options: PassphraseOptions) {
    this.address = options.address ?? 'passphrase'
    this.#environment = options.environment ?? systemEnvironment
    const { passphrase } = options
    this.#passphrase = typeof passphrase === 'string' ? async () => passphrase : passphrase
    this.#storeSalt = options.salt
  }

  describe(): string {
    return this.address
  }

  /** Any passphrase's: which one it is shows only after the derivation. */
  matches(recipient: RecipientInfo): boolean {
    return recipient.provider === this.provider
  }

  /** @throws {KeelstateError} also `InvalidOptions` when the passphrase has less than 12 characters. */
  async wrap(dataKey: Uint8Array, scope: DocumentScope, options?: CallOptions): Promise<WrappedKey> {
    throwIfAborted(options?.signal, 'key.wrap', this.address)
    if ([...(await this.#passphrase())].length < MIN_CHARACTERS) throw tooShort(this.address)
    const salt = await this.#storeSalt(options)
    if (salt.length !== STORE_SALT_BYTES) throw wrongSalt(salt)
    const parameters = { ...COST, salt }
    const key = await this.#derive(parameters)
    throwIfAborted(options?.signal, 'key.wrap', this.address)
    const wrapped = wrapDataKey(key, LABELS, scope, dataKey, this.#environment)
    const { log2N, r, p } = parameters
    const bytes = Buffer.concat([Uint8Array.of(SCRYPT, log2N, r, p), salt, wrapped])
    return { provider: this.provider, keyId: fingerprint(key, LABELS), wrapped: bytes }
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options?: CallOptions): Promise<Uint8Array> {
    throwIfAborted(options?.signal, 'key.unwrap', this.address)
    if (!this.matches(wrapped)) throw notThisKey(wrapped, this.address)
    const { parameters, wrappedKey } = readParameters(wrapped.wrapped, headOf(scope))
    const key = await this.#derive(parameters)
    throwIfAborted(options?.signal, 'key.unwrap', this.address)
    if (!sameFingerprint(wrapped.keyId, fingerprint(key, LABELS))) throw notThisKey(wrapped, this.address)
    const dataKey = unwrapDataKey(key, LABELS, scope, wrappedKey)
    if (dataKey === undefined) throw changedWrap(wrapped, scope)
    return dataKey
  }

  #derive(parameters: ScryptParameters): Promise<KeyObject> {
    const id = `${parameters.log2N}/${parameters.r}/${parameters.p}/${hex(parameters.salt)}`
    const known = this.#derived.get(id)
    if (known !== undefined) return known
    // One after the other: what a hostile bucket can ask for is then one derivation's memory, not as many as documents are read at once.
    const deriving = this.#lastDerivation.then(async () => stretch(await this.#passphrase(), parameters))
    this.#lastDerivation = deriving.catch(() => undefined)
    this.#derived.set(id, deriving)
    deriving.catch(() => this.#derived.delete(id))
    if (this.#derived.size > MAX_REMEMBERED) this.#derived.delete(this.#derived.keys().next().value!)
    return deriving
  }
}

function stretch(passphrase: string, { log2N, r, p, salt }: ScryptParameters): Promise<KeyObject> {
  const N = 2 ** log2N
  const maxmem = 128 * r * (N + p + 2) + (1 << 20) // the table, the blocks, and room for what OpenSSL adds
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFC'), salt, 32, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(createSecretKey(key))
      else reject(error)
    })
  })
}

/** function (1) ‖ log2 N (1) ‖ r (1) ‖ p (1) ‖ salt (16) ‖ wrapped key (72); bounds are checked before anything is computed. */
function readParameters(bytes: Uint8Array, key: string): { parameters: ScryptParameters; wrappedKey: Uint8Array } {
  const [kdf, log2N = 0, r = 0, p = 0] = bytes
  if (kdf === ARGON2ID) throw unsupportedFunction('argon2id', key)
  if (kdf !== SCRYPT) throw unsupportedFunction(`number ${kdf}`, key)
  if (bytes.length !== PARAMETER_BYTES + STORE_SALT_BYTES + WRAPPED_BYTES) {
    throw corrupt(key, `has a damaged key table: ${bytes.length} bytes are no passphrase entry`, 'keyTable')
  }
  const cost = 2 ** log2N * r * p
  const possible = log2N >= 14 && log2N <= 20 && r >= 1 && r <= 32 && p >= 1 && p <= 16
  if (!possible || cost > MAX_COST || 128 * 2 ** log2N * r > MAX_MEMORY_BYTES) {
    throw corrupt(
      key,
      `has a key table that asks for impossible scrypt parameters (N = 2^${log2N}, r = ${r}, p = ${p})`,
      'keyTable',
    )
  }
  const salt = Uint8Array.from(bytes.subarray(PARAMETER_BYTES, PARAMETER_BYTES + STORE_SALT_BYTES))
  return { parameters: { log2N, r, p, salt }, wrappedKey: bytes.subarray(PARAMETER_BYTES + STORE_SALT_BYTES) }
}

function unsupportedFunction(name: string, key: string): KeelstateError<'Unsupported'> {
  return new KeelstateError('Unsupported', {
    key,
    message: `${key} has a passphrase entry that is stretched by key derivation function ${name}; this build knows scrypt.`,
    hint: 'Upgrade keelstate to a release that knows it, or open the document with another of its keys.',
  })
}

function tooShort(address: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    key: address,
    message: `${address} has less than ${MIN_CHARACTERS} characters, too few for new documents.`,
    details: { option: 'keys' },
    hint: 'Use a longer passphrase, such as five random words. Documents that were made with a shorter one stay readable.',
  })
}

function wrongSalt(salt: Uint8Array): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    message: `The store's marker gives a passphrase salt of ${salt.length} bytes instead of ${STORE_SALT_BYTES}.`,
    details: { subject: 'store', differs: 'salt' },
  })
}
