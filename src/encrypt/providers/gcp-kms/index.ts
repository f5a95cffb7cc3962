export type { GcpKmsClient, GcpKmsHttpRequest } from './client.ts'
export type { GcpCredentials, GcpKmsOptions, GcpServiceAccount } from './options.ts'
export { GcpKmsProvider } from './provider.ts'
