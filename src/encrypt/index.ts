export type { KeyAddress } from './key-address.ts'
export { parseKey } from './key-address.ts'
export type { KeySource, Variables } from './key-source.ts'
export type { SealerOptions } from './make-sealer.ts'
export { makeSealer } from './make-sealer.ts'
export type { GeneratedKey, KeyProvider, WrappedKey } from './provider.ts'
export {
  type AwsCredentials,
  type AwsKeyPair,
  type AwsKmsClient,
  type AwsKmsOptions,
  AwsKmsProvider,
} from './providers/aws-kms/index.ts'
export {
  type GcpCredentials,
  type GcpKmsClient,
  type GcpKmsHttpRequest,
  type GcpKmsOptions,
  GcpKmsProvider,
  type GcpServiceAccount,
} from './providers/gcp-kms/index.ts'
export type { PassphraseOptions } from './providers/passphrase.ts'
export { PassphraseProvider } from './providers/passphrase.ts'
export type { StaticKeyOptions } from './providers/static.ts'
export { StaticKeyProvider } from './providers/static.ts'
