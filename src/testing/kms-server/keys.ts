import { randomUUID } from 'node:crypto'
import { KeyMaterial } from '../key-material.ts'
import { KmsRefusal } from './answers.ts'

/** https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html */
export type KmsKeyState = 'Disabled' | 'Enabled' | 'PendingDeletion'

export type EncryptionContext = Readonly<Record<string, string>>

const BLOB_VERSION = 1
const ID_BYTES = 36 // of a key id, in ASCII
const HEADER_BYTES = 1 + ID_BYTES + 1 // version, key id, number of the key material

/** A symmetric key. Its material never leaves it. */
export class KmsKey {
  readonly id: string
  readonly arn: string
  state: KmsKeyState = 'Enabled'
  /** A key for signing is refused wherever one for encrypting is needed. */
  usage: 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' = 'ENCRYPT_DECRYPT'
  readonly #materials: KeyMaterial[]

  /** @internal */
  constructor(id: string, arn: string, materials: KeyMaterial[] = [new KeyMaterial()]) {
    this.id = id
    this.arn = arn
    this.#materials = materials
  }

  /** New material for what is encrypted from now on; what was encrypted before stays readable. */
  rotate(): void {
    this.#materials.push(new KeyMaterial())
  }

  /** @internal The same key in another region. */
  replica(arn: string): KmsKey {
    return new KmsKey(this.id, arn, this.#materials)
  }

  /** version ‖ key id ‖ material number ‖ iv ‖ ciphertext ‖ tag; the context and all before the iv are authenticated. */
  encrypt(plaintext: Uint8Array, context: EncryptionContext): Buffer {
    const number = this.#materials.length - 1
    const header = Buffer.concat([Uint8Array.of(BLOB_VERSION), Buffer.from(this.id, 'latin1'), Uint8Array.of(number)])
    return this.#materials[number]!.encrypt(header, plaintext, canonical(context))
  }

  /** Refuses what this key did not encrypt with exactly this context. */
  decrypt(blob: Buffer, context: EncryptionContext): Buffer {
    const material = blob[0] === BLOB_VERSION ? this.#materials[blob[HEADER_BYTES - 1] ?? -1] : undefined
    const plaintext = material?.decrypt(HEADER_BYTES, blob, canonical(context))
    if (plaintext === undefined) throw refusedCiphertext()
    return plaintext
  }
}

/** The keys and aliases of one account in one region. */
export class KmsKeys {
  readonly #prefix: string
  readonly #keys = new Map<string, KmsKey>()
  readonly #aliases = new Map<string, KmsKey>()

  constructor(region: string, account: string) {
    this.#prefix = `arn:aws:kms:${region}:${account}:`
  }

  create(multiRegion: boolean): KmsKey {
    const id = multiRegion ? `mrk-${randomUUID().replaceAll('-', '')}` : randomUUID()
    return this.#add(new KmsKey(id, `${this.#prefix}key/${id}`))
  }

  /** A multi-Region key of another region, made usable here. */
  replicate(key: KmsKey): KmsKey {
    if (!key.id.startsWith('mrk-')) throw new Error(`${key.arn} is no multi-Region key`)
    return this.#add(key.replica(`${this.#prefix}key/${key.id}`))
  }

  /** Makes `alias/NAME` stand for a key, or for another one than before. */
  alias(name: string, key: KmsKey): void {
    this.#aliases.set(name, key)
  }

  /** The key that a request names: by id, ARN, alias or the ARN of an alias. */
  named(keyId: string): KmsKey {
    const plain = keyId.startsWith(this.#prefix) ? keyId.slice(this.#prefix.length) : keyId
    const found = plain.startsWith('alias/')
      ? this.#aliases.get(plain)
      : this.#keys.get(plain === keyId ? plain : plain.replace(/^key\//, ''))
    if (found !== undefined) return found
    if (plain.startsWith('arn:')) throw new KmsRefusal('NotFoundException', `Invalid arn ${keyId.split(':')[3] ?? ''}`)
    const arn = plain.startsWith('alias/') ? `Alias ${this.#prefix}${plain}` : `Key '${this.#prefix}key/${plain}'`
    throw new KmsRefusal(
      'NotFoundException',
      `${arn} ${plain.startsWith('alias/') ? 'is not found.' : 'does not exist'}`,
    )
  }

  /** The key that encrypted a blob, as far as the blob says so. */
  of(blob: Buffer): KmsKey | undefined {
    return this.#keys.get(blob.toString('latin1', 1, 1 + ID_BYTES))
  }

  #add(key: KmsKey): KmsKey {
    this.#keys.set(key.id, key)
    return key
  }
}

function refusedCiphertext(): KmsRefusal {
  return new KmsRefusal('InvalidCiphertextException')
}

/** One encoding for each context, whatever the order of its pairs. */
function canonical(context: EncryptionContext): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))))
}
