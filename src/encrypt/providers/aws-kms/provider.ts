import { throwIfAborted } from '../../../core/errors.ts'
import type { DocumentScope } from '../../../core/header.ts'
import type { RecipientInfo } from '../../../core/sealer.ts'
import type { CallOptions } from '../../../core/store.ts'
import { notThisKey } from '../../errors.ts'
import type { GeneratedKey, KeyProvider, WrappedKey } from '../../provider.ts'
import { mayBeKey } from './address.ts'
import { type AwsKmsOptions, type AwsKmsSettings, parseAwsKmsOptions } from './options.ts'
import type { AwsKmsService } from './service.ts'

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
  #service: Promise<AwsKmsService> | undefined

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
    throwIfAborted(options.signal, 'key.generate', this.address)
    const { dataKey, wrapped } = await (await this.#load()).generate(scope, options)
    return { dataKey, wrapped: { provider: this.provider, ...wrapped } }
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options: CallOptions = {}): Promise<WrappedKey> {
    throwIfAborted(options.signal, 'key.wrap', this.address)
    const copy = Uint8Array.from(dataKey) // before the first await: the caller may overwrite its own
    const service = await this.#load()
    return { provider: this.provider, ...(await service.wrap(copy, scope, options).finally(() => copy.fill(0))) }
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options: CallOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal, 'key.unwrap', this.address)
    if (!this.matches(wrapped)) throw notThisKey(wrapped, this.address)
    const copy = { ...wrapped, wrapped: Uint8Array.from(wrapped.wrapped) }
    return (await this.#load()).unwrap(copy, scope, options)
  }

  /** Most processes have another key and do not need it. */
  #load(): Promise<AwsKmsService> {
    this.#service ??= import('./service.ts').then(({ AwsKmsService }) => new AwsKmsService(this.#settings))
    return this.#service
  }
}
