import { KeelstateError, throwIfAborted } from '../../../core/errors.ts'
import { type DocumentScope, hex } from '../../../core/header.ts'
import type { RecipientInfo } from '../../../core/sealer.ts'
import type { CallOptions } from '../../../core/store.ts'
import { DATA_KEY_BYTES } from '../../derive.ts'
import { changedWrap, notThisKey } from '../../errors.ts'
import type { GeneratedKey, KeyProvider, WrappedKey } from '../../provider.ts'
import { MAX_WRAPPED_BYTES } from '../../wraps.ts'
import { bounded } from '../bounded.ts'
import type { KeyServiceCall } from '../key-service-error.ts'
import { isKeyArn, mayBeKey } from './address.ts'
import { connectKms, type EncryptionContext, type KmsAnswer, type KmsOperations } from './client.ts'
import { fromKms, isOtherKey, isRefusedCiphertext } from './errors.ts'
import { type AwsKmsOptions, type AwsKmsSettings, parseAwsKmsOptions } from './options.ts'

/**
 * A key of AWS KMS. One request per document and process: GenerateDataKey for a new document, Decrypt for one that exists, and Encrypt when
 * another key made the data key. The document's store id, kind and name are the encryption context, which CloudTrail shows: a key table that
 * was moved to another document does not open.
 *
 * Key tables name the key by its ARN. KMS is always asked for the key that is configured here and never for one that a key table names:
 * whoever can write the bucket could name a key of his own there. So once an alias points to another key, what the former key wrapped opens
 * only where that one is configured too. Rotation by KMS changes neither ARN nor alias and needs nothing.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
 */
export class AwsKmsProvider implements KeyProvider {
  readonly provider = 'aws-kms'
  readonly address: string
  readonly #settings: AwsKmsSettings
  #connecting: Promise<KmsOperations> | undefined

  /** @throws {KeelstateError} `InvalidOptions` that names the option. Nothing is loaded or sent before the first call. */
  constructor(options: AwsKmsOptions) {
    this.#settings = parseAwsKmsOptions(options)
    this.address = this.#settings.address
  }

  describe(): string {
    return this.address
  }

  /** Of an alias, KMS alone knows which key it is: every key of its region and account may be it. */
  matches(recipient: RecipientInfo): boolean {
    return recipient.provider === this.provider && mayBeKey(this.#settings.key, recipient.keyId)
  }

  async generate(scope: DocumentScope, options: CallOptions = {}): Promise<GeneratedKey> {
    const input = { KeyId: this.#settings.key.keyId, KeySpec: 'AES_256' as const, EncryptionContext: contextOf(scope) }
    const answer = await this.#call('key.generate', options, (kms, signal) => kms.generateDataKey(input, signal))
    if (!isDataKey(answer.Plaintext)) throw this.#unexpected(`no data key of ${DATA_KEY_BYTES} bytes`)
    return { dataKey: answer.Plaintext, wrapped: this.#wrapped(answer) }
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options: CallOptions = {}): Promise<WrappedKey> {
    const input = { KeyId: this.#settings.key.keyId, Plaintext: dataKey, EncryptionContext: contextOf(scope) }
    return this.#wrapped(await this.#call('key.wrap', options, (kms, signal) => kms.encrypt(input, signal)))
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options: CallOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal, 'key.unwrap', this.address)
    if (!this.matches(wrapped)) throw notThisKey(wrapped, this.address)
    const CiphertextBlob = wrapped.wrapped
    if (!isPossibleLength(CiphertextBlob.length)) throw changedWrap(wrapped, scope)
    const input = { KeyId: this.#settings.key.keyId, CiphertextBlob, EncryptionContext: contextOf(scope) }
    const { Plaintext } = await this.#call('key.unwrap', options, async (kms, signal) => {
      try {
        return await kms.decrypt(input, signal)
      } catch (error) {
        if (isRefusedCiphertext(error)) throw changedWrap(wrapped, scope)
        if (isOtherKey(error)) throw notThisKey(wrapped, this.address)
        throw error
      }
    })
    if (!isDataKey(Plaintext)) throw changedWrap(wrapped, scope)
    return Plaintext
  }

  async #call(
    operation: KeyServiceCall['operation'],
    { signal: caller }: CallOptions,
    send: (kms: KmsOperations, signal: AbortSignal) => Promise<KmsAnswer>,
  ): Promise<KmsAnswer> {
    throwIfAborted(caller, operation, this.address)
    const call = { service: 'AWS KMS', operation, key: this.address }
    let sent = false
    return bounded(call, this.#settings.timeoutMs, caller, async (signal) => {
      try {
        this.#connecting ??= connectKms(this.#settings)
        const kms = await this.#connecting
        await kms.prepare()
        sent = true
        return await send(kms, signal)
      } catch (error) {
        throw fromKms(error, call, sent)
      }
    })
  }

  #wrapped({ CiphertextBlob, KeyId = '' }: KmsAnswer): WrappedKey {
    const fits = CiphertextBlob instanceof Uint8Array && isPossibleLength(CiphertextBlob.length)
    if (fits && isKeyArn(KeyId)) return { provider: this.provider, keyId: KeyId, wrapped: CiphertextBlob }
    throw this.#unexpected('neither a wrapped key of a possible length nor the ARN of a key')
  }

  #unexpected(what: string): KeelstateError<'Unavailable'> {
    return new KeelstateError('Unavailable', {
      key: this.address,
      message: `AWS KMS, or what stands in its place, answered ${what} for ${this.address}.`,
      details: { notExecuted: true },
    })
  }
}

function isDataKey(bytes: Uint8Array | undefined): bytes is Uint8Array {
  return bytes instanceof Uint8Array && bytes.length === DATA_KEY_BYTES
}

function isPossibleLength(bytes: number): boolean {
  return bytes > 0 && bytes <= MAX_WRAPPED_BYTES
}

/** What KMS binds a wrapped key to. docs/format.md "Key table". */
function contextOf(scope: DocumentScope): EncryptionContext {
  return { 'keelstate:store': hex(scope.storeId), 'keelstate:kind': scope.kind, 'keelstate:name': scope.path }
}
