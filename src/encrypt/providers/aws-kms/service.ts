import { KeelstateError, throwIfAborted } from '../../../core/errors.ts'
import { type DocumentScope, hex } from '../../../core/header.ts'
import type { CallOptions } from '../../../core/store.ts'
import { DATA_KEY_BYTES } from '../../derive.ts'
import { changedWrap, notThisKey } from '../../errors.ts'
import type { WrappedKey } from '../../provider.ts'
import { isWrappedLength } from '../../wraps.ts'
import { bounded } from '../bounded.ts'
import type { KeyServiceCall } from '../key-service-error.ts'
import { isKeyArn } from './address.ts'
import { connectKms, type EncryptionContext, type KmsAnswer, type KmsOperations } from './client.ts'
import { fromKms, isOtherKey, isRefusedCiphertext } from './errors.ts'
import type { AwsKmsSettings } from './options.ts'

type Wrapped = Omit<WrappedKey, 'provider'>

type Operation = KeyServiceCall['operation']

/** The calls of one provider to KMS, which the SDK repeats. */
export class AwsKmsService {
  readonly #settings: AwsKmsSettings
  #connecting: Promise<KmsOperations> | undefined

  constructor(settings: AwsKmsSettings) {
    this.#settings = settings
  }

  async generate(scope: DocumentScope, options: CallOptions): Promise<{ dataKey: Uint8Array; wrapped: Wrapped }> {
    const input = { KeyId: this.#settings.key.keyId, KeySpec: 'AES_256' as const, EncryptionContext: contextOf(scope) }
    const answer = await this.#call('key.generate', options, (kms, signal) => kms.generateDataKey(input, signal))
    if (!isDataKey(answer.Plaintext)) throw this.#unexpected('key.generate', `no data key of ${DATA_KEY_BYTES} bytes`)
    return { dataKey: answer.Plaintext, wrapped: this.#wrapped('key.generate', answer) }
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options: CallOptions): Promise<Wrapped> {
    const input = { KeyId: this.#settings.key.keyId, Plaintext: dataKey, EncryptionContext: contextOf(scope) }
    return this.#wrapped('key.wrap', await this.#call('key.wrap', options, (kms, signal) => kms.encrypt(input, signal)))
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options: CallOptions): Promise<Uint8Array> {
    const CiphertextBlob = wrapped.wrapped
    if (!isWrappedLength(CiphertextBlob.length)) throw changedWrap(wrapped, scope)
    const input = { KeyId: this.#settings.key.keyId, CiphertextBlob, EncryptionContext: contextOf(scope) }
    const { Plaintext } = await this.#call('key.unwrap', options, async (kms, signal) => {
      try {
        return await kms.decrypt(input, signal)
      } catch (error) {
        if (isRefusedCiphertext(error)) throw changedWrap(wrapped, scope)
        if (isOtherKey(error)) throw notThisKey(wrapped, this.#settings.address)
        throw error
      }
    })
    // An answer without any key is none: a proxy may have passed on its status alone, and nothing is said of the wrapped key.
    if (Plaintext === undefined) throw this.#unexpected('key.unwrap', 'no key')
    if (!isDataKey(Plaintext)) throw changedWrap(wrapped, scope)
    return Plaintext
  }

  async #call(
    operation: Operation,
    { signal: caller }: CallOptions,
    send: (kms: KmsOperations, signal: AbortSignal) => Promise<KmsAnswer>,
  ): Promise<KmsAnswer> {
    throwIfAborted(caller, operation, this.#settings.address)
    const call = { service: 'AWS KMS', operation, key: this.#settings.address }
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

  #wrapped(operation: Operation, { CiphertextBlob, KeyId = '' }: KmsAnswer): Wrapped {
    const fits = CiphertextBlob instanceof Uint8Array && isWrappedLength(CiphertextBlob.length)
    if (fits && isKeyArn(KeyId)) return { keyId: KeyId, wrapped: CiphertextBlob }
    throw this.#unexpected(operation, 'neither a wrapped key of a possible length nor the ARN of a key')
  }

  #unexpected(operation: Operation, what: string): KeelstateError<'Unavailable'> {
    const key = this.#settings.address
    return new KeelstateError('Unavailable', {
      operation,
      key,
      message: `AWS KMS, or what stands in its place, answered ${what} for ${key}.`,
      details: { notExecuted: true },
    })
  }
}

function isDataKey(bytes: Uint8Array | undefined): bytes is Uint8Array {
  return bytes instanceof Uint8Array && bytes.length === DATA_KEY_BYTES
}

/** What KMS binds a wrapped key to. docs/format.md "Key table". */
function contextOf(scope: DocumentScope): EncryptionContext {
  return { 'keelstate:store': hex(scope.storeId), 'keelstate:kind': scope.kind, 'keelstate:name': scope.path }
}
