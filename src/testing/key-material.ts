import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const IV_BYTES = 12
const TAG_BYTES = 16

/** One generation of a key service's key: 32 random bytes that never leave it. */
export class KeyMaterial {
  readonly #key: Buffer = randomBytes(32)

  /** `header ‖ iv ‖ ciphertext ‖ tag`; header and `bound` are authenticated. */
  encrypt(header: Uint8Array, plaintext: Uint8Array, bound: Uint8Array): Buffer {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.concat([header, bound]))
    return Buffer.concat([header, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }

  /** `undefined` for what this material did not encrypt with exactly this header and this bound. */
  decrypt(headerBytes: number, blob: Uint8Array, bound: Uint8Array): Buffer | undefined {
    const end = blob.length - TAG_BYTES
    if (end < headerBytes + IV_BYTES) return undefined
    const iv = blob.subarray(headerBytes, headerBytes + IV_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.concat([blob.subarray(0, headerBytes), bound]))
    decipher.setAuthTag(blob.subarray(end))
    try {
      return Buffer.concat([decipher.update(blob.subarray(headerBytes + IV_BYTES, end)), decipher.final()])
    } catch {
      return undefined
    }
  }
}
