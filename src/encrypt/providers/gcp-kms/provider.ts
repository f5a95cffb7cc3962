import { throwIfAborted } from '../../../core/errors.ts'
import type { DocumentScope } from '../../../core/header.ts'
import type { RecipientInfo } from '../../../core/sealer.ts'
import type { CallOptions } from '../../../core/store.ts'
import { notThisKey } from '../../errors.ts'
import type { KeyProvider, WrappedKey } from '../../provider.ts'
import { mayBeKey } from './address.ts'
import { type GcpKmsOptions, type GcpKmsSettings, parseGcpKmsOptions } from './options.ts'
import type { GcpKmsService } from './service.ts'

/**
 * A key of Google's Cloud KMS. One request per document and process: `encrypt` for a new document (the data key is made here, the service makes
 * none), `decrypt` for one that exists. The document's store id, kind and name are the additional authenticated data: a key table that was
 * moved to another document does not open. CRC-32C goes with everything that is sent, and is compared with everything that comes back.
 *
 * Key tables name the key, and no version of it. Cloud KMS is always asked for the key that is configured here and never for one that a key
 * table names: whoever can write the bucket could name a key of his own there. Rotation changes the primary version and needs nothing here; a
 * version that wrapped a document's data key has to stay enabled.
 *
 * https://cloud.google.com/kms/docs/additional-authenticated-data
 */
export class GcpKmsProvider implements KeyProvider {
  readonly provider = 'gcp-kms'
  readonly address: string
  readonly #settings: GcpKmsSettings
  #service: Promise<GcpKmsService> | undefined

  /** @throws {KeelstateError} `InvalidOptions` that names the option. Nothing is loaded or sent before the first call. */
  constructor(options: GcpKmsOptions) {
    this.#settings = parseGcpKmsOptions(options)
    this.address = this.#settings.address
  }

  describe(): string {
    return this.address
  }

  /** A project may be named by its id here and by its number there: then it may be the same. */
  matches(recipient: RecipientInfo): boolean {
    return recipient.provider === this.provider && mayBeKey(this.#settings.key, recipient.keyId)
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
  #load(): Promise<GcpKmsService> {
    this.#service ??= import('./service.ts').then(({ GcpKmsService }) => new GcpKmsService(this.#settings))
    return this.#service
  }
}
