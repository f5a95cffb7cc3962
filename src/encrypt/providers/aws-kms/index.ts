export type { AwsKmsClient } from './client.ts'
export type { AwsCredentials, AwsKeyPair, AwsKmsOptions } from './options.ts'
export { AwsKmsProvider } from './provider.ts'
