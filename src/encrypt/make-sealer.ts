import { type Environment, systemEnvironment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import type { Sealer } from '../core/sealer.ts'
import type { CallOptions } from '../core/store.ts'
import { KEY_FORMS, type KeyAddress, parseKey } from './key-address.ts'
import { readStaticKey, readVariable, type Variables } from './key-source.ts'
import { PlaintextSealer } from './plaintext.ts'
import type { KeyProvider } from './provider.ts'
import { DeferredProvider } from './providers/deferred.ts'
import { PassphraseProvider } from './providers/passphrase.ts'
import { StaticKeyProvider } from './providers/static.ts'
import { KeySealer } from './sealer.ts'
import { MAX_RECIPIENTS } from './wraps.ts'

export interface SealerOptions {
  /** Resolves to the 16 bytes of passphrase salt in the store's marker. Called when a passphrase wraps a key, at most once per document. */
  salt: (options?: CallOptions) => Promise<Uint8Array>
  /** Where `env:` looks. Default `process.env`. */
  variables?: Variables
  environment?: Pick<Environment, 'randomBytes'>
  /** Largest body in bytes, before compression. Default 257 MiB. */
  maxBytes?: number
}

/**
 * The sealer for the configured keys: addresses as `parseKey` takes them, or providers of one's own. Each is a recipient of new documents.
 * Variables and files are read at first use.
 *
 * @throws {KeelstateError} `InvalidOptions` when there is none, more than 16, or `plaintext` beside another; else what `parseKey` says.
 */
export function makeSealer(keys: readonly (string | KeyProvider)[], options: SealerOptions): Sealer {
  const parsed = keys.map((key) => (typeof key === 'string' ? parseKey(key) : key))
  if (parsed.length === 0) throw invalidKeys('No key is configured', `Configure one or several of ${KEY_FORMS}.`)
  if (parsed.length > MAX_RECIPIENTS) {
    throw invalidKeys(`${parsed.length} keys are configured`, `A document has at most ${MAX_RECIPIENTS} recipients.`)
  }
  const providers = parsed.flatMap((key) =>
    isPlaintextAddress(key) ? [] : [isAddress(key) ? makeProvider(key, options) : key],
  )
  if (providers.length === parsed.length) return new KeySealer(providers, options)
  if (providers.length > 0)
    throw invalidKeys('`plaintext` is configured beside other keys', 'Leave out one or the other.')
  return new PlaintextSealer(options)
}

type SecretAddress = Exclude<KeyAddress, { type: 'plaintext' }>

function makeProvider(key: SecretAddress, options: SealerOptions): KeyProvider {
  const { address } = key
  const { variables = process.env, environment = systemEnvironment } = options
  if (key.type === 'aws-kms') {
    return new DeferredProvider('aws-kms', address, true, async () => {
      const { AwsKmsProvider } = await import('./providers/aws-kms/index.ts')
      return new AwsKmsProvider({ key: key.key })
    })
  }
  if (key.type === 'gcp-kms') {
    return new DeferredProvider('gcp-kms', address, false, async () => {
      const { GcpKmsProvider } = await import('./providers/gcp-kms/index.ts')
      return new GcpKmsProvider({ key: key.key })
    })
  }
  if (key.type === 'static') {
    return new StaticKeyProvider({ address, environment, key: () => readStaticKey(key.source, address, variables) })
  }
  const passphrase = async () => readVariable(key.variable, address, variables)
  return new PassphraseProvider({ address, environment, passphrase, salt: options.salt })
}

function isAddress(key: KeyAddress | KeyProvider): key is KeyAddress {
  return !('unwrap' in key)
}

function isPlaintextAddress(key: KeyAddress | KeyProvider): key is Extract<KeyAddress, { type: 'plaintext' }> {
  return isAddress(key) && key.type === 'plaintext'
}

function invalidKeys(what: string, hint: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', { message: `${what}.`, details: { option: 'keys' }, hint })
}
