import { fileStore } from '../../../src/file/index.ts'
import { gcsStore, parseGcsAddress } from '../../../src/gcs/index.ts'
import type {
  CallOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectStoreCapabilities,
  PutCondition,
  StoredObject,
} from '../../../src/index.ts'
import { parseS3Address, s3Store } from '../../../src/s3/index.ts'
import type { Doom } from '../script.ts'

/** A store at one of whose requests this process may die. */
export class MortalStore implements ObjectStore {
  readonly address: string
  readonly capabilities: ObjectStoreCapabilities
  readonly #inner: ObjectStore
  readonly #dieAt: Doom | undefined
  #counting = false
  #requests = 0

  private constructor(inner: ObjectStore, dieAt: Doom | undefined) {
    this.#inner = inner
    this.#dieAt = dieAt
    this.address = inner.address
    this.capabilities = inner.capabilities
  }

  /** Opens `file:PATH`, `s3://…` or `gs://…`. */
  static async at(address: string, dieAt: Doom | undefined): Promise<MortalStore> {
    return new MortalStore(storeAt(address), dieAt)
  }

  /** From now on requests count. */
  live(): void {
    this.#counting = true
  }

  prepare(options?: CallOptions): Promise<void> {
    return this.#request('prepare', async () => this.#inner.prepare?.(options))
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.#request('get', () => this.#inner.get(key, options))
  }

  put(key: string, body: Uint8Array, condition: PutCondition, options?: CallOptions): Promise<string> {
    const kind = key.startsWith('heads/') ? 'write of the head' : 'put'
    return this.#request(kind, () => this.#inner.put(key, body, condition, options))
  }

  delete(keys: readonly string[], options?: CallOptions): Promise<void> {
    return this.#request('delete', () => this.#inner.delete(keys, options))
  }

  list(prefix: string, options?: ListOptions): Promise<ListPage> {
    return this.#request('list', () => this.#inner.list(prefix, options))
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #request<T>(kind: string, call: () => Promise<T>): Promise<T> {
    if (!this.#counting) return await call()
    this.#requests += 1
    const last = [kind, this.#requests].includes(this.#dieAt?.request ?? '')
    if (last && this.#dieAt?.when === 'before') return await die()
    const answer = await call()
    if (last) return await die()
    return answer
  }
}

function storeAt(address: string): ObjectStore {
  if (address.startsWith('file:')) return fileStore({ root: address.slice('file:'.length) })
  return address.startsWith('gs:') ? gcsStore(parseGcsAddress(address)) : s3Store(parseS3Address(address))
}

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}
