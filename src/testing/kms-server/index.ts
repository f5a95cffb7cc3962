export type { KmsCredential } from './access.ts'
export type { EncryptionContext, KmsKey, KmsKeyState } from './keys.ts'
export type { KmsOperation } from './operations.ts'
export { type KmsRequestRecord, type KmsServer, type KmsServerOptions, startKmsServer } from './server.ts'
