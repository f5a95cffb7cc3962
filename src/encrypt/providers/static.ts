import { createSecretKey, type KeyObject } from 'node:crypto'
import { type Environment, systemEnvironment } from '../../core/environment.ts'
import { KeelstateError, throwIfAborted } from '../../core/errors.ts'
import type { DocumentScope } from '../../core/header.ts'
import type { RecipientInfo } from '../../core/sealer.ts'
import type { CallOptions } from '../../core/store.ts'
import { changedWrap, notThisKey } from '../errors.ts'
import { fingerprint, sameFingerprint, unwrapDataKey, type WrapLabels, wrapDataKey } from '../key-wrap.ts'
import type { KeyProvider, WrappedKey } from '../provider.ts'

const KEY_BYTES = 32
const LABELS: WrapLabels = {
  keyId: 'keelstate/1 static key id',
  wrap: 'keelstate/1 static wrap',
  salt: 'keelstate/1 static salt',
}

export interface StaticKeyOptions {
  /** 32 random bytes, or how to get them: asked at first use, again after a failure. Not a password: nothing here slows a guesser down. */
  key: Uint8Array | (() => Promise<Uint8Array>)
  /** Where the key comes from, for messages. Default `static key`. */
  address?: string
  environment?: Pick<Environment, 'randomBytes'>
}

/** A key of 32 random bytes that the process holds. It is known in key tables by a fingerprint, so a wrong one is named. */
export class StaticKeyProvider implements KeyProvider {
  readonly provider = 'static'
  readonly address: string
  readonly #environment: Pick<Environment, 'randomBytes'>
  readonly #read: () => Promise<LoadedKey>
  #loaded: Promise<LoadedKey> | undefined

  /** @throws {KeelstateError} `InvalidOptions` when `key` is given and is not 32 bytes. */
  constructor(options: StaticKeyOptions) {
    this.address = options.address ?? 'static key'
    this.#environment = options.environment ?? systemEnvironment
    const { key } = options
    if (typeof key === 'function') {
      this.#read = async () => loadKey(await key(), this.address)
    } else {
      const loaded = loadKey(key, this.address)
      this.#read = async () => loaded
    }
  }

  async describe(): Promise<string> {
    const loaded = await this.#load().catch(() => undefined)
    return loaded === undefined ? this.address : `${this.address} (static ${loaded.keyId})`
  }

  async matches(recipient: RecipientInfo): Promise<boolean> {
    return recipient.provider === this.provider && sameFingerprint(recipient.keyId, (await this.#load()).keyId)
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options?: CallOptions): Promise<WrappedKey> {
    throwIfAborted(options?.signal, 'key.wrap', this.address)
    const { key, keyId } = await this.#load()
    return { provider: this.provider, keyId, wrapped: wrapDataKey(key, LABELS, scope, dataKey, this.#environment) }
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options?: CallOptions): Promise<Uint8Array> {
    throwIfAborted(options?.signal, 'key.unwrap', this.address)
    const { key, keyId } = await this.#load()
    if (!(await this.matches(wrapped))) throw notThisKey(wrapped, `${this.address} (static ${keyId})`)
    const dataKey = unwrapDataKey(key, LABELS, scope, wrapped.wrapped)
    if (dataKey === undefined) throw changedWrap(wrapped, scope)
    return dataKey
  }

  #load(): Promise<LoadedKey> {
    if (this.#loaded === undefined) {
      const loading = this.#read()
      this.#loaded = loading
      loading.catch(() => {
        this.#loaded = undefined
      })
    }
    return this.#loaded
  }
}

interface LoadedKey {
  readonly key: KeyObject
  readonly keyId: string
}

function loadKey(bytes: Uint8Array, address: string): LoadedKey {
  if (bytes.length !== KEY_BYTES) {
    throw new KeelstateError('InvalidOptions', {
      key: address,
      message: `The key ${address} has ${bytes.length} bytes; a key has ${KEY_BYTES}.`,
      details: { option: 'keys' },
      hint: 'Make one with: openssl rand -base64 32',
    })
  }
  const key = createSecretKey(bytes)
  return { key, keyId: fingerprint(key, LABELS) }
}
