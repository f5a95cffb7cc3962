import type { ObjectKey, VersionToken } from '../core/store.ts'

/** One object as it lies in a bucket. */
export interface MemoryObject {
  readonly bytes: Uint8Array
  readonly token: VersionToken
}

/**
 * What one or more memory stores keep their objects in.
 *
 * Its methods are unconditional: they stand for whoever changes a bucket behind a store's back, which is what tests of tampering,
 * roll-back and restore need.
 */
export class MemoryBucket {
  readonly #objects = new Map<ObjectKey, MemoryObject>()
  #writes = 0

  /** The object as it is kept, not a copy. */
  peek(key: ObjectKey): MemoryObject | undefined {
    return this.#objects.get(key)
  }

  /** Puts a copy of `bytes` there, whatever was there before, under a token that this bucket never used. */
  overwrite(key: ObjectKey, bytes: Uint8Array): VersionToken {
    this.#writes += 1
    const token = `v${this.#writes}`
    this.#objects.set(key, { bytes: new Uint8Array(bytes), token })
    return token
  }

  remove(key: ObjectKey): void {
    this.#objects.delete(key)
  }

  /** All keys, ascending by their UTF-8 bytes. */
  keys(): ObjectKey[] {
    return [...this.#objects.keys()]
      .map((key) => Buffer.from(key))
      .sort(Buffer.compare)
      .map((key) => key.toString())
  }
}
