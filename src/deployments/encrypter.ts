import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type Environment, systemEnvironment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import type { CallOptions } from '../core/store.ts'
import { decodeBase64 } from '../go-json/base64.ts'

/**
 * What stands between a snapshot's bytes and the bytes of its state file, in the contract's own formats.
 *
 * A store seals whatever it is given, so a deployment needs none; it is there for trees that the original wrote or shall read.
 */
export interface Encrypter {
  /** @throws {KeelstateError} `Unavailable` and the like when a key service is needed and does not answer. */
  encrypt(plain: Uint8Array, options?: CallOptions): Promise<Uint8Array>
  /** @throws {KeelstateError} `DecryptFailed` when the bytes were not made by `encrypt` under the same key. */
  decrypt(sealed: Uint8Array, options?: CallOptions): Promise<Uint8Array>
}

/** Leaves the bytes as they are. */
export const noop: Encrypter = {
  encrypt: (plain) => Promise.resolve(plain),
  decrypt: (sealed) => Promise.resolve(sealed),
}

const KEY_BYTES = 32 // AES-256
const NONCE_BYTES = 12
const TAG_BYTES = 16

export interface EnvKeyOptions {
  /** Where the variable is looked up; default `process.env`. */
  variables?: Readonly<Record<string, string | undefined>>
  /** Where nonces come from; default the operating system. */
  environment?: Pick<Environment, 'randomBytes'>
}

/**
 * AES-256-GCM under a key from an environment variable, which holds 32 bytes as padded base64. The result is nonce ‖ ciphertext ‖ tag, without
 * associated data: the raw form of release v0.4.0 of the contract.
 *
 * @throws {KeelstateError} `InvalidOptions` when the variable holds no such key. It is read once, here.
 */
export function envKey(variable: string, options: EnvKeyOptions = {}): Encrypter {
  const key = readKey(variable, (options.variables ?? process.env)[variable])
  const environment = options.environment ?? systemEnvironment
  return {
    async encrypt(plain) {
      const nonce = environment.randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    async decrypt(sealed) {
      if (sealed.length < NONCE_BYTES) throw decryptFailed('env-key encrypter: ciphertext shorter than nonce')
      if (sealed.length < NONCE_BYTES + TAG_BYTES) throw decryptFailed(NOT_AUTHENTIC)
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        return Buffer.concat([plain, decipher.final()])
      } catch {
        throw decryptFailed(NOT_AUTHENTIC)
      }
    },
  }
}

const NOT_AUTHENTIC = 'cipher: message authentication failed'

function decryptFailed(message: string): KeelstateError<'DecryptFailed'> {
  return new KeelstateError('DecryptFailed', {
    operation: 'decrypt',
    message,
    hint: 'The key is another one than the state was written with, or the state was changed.',
  })
}

function readKey(variable: string, text: string | undefined): Uint8Array {
  if (text === undefined || text === '') throw noKey(variable, 'is not set')
  const key = decodeBase64(text)
  if ('corruptAt' in key)
    throw noKey(variable, `is not valid base64: illegal base64 data at input byte ${key.corruptAt}`)
  if (key.length !== KEY_BYTES) throw noKey(variable, `decodes to ${key.length} bytes, want ${KEY_BYTES}`)
  return key
}

function noKey(variable: string, problem: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    operation: 'envKey',
    message: `env-key encrypter: ${variable} ${problem}`,
    details: { option: variable },
    hint: `Set ${variable} to 32 random bytes in base64, as \`openssl rand -base64 32\` prints them.`,
  })
}
