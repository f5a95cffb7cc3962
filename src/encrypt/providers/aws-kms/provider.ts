import { KeelstateError, throwIfAborted } from '../../../core/errors.ts'
import { type DocumentScope, hex } from '../../../core/header.ts'
import type { RecipientInfo } from '../../../core/sealer.ts'
import type { CallOptions } from '../../../core/store.ts'
import { changedWrap, notThisKey } from '../../errors.ts'
import type { GeneratedKey, KeyProvider, WrappedKey } from '../../provider.ts'
import { type AwsKmsKey, parseAwsKmsKey } from './address.ts'
import { type AwsKmsClient, connectKms, type EncryptionContext, type KmsAnswer, type KmsOperations } from './client.ts'
import { fromKms, isOtherKey, isRefusedCiphertext } from './errors.ts'

const DATA_KEY_BYTES = 32

export interface AwsKmsOptions {
  /** ARN, key id or `alias/NAME`, perhaps with `?region=…&endpoint=…`. */
  key: string
  /** A client of one's own. */
  client?: AwsKmsClient
}

/**
 * A key of AWS KMS. One request per document and process: GenerateDataKey for a new document, Decrypt for one that exists. The document's store id, kind
 * and name are the encryption context, so a key table moved to another document does not open; CloudTrail shows them.
 *
 * Key tables name the key by its ARN. A configured alias says for which key new documents are wrapped; existing ones open with whichever key their
 * table names, if the credentials may use it.
 */
export class AwsKmsProvider implements KeyProvider {
  readonly provider = 'aws-kms'
  readonly address: string
  readonly #key: AwsKmsKey
  readonly #client: AwsKmsClient | undefined
  #operations: Promise<KmsOperations> | undefined

  /** @throws {KeelstateError} `InvalidOptions`. */
  constructor(options: AwsKmsOptions) {
    this.#key = parseAwsKmsKey(options.key)
    this.#client = options.client
    this.address = `aws-kms:${this.#key.keyId}`
  }

  describe(): string {
    return this.address
  }

  matches(recipient: RecipientInfo): boolean {
    if (recipient.provider !== this.provider) return false
    const { keyId } = this.#key
    // Only a key's own ARN can be compared without asking KMS.
    return !keyId.includes(':key/') || keyId === recipient.keyId
  }

  async generate(scope: DocumentScope, options: CallOptions = {}): Promise<GeneratedKey> {
    const input = { KeyId: this.#key.keyId, KeySpec: 'AES_256' as const, EncryptionContext: contextOf(scope) }
    const answer = await this.#call('key.generate', options, (kms) => kms.generateDataKey(input, options.signal))
    return { dataKey: this.#dataKey(answer), wrapped: this.#wrapped(answer) }
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options: CallOptions = {}): Promise<WrappedKey> {
    const input = { KeyId: this.#key.keyId, Plaintext: dataKey, EncryptionContext: contextOf(scope) }
    return this.#wrapped(await this.#call('key.wrap', options, (kms) => kms.encrypt(input, options.signal)))
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options: CallOptions = {}): Promise<Uint8Array> {
    const input = { KeyId: wrapped.keyId, CiphertextBlob: wrapped.wrapped, EncryptionContext: contextOf(scope) }
    const answer = await this.#call('key.unwrap', options, async (kms) => {
      try {
        return await kms.decrypt(input, options.signal)
      } catch (error) {
        if (isRefusedCiphertext(error)) throw changedWrap(wrapped, scope)
        if (isOtherKey(error)) throw notThisKey(wrapped, this.address)
        throw error
      }
    })
    return this.#dataKey(answer)
  }

  async #call(
    operation: string,
    options: CallOptions,
    call: (kms: KmsOperations) => Promise<KmsAnswer>,
  ): Promise<KmsAnswer> {
    throwIfAborted(options.signal, operation, this.address)
    this.#operations ??= connectKms(this.#key, this.#client)
    try {
      return await call(await this.#operations)
    } catch (error) {
      throw fromKms(error, operation, this.address)
    }
  }

  #dataKey({ Plaintext }: KmsAnswer): Uint8Array {
    if (Plaintext instanceof Uint8Array && Plaintext.length === DATA_KEY_BYTES) return Plaintext
    throw this.#unexpected('no data key of 32 bytes')
  }

  #wrapped({ CiphertextBlob, KeyId }: KmsAnswer): WrappedKey {
    if (CiphertextBlob instanceof Uint8Array && typeof KeyId === 'string')
      return { provider: this.provider, keyId: KeyId, wrapped: CiphertextBlob }
    throw this.#unexpected('no wrapped key')
  }

  #unexpected(what: string): KeelstateError<'Unavailable'> {
    return new KeelstateError('Unavailable', {
      key: this.address,
      message: `AWS KMS answered ${what} for ${this.address}.`,
      details: { notExecuted: true },
    })
  }
}

/** What KMS binds a wrapped key to. */
function contextOf(scope: DocumentScope): EncryptionContext {
  return { 'keelstate:store': hex(scope.storeId), 'keelstate:kind': scope.kind, 'keelstate:name': scope.path }
}
