import { KeelstateError } from '../../../core/errors.ts'
import { withoutNodeWarning } from '../../../core/sdk-warning.ts'
import type { AwsKmsKey } from './address.ts'

/** The slice of `KMSClient` that is used; the SDK's own fits. */
export interface AwsKmsClient {
  send(command: never, options?: { abortSignal?: AbortSignal }): Promise<unknown>
}

/** What KMS answers, as far as it is looked at. */
export interface KmsAnswer {
  Plaintext?: Uint8Array
  CiphertextBlob?: Uint8Array
  KeyId?: string
}

export type EncryptionContext = Record<string, string>

/** The three calls that are made, each one request. */
export interface KmsOperations {
  generateDataKey(
    input: { KeyId: string; KeySpec: 'AES_256'; EncryptionContext: EncryptionContext },
    signal?: AbortSignal,
  ): Promise<KmsAnswer>
  encrypt(
    input: { KeyId: string; Plaintext: Uint8Array; EncryptionContext: EncryptionContext },
    signal?: AbortSignal,
  ): Promise<KmsAnswer>
  decrypt(
    input: { KeyId: string; CiphertextBlob: Uint8Array; EncryptionContext: EncryptionContext },
    signal?: AbortSignal,
  ): Promise<KmsAnswer>
}

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 10_000
const ATTEMPTS = 3 // KMS calls change nothing, so the SDK may repeat them

/** Loads `@aws-sdk/client-kms`. @throws {KeelstateError} `Unsupported` with the install command when it is not there. */
export async function connectKms(key: AwsKmsKey, given: AwsKmsClient | undefined): Promise<KmsOperations> {
  const sdk = await import('@aws-sdk/client-kms').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      operation: 'key.unwrap',
      message: 'Keys of AWS KMS need the package @aws-sdk/client-kms, which is not installed.',
      hint: 'npm install @aws-sdk/client-kms',
      cause,
    })
  })
  const client = (given ??
    withoutNodeWarning(
      () =>
        new sdk.KMSClient({
          maxAttempts: ATTEMPTS,
          requestHandler: {
            connectionTimeout: CONNECTION_TIMEOUT_MS,
            requestTimeout: REQUEST_TIMEOUT_MS,
            throwOnRequestTimeout: true,
          },
          ...(key.region === undefined ? {} : { region: key.region }),
          ...(key.endpoint === undefined ? {} : { endpoint: key.endpoint }),
        }),
    )) as AwsKmsClient
  const send = async (command: object, signal: AbortSignal | undefined): Promise<KmsAnswer> =>
    ((await client.send(command as never, signal === undefined ? {} : { abortSignal: signal })) ?? {}) as KmsAnswer
  return {
    generateDataKey: (input, signal) => send(new sdk.GenerateDataKeyCommand(input), signal),
    encrypt: (input, signal) => send(new sdk.EncryptCommand(input), signal),
    decrypt: (input, signal) => send(new sdk.DecryptCommand(input), signal),
  }
}
