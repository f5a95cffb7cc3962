import type { Access } from './access.ts'
import { INLINE_BYTES } from './draft.ts'
import { fromHex, same } from './header.ts'
import { fetchObject, type Upload, uploadObject } from './objects.ts'
import type { Content } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'

/** Opened contents of immutable objects, so that an unchanged document costs one request however large it is. Bounded by bytes. */
export class ContentCache {
  readonly #entries = new Map<string, Uint8Array>()
  readonly maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get(object: string): Uint8Array | undefined {
    const bytes = this.#entries.get(object)
    if (bytes === undefined) return undefined
    this.#entries.delete(object)
    this.#entries.set(object, bytes)
    return bytes
  }

  set(object: string, bytes: Uint8Array): void {
    if (bytes.length > this.maxBytes || this.#entries.has(object)) return
    this.#entries.set(object, bytes)
    this.#bytes += bytes.length
    for (const [oldest, { length }] of this.#entries) {
      if (this.#bytes <= this.maxBytes) break
      this.#entries.delete(oldest)
      this.#bytes -= length
    }
  }
}

/** Content on its way into a head: small enough to travel inside, or uploaded before. */
export type Prepared = { readonly inline: Uint8Array } | { readonly upload: Upload; readonly body: Uint8Array }

/** Uploads content that is too large for the head. Begins no sooner than the head with `knownSeq` is known. */
export async function prepareContent(
  access: Access,
  body: Uint8Array,
  keys: DocumentKeys,
  knownSeq: number,
  deadline: Deadline,
): Promise<Prepared> {
  if (body.length <= INLINE_BYTES) return { inline: body }
  return { upload: await uploadObject(access, 'content', body, keys, knownSeq, deadline), body }
}

/**
 * Whether a head write on a base with this barrier and data key may refer to the upload; otherwise it is sealed and uploaded again.
 * A collector may have deleted what was uploaded before its barrier without being referred to.
 */
export function mayReferTo(prepared: Prepared, barrier: number, keys: DocumentKeys): boolean {
  if ('inline' in prepared) return true
  return barrier <= prepared.upload.knownSeq && same(fromHex(prepared.upload.reference.key), keys.keyId)
}

/** Reads a revision's content. The bytes may be shared: do not change them. */
export async function readContent(
  access: Access,
  cache: ContentCache,
  content: Content,
  keys: DocumentKeys,
  deadline: Deadline,
): Promise<Uint8Array> {
  if ('inline' in content) return content.inline
  const { reference } = content
  const cached = cache.get(reference.object)
  if (cached !== undefined) return cached
  const bytes = await fetchObject(access, 'content', reference, keys, deadline)
  cache.set(reference.object, bytes)
  return bytes
}
