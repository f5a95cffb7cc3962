import { type Environment, systemEnvironment } from '../core/environment.ts'
import { KeelstateError, throwIfAborted, untilAborted } from '../core/errors.ts'
import { corrupt, type DocumentScope, hex, same } from '../core/header.ts'
import type { DocumentKeys, RecipientInfo, Sealer } from '../core/sealer.ts'
import type { CallOptions } from '../core/store.ts'
import { EncryptedDocumentKeys } from './data-keys.ts'
import { DATA_KEY_BYTES, DataKey } from './derive.ts'
import { headOf, notEncrypted, recipientText } from './errors.ts'
import { DEFAULT_MAX_BODY_BYTES, type MessageContext } from './message.ts'
import type { KeyProvider, WrappedKey } from './provider.ts'
import { decodeKeyTable, encodeKeyTable, isPlaintext, listRecipients } from './wraps.ts'

const REMEMBERED_DOCUMENTS = 1_024 // data keys kept unwrapped; some 1 kB each

export interface KeySealerOptions {
  environment?: Pick<Environment, 'randomBytes'>
  /** Largest body in bytes, before compression. Default 257 MiB. */
  maxBytes?: number
}

/**
 * Seals documents under data keys of their own, wrapped for each configured provider.
 *
 * Unwrapped data keys are remembered for the 1,024 documents used last, so a document costs one call of a key service per process.
 */
export class KeySealer implements Sealer {
  readonly #providers: readonly KeyProvider[]
  readonly #context: MessageContext
  readonly #dataKeys = new Map<string, Promise<DataKey>>()

  constructor(providers: readonly KeyProvider[], options: KeySealerOptions = {}) {
    this.#providers = [...providers]
    this.#context = {
      environment: options.environment ?? systemEnvironment,
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BODY_BYTES,
    }
  }

  /** @throws {KeelstateError} what a provider says that cannot wrap: a document is made for all configured keys or not at all. */
  async create(scope: DocumentScope, options?: CallOptions): Promise<DocumentKeys> {
    const { dataKey, keyTable } = await this.#newDataKey(scope, options)
    return new EncryptedDocumentKeys(dataKey, keyTable, this.#context)
  }

  /** @throws {KeelstateError} what a provider says that cannot wrap; `TooLarge` when the document's head holds as many earlier keys as it can. */
  async rotate(scope: DocumentScope, keys: DocumentKeys, options?: CallOptions): Promise<DocumentKeys> {
    if (!(keys instanceof EncryptedDocumentKeys)) throw notEncrypted(headOf(scope))
    const { dataKey, keyTable } = await this.#newDataKey(scope, options)
    return keys.succeededBy(dataKey, keyTable, headOf(scope))
  }

  async unwrap(
    scope: DocumentScope,
    keyTable: Uint8Array,
    keyId: Uint8Array,
    options?: CallOptions,
  ): Promise<DocumentKeys> {
    const head = headOf(scope)
    throwIfAborted(options?.signal, 'unwrap a data key', head)
    if (isPlaintext(keyTable, keyId)) throw notEncrypted(head)
    const id = cacheId(scope, keyId)
    let unwrapping = this.#dataKeys.get(id)
    if (unwrapping === undefined) unwrapping = this.#unwrap(scope, decodeKeyTable(keyTable, head), keyId)
    this.#remember(id, unwrapping)
    const dataKey = await untilAborted(unwrapping, options?.signal, 'unwrap a data key', head)
    return new EncryptedDocumentKeys(dataKey, keyTable, this.#context)
  }

  async check(options?: CallOptions): Promise<void> {
    let failure: unknown
    for (const provider of this.#providers) {
      try {
        await provider.matches({ provider: provider.provider, keyId: '' }, options)
        return
      } catch (error) {
        failure ??= error
      }
    }
    throw failure
  }

  recipients(keyTable: Uint8Array): RecipientInfo[] {
    return listRecipients(keyTable)
  }

  /** A new data key, wrapped for each configured key, or none. */
  async #newDataKey(
    scope: DocumentScope,
    options: CallOptions | undefined,
  ): Promise<{ dataKey: DataKey; keyTable: Uint8Array }> {
    throwIfAborted(options?.signal, 'create a data key', headOf(scope))
    const generating = this.#providers.find((provider) => provider.generate !== undefined)
    const generated = await generating?.generate?.(scope, options)
    const bytes = generated?.dataKey ?? this.#context.environment.randomBytes(DATA_KEY_BYTES)
    const wraps = await Promise.all(
      this.#providers.map(async (provider) => {
        if (generated !== undefined && provider === generating) return generated.wrapped
        return provider.wrap(bytes, scope, options)
      }),
    )
    const keyTable = encodeKeyTable(withoutRepeats(wraps))
    const dataKey = takeDataKey(bytes)
    this.#remember(cacheId(scope, dataKey.id), Promise.resolve(dataKey))
    return { dataKey, keyTable }
  }

  /** Tries the configured keys in their order. Shared by all who wait for this document, so no single caller's signal stops it. */
  async #unwrap(scope: DocumentScope, entries: readonly WrappedKey[], keyId: Uint8Array): Promise<DataKey> {
    const failures: Failure[] = []
    for (const provider of this.#providers) {
      for (const entry of entries) {
        try {
          if (!(await provider.matches(entry))) continue
          const dataKey = takeDataKey(await provider.unwrap(entry, scope))
          if (!same(dataKey.id, keyId)) throw foreignDataKey(scope)
          return dataKey
        } catch (error) {
          failures.push({ provider, error })
        }
      }
    }
    throw await this.#cannotOpen(scope, entries, failures)
  }

  /** What to tell when no key opened: what a service or the bytes refused first; else which keys are needed and which are here. */
  async #cannotOpen(
    scope: DocumentScope,
    entries: readonly WrappedKey[],
    failures: readonly Failure[],
  ): Promise<unknown> {
    const refused = failures.find(({ error }) => !KeelstateError.is(error, 'DecryptFailed') && !isMisconfigured(error))
    if (refused !== undefined) return refused.error
    const misconfigured = new Map(
      failures.filter(({ error }) => isMisconfigured(error)).map(({ provider, error }) => [provider, error]),
    )
    if (misconfigured.size === this.#providers.length) return failures[0]!.error
    const here = await Promise.all(
      this.#providers.map(async (provider) => {
        const why = misconfigured.get(provider)
        return isMisconfigured(why) ? `${provider.address} (unusable: ${why.message})` : provider.describe()
      }),
    )
    return new KeelstateError('DecryptFailed', {
      key: headOf(scope),
      message: `${headOf(scope)} cannot be opened. Its keys: ${entries.map(recipientText).join(', ')}. Configured: ${here.join(', ')}.`,
      details: { differs: 'recipients' },
      hint: 'Configure one of its keys, or ask somebody who holds one to add yours.',
      cause: failures[0]?.error,
    })
  }

  #remember(id: string, dataKey: Promise<DataKey>): void {
    this.#dataKeys.delete(id)
    this.#dataKeys.set(id, dataKey)
    dataKey.catch(() => {
      if (this.#dataKeys.get(id) === dataKey) this.#dataKeys.delete(id)
    })
    if (this.#dataKeys.size > REMEMBERED_DOCUMENTS) this.#dataKeys.delete(this.#dataKeys.keys().next().value!)
  }
}

interface Failure {
  readonly provider: KeyProvider
  readonly error: unknown
}

function isMisconfigured(error: unknown): error is KeelstateError<'InvalidOptions'> {
  return KeelstateError.is(error, 'InvalidOptions')
}

function cacheId(scope: DocumentScope, keyId: Uint8Array): string {
  return `${hex(scope.storeId)}/${scope.kind}/${scope.path}/${hex(keyId)}`
}

/** The data key in these bytes, which are overwritten. */
function takeDataKey(bytes: Uint8Array): DataKey {
  if (bytes.length !== DATA_KEY_BYTES) {
    throw new KeelstateError('Corrupt', {
      message: `A key provider gave a data key of ${bytes.length} bytes instead of ${DATA_KEY_BYTES}.`,
      details: { subject: 'key', differs: 'dataKey' },
    })
  }
  const dataKey = new DataKey(bytes)
  bytes.fill(0)
  return dataKey
}

/** One key that is configured twice is one recipient. */
function withoutRepeats(wraps: readonly WrappedKey[]): WrappedKey[] {
  const byRecipient = new Map<string, WrappedKey>()
  for (const wrap of wraps) {
    const id = `${wrap.provider} ${wrap.keyId}`
    if (!byRecipient.has(id)) byRecipient.set(id, wrap)
  }
  return [...byRecipient.values()]
}

function foreignDataKey(scope: DocumentScope): Error {
  return corrupt(headOf(scope), 'has a key table that holds another data key than the one it was sealed with', 'keyId')
}
