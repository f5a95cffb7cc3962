import { KeelstateError } from '../core/errors.ts'
import type { KeySource } from './key-source.ts'
import { parseAwsKmsKey } from './providers/aws-kms/address.ts'
import { parseGcpKmsKey } from './providers/gcp-kms/address.ts'

/** A key as configured, parsed. Reading it is a later step, so configuration can be checked without any key at hand. */
export type KeyAddress =
  | { readonly type: 'static'; readonly address: string; readonly source: KeySource }
  | { readonly type: 'passphrase'; readonly address: string; readonly variable: string }
  | { readonly type: 'aws-kms'; readonly address: string; readonly key: string }
  | { readonly type: 'gcp-kms'; readonly address: string; readonly key: string }
  | { readonly type: 'plaintext'; readonly address: 'plaintext' }

/** The forms that an address may have, for messages. */
export const KEY_FORMS =
  'env:NAME (a variable that holds 32 bytes in base64), file:PATH (a file that does), passphrase:env:NAME, aws-kms:ARN (or aws-kms:alias/NAME), gcp-kms:projects/…/cryptoKeys/…, or plaintext (no encryption)'

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Parses the address of a key: `env:NAME`, `file:PATH`, `passphrase:env:NAME`, `aws-kms:KEY`, `gcp-kms:KEY` or `plaintext`.
 *
 * @throws {KeelstateError} `InvalidOptions` when it is none of them. What is refused is not repeated: it may be the key itself.
 */
export function parseKey(text: string): KeyAddress {
  if (text === 'plaintext') return { type: 'plaintext', address: 'plaintext' }
  const scheme = text.slice(0, Math.max(0, text.indexOf(':')))
  const rest = text.slice(scheme.length + 1)
  if (scheme === 'aws-kms') {
    parseAwsKmsKey(rest)
    return { type: 'aws-kms', address: text, key: rest }
  }
  if (scheme === 'gcp-kms') {
    parseGcpKmsKey(rest)
    return { type: 'gcp-kms', address: text, key: rest }
  }
  if (scheme === 'env') return { type: 'static', address: text, source: { from: 'env', name: variable(rest, 'env') } }
  if (scheme === 'file') return { type: 'static', address: text, source: { from: 'file', path: path(rest) } }
  if (scheme === 'passphrase' && rest.startsWith('env:')) {
    return { type: 'passphrase', address: text, variable: variable(rest.slice('env:'.length), 'passphrase:env') }
  }
  if (scheme === 'passphrase') throw refused('a passphrase is named by the variable that holds it: passphrase:env:NAME')
  throw refused(`write one of ${KEY_FORMS}`)
}

function variable(name: string, form: string): string {
  if (!VARIABLE.test(name) || looksLikeKey(name)) {
    throw refused(
      `after ${form}: comes the name of an environment variable, such as ${form}:STATE_KEY, and never the value itself`,
    )
  }
  return name
}

function path(text: string): string {
  if (text === '' || text.includes('\0')) throw refused('after file: comes the path of a file')
  if (looksLikeKey(text))
    throw refused('after file: comes the path of a file, and never the key itself (begin a path with ./ or /)')
  return text
}

/**
 * 32 bytes in hex, base64 or base64url. Random base64 has letters of both cases, few names of that length do; what begins with `/` or `.` is
 * taken for a path.
 */
function looksLikeKey(text: string): boolean {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return true
  return /^[A-Za-z0-9+_-][A-Za-z0-9+/_-]{42}=?$/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text)
}

function refused(why: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    message: `A configured key is no key address: ${why}. It is not repeated here because it may be a secret.`,
    details: { option: 'keys' },
    hint: 'If it is a key or a passphrase, it has been written where configuration is kept: replace it.',
  })
}
