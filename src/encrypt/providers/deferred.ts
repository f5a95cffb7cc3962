import type { DocumentScope } from '../../core/header.ts'
import type { RecipientInfo } from '../../core/sealer.ts'
import type { CallOptions } from '../../core/store.ts'
import type { KeyProvider, WrappedKey } from '../provider.ts'

/** A provider that is loaded when it is used: a process whose keys lie in a file pays nothing for those of key services. */
export class DeferredProvider implements KeyProvider {
  readonly provider: string
  readonly address: string
  /** Only where the service makes a data key and wraps it in one request. */
  readonly generate?: NonNullable<KeyProvider['generate']>
  readonly #load: () => Promise<KeyProvider>
  #loaded: Promise<KeyProvider> | undefined

  /** @param address Has been checked: nothing is left to refuse when the provider is made. */
  constructor(provider: string, address: string, generates: boolean, load: () => Promise<KeyProvider>) {
    this.provider = provider
    this.address = address
    this.#load = load
    if (generates) this.generate = async (scope, options) => await (await this.#used()).generate!(scope, options)
  }

  describe(): string {
    return this.address
  }

  async matches(recipient: RecipientInfo, options?: CallOptions): Promise<boolean> {
    return recipient.provider === this.provider && (await (await this.#used()).matches(recipient, options))
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options?: CallOptions): Promise<WrappedKey> {
    const copy = Uint8Array.from(dataKey) // before the first await: the caller may overwrite its own
    try {
      return await (await this.#used()).wrap(copy, scope, options)
    } finally {
      copy.fill(0)
    }
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options?: CallOptions): Promise<Uint8Array> {
    return await (await this.#used()).unwrap(wrapped, scope, options)
  }

  #used(): Promise<KeyProvider> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }
}
