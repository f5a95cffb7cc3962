export type { AwsKmsClient } from './client.ts'
export { type AwsKmsOptions, AwsKmsProvider } from './provider.ts'
