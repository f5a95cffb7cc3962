import { KeelstateError } from './errors.ts'
import { fromHex, type HeadHeader, hex, SLOT_BYTES, same, slotOf } from './header.ts'
import { formatName, nameOfHeadKey } from './names.ts'

/** The highest head of a document that this reader has seen. */
export interface RememberedHead {
  /** Hex. */
  readonly birth: string
  readonly seq: number
  /** First 8 bytes of its write id, hex. */
  readonly id: string
}

/**
 * What a reader remembers of heads, so that an older or forked one is noticed. Keys are `identityOf(name)`; one memory serves one store.
 */
export interface HeadMemory {
  recall(document: string): RememberedHead | undefined
  /** Keeps the higher of the two. */
  remember(document: string, head: RememberedHead): void
  /**
   * Forgets what is known of the document and remembers exactly this, or nothing: after a legitimate restore.
   *
   * @throws {KeelstateError} `Unavailable` when the next process would still remember what this one was told to forget.
   */
  replace(document: string, head: RememberedHead | undefined): Promise<void>
  /** Resolves when what was remembered is kept as durably as this memory can. Never rejects: forgetting is not an error. */
  flush(): Promise<void>
}

/** How many documents a memory keeps: 1 MB of file. Those seen longest ago are forgotten first. */
export const REMEMBERED_DOCUMENTS = 10_000

/** A memory that ends with the process. */
export class ProcessMemory implements HeadMemory {
  readonly #heads = new Map<string, RememberedHead>() // by when it was seen last
  readonly #max: number

  constructor(max: number = REMEMBERED_DOCUMENTS) {
    this.#max = max
  }

  recall(document: string): RememberedHead | undefined {
    return this.#heads.get(document)
  }

  remember(document: string, head: RememberedHead): void {
    const highest = higher(this.#heads.get(document), head)
    this.#heads.delete(document)
    this.#heads.set(document, highest)
    if (this.#heads.size > this.#max) this.#heads.delete(this.#heads.keys().next().value!)
  }

  async replace(document: string, head: RememberedHead | undefined): Promise<void> {
    this.#heads.delete(document)
    if (head !== undefined) this.#heads.set(document, head)
  }

  async flush(): Promise<void> {}
}

/** The one to keep of two heads of a document. */
export function higher(known: RememberedHead | undefined, head: RememberedHead): RememberedHead {
  return known !== undefined && known.birth === head.birth && known.seq >= head.seq ? known : head
}

export function toRemember(header: HeadHeader): RememberedHead {
  return { birth: hex(header.birth), seq: header.seq, id: hex(header.writeId.subarray(0, SLOT_BYTES)) }
}

/**
 * Says how `found` fails to descend from a head seen before, or `undefined` when it does (or is that head).
 *
 * `seen` must have been recalled before the request was sent: with two reads in flight, the later answer may be the older head.
 */
export function lineageBreak(found: HeadHeader | undefined, seen: RememberedHead): string | undefined {
  if (found === undefined) return 'the head is gone, and keelstate never deletes one'
  if (hex(found.birth) !== seen.birth) return 'it is the head of another document that was created under the same name'
  if (found.seq < seen.seq) return `it is at ${found.seq}, older than ${seen.seq}`
  const slot = slotOf(found, seen.seq)
  if (slot !== undefined && !same(slot, fromHex(seen.id))) return `its history differs at ${seen.seq}`
  return undefined
}

/** The error for a head that went back, was forked or vanished. */
export function rolledBack(
  key: string,
  why: string,
  seen: RememberedHead,
  found: HeadHeader | undefined,
  write?: string,
): KeelstateError<'RolledBack'> {
  return new KeelstateError('RolledBack', {
    key,
    message: `${key} was replaced by a state that does not follow from what was read before: ${why}.`,
    details: {
      rememberedSeq: seen.seq,
      ...(found === undefined ? {} : { seenSeq: found.seq }),
      ...(write === undefined ? {} : { write }),
    },
    hint: `Somebody restored or replaced the object in the bucket. Look at the versions of this object before anything is written. If it was restored on purpose: ${acceptCommand(key, found?.seq ?? 0)}`,
  })
}

/** What makes a restored head the one to be remembered: for whoever has looked at it. */
function acceptCommand(key: string, seq: number): string {
  const name = nameOfHeadKey(key)
  const named = `${name === undefined ? 'NAME' : formatName(name)}@${seq}`
  return `keelstate accept ${/^[\w@%+=:,./-]+$/.test(named) ? named : `'${named.replaceAll("'", "'\\''")}'`}`
}
