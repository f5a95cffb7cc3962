import { KeelstateError } from '../../../core/errors.ts'
import { withoutNodeWarning } from '../../../core/sdk-warning.ts'
import type { AwsKmsSettings } from './options.ts'

/** What is needed of a `KMSClient` that a user passes in; the SDK's own fits. */
export interface AwsKmsClient {
  send(command: never, options?: { abortSignal?: AbortSignal }): Promise<unknown>
  /** Asked before a request, so that a lack of credentials or of a region is told from a refusal by the service. */
  readonly config?: {
    readonly credentials?: (() => Promise<unknown>) | undefined
    readonly region?: (() => Promise<unknown>) | undefined
  }
}

export type EncryptionContext = Record<string, string>

/** What KMS answers, as far as it is looked at. */
export interface KmsAnswer {
  Plaintext?: Uint8Array
  CiphertextBlob?: Uint8Array
  KeyId?: string
}

interface Named {
  KeyId: string
  EncryptionContext: EncryptionContext
}

/** The three calls that are made. */
export interface KmsOperations {
  generateDataKey(input: Named & { KeySpec: 'AES_256' }, signal: AbortSignal): Promise<KmsAnswer>
  encrypt(input: Named & { Plaintext: Uint8Array }, signal: AbortSignal): Promise<KmsAnswer>
  decrypt(input: Named & { CiphertextBlob: Uint8Array }, signal: AbortSignal): Promise<KmsAnswer>
  /** Region and credentials, before anything is sent. Rejects with the SDK's error, or with that of the user's function. */
  prepare(): Promise<void>
}

const ATTEMPTS = 3 // no call changes anything, so the SDK may repeat what was throttled, lost or cut off
const CONNECT_TIMEOUT_MS = 3_000

/**
 * Loads the SDK and makes the client.
 *
 * @throws {KeelstateError} `Unsupported` when the SDK is not installed.
 */
export async function connectKms(settings: AwsKmsSettings): Promise<KmsOperations> {
  const sdk = await import('@aws-sdk/client-kms').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      key: settings.address,
      message: 'The AWS SDK for KMS is not installed, or cannot be loaded.',
      hint: 'Install it beside keelstate: npm install @aws-sdk/client-kms',
      details: { notExecuted: true },
      cause,
    })
  })
  const client: AwsKmsClient =
    settings.client ?? withoutNodeWarning(() => new sdk.KMSClient(clientConfig(settings)) as AwsKmsClient)
  const send = async (command: object, abortSignal: AbortSignal): Promise<KmsAnswer> =>
    ((await client.send(command as never, { abortSignal })) ?? {}) as KmsAnswer
  return {
    generateDataKey: (input, signal) => send(new sdk.GenerateDataKeyCommand(input), signal),
    encrypt: (input, signal) => send(new sdk.EncryptCommand(input), signal),
    decrypt: (input, signal) => send(new sdk.DecryptCommand(input), signal),
    async prepare() {
      await client.config?.region?.()
      await client.config?.credentials?.()
    },
  }
}

function clientConfig({ key, credentials, timeoutMs }: AwsKmsSettings) {
  const attemptMs = Math.ceil(timeoutMs / ATTEMPTS)
  return {
    ...(key.region === undefined ? {} : { region: key.region }),
    ...(key.endpoint === undefined ? {} : { endpoint: key.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, attemptMs),
      requestTimeout: attemptMs,
      throwOnRequestTimeout: true, // without it, the SDK only logs
    },
  }
}
