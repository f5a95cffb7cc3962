import { randomBytes } from 'node:crypto'
import { KeyMaterial } from '../key-material.ts'
import { GcpKmsRefusal } from './answers.ts'

/** https://cloud.google.com/kms/docs/key-states */
export type GcpKmsVersionState = 'DESTROYED' | 'DESTROY_SCHEDULED' | 'DISABLED' | 'ENABLED'

const BLOB_VERSION = 0x0a
const KEY_ID_BYTES = 8
const HEADER_BYTES = 1 + KEY_ID_BYTES + 2 // form, id of the key, number of the version

/** One generation of a key. */
export class GcpKmsKeyVersion {
  /** `projects/…/cryptoKeys/…/cryptoKeyVersions/N` */
  readonly name: string
  state: GcpKmsVersionState = 'ENABLED'
  /** @internal */
  readonly material: KeyMaterial = new KeyMaterial()

  /** @internal */
  constructor(name: string) {
    this.name = name
  }

  /** Refuses unless the version may be used. */
  mustBeEnabled(): void {
    if (this.state === 'ENABLED') return
    const violation = { type: `KEY_${this.state}`, subject: this.name }
    throw new GcpKmsRefusal('FAILED_PRECONDITION', `${this.name} is not enabled, current state is: ${this.state}.`, [
      { '@type': 'type.googleapis.com/google.rpc.PreconditionFailure', violations: [violation] },
    ])
  }
}

/** A symmetric key and its versions. Their material never leaves it. */
export class GcpKmsKey {
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…` */
  readonly name: string
  /** Oldest first; the number of a version is its position, counted from 1. */
  readonly versions: GcpKmsKeyVersion[] = []
  /** What encrypts; the newest after a rotation. */
  primary: GcpKmsKeyVersion
  readonly #id = randomBytes(KEY_ID_BYTES)

  /** @internal */
  constructor(name: string) {
    this.name = name
    this.primary = this.rotate()
  }

  /** Makes a new version the primary one. What was encrypted before stays readable as long as its version is enabled. */
  rotate(): GcpKmsKeyVersion {
    this.primary = new GcpKmsKeyVersion(`${this.name}/cryptoKeyVersions/${this.versions.length + 1}`)
    this.versions.push(this.primary)
    return this.primary
  }

  /** form ‖ key id ‖ version number ‖ iv ‖ ciphertext ‖ tag, by the primary version. */
  encrypt(plaintext: Uint8Array, bound: Uint8Array): Buffer {
    this.primary.mustBeEnabled()
    const header = Buffer.alloc(HEADER_BYTES)
    header[0] = BLOB_VERSION
    this.#id.copy(header, 1)
    header.writeUInt16BE(this.versions.indexOf(this.primary) + 1, 1 + KEY_ID_BYTES)
    return this.primary.material.encrypt(header, plaintext, bound)
  }

  /** Refuses what no version of this key encrypted with exactly these authenticated data. */
  decrypt(blob: Buffer, bound: Uint8Array): { plaintext: Buffer; version: GcpKmsKeyVersion } {
    const own = blob[0] === BLOB_VERSION && blob.subarray(1, 1 + KEY_ID_BYTES).equals(this.#id)
    const version =
      own && blob.length > HEADER_BYTES ? this.versions[blob.readUInt16BE(1 + KEY_ID_BYTES) - 1] : undefined
    if (version === undefined)
      throw new GcpKmsRefusal(
        'INVALID_ARGUMENT',
        "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
      )
    version.mustBeEnabled()
    const plaintext = version.material.decrypt(HEADER_BYTES, blob, bound)
    if (plaintext === undefined)
      throw new GcpKmsRefusal('INVALID_ARGUMENT', 'Decryption failed: the ciphertext is invalid.')
    return { plaintext, version }
  }
}
