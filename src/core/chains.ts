import type { Access } from './access.ts'
import { type ContentCache, readContent } from './contents.ts'
import { decodeDelta } from './delta.ts'
import { KeelstateError } from './errors.ts'
import type { BodyForm, BodyForms } from './form.ts'
import { corrupt } from './header.ts'
import type { History } from './history.ts'
import { Parts } from './parts.ts'
import type { Content, DeltaBase, RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'

const DELTAS_AT_ONCE = 8 // of those that are objects, read side by side
const SCATTERED = 4 // so many times as many revisions as deltas: then they are looked up one by one

/** Parts of revisions, so that the next change of a document costs only what it changes. Bounded by bytes; the newest stays whatever it takes. */
export class PartsCache {
  readonly #entries = new Map<string, Parts>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(name: string): Parts | undefined {
    const parts = this.#entries.get(name)
    if (parts === undefined) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, parts)
    return parts
  }

  set(name: string, parts: Parts): void {
    if (this.#entries.has(name)) return
    this.#entries.set(name, parts)
    this.#bytes += parts.bytes
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= this.#maxBytes || this.#entries.size === 1) break
      this.#entries.delete(oldest)
      this.#bytes -= bytes
    }
  }
}

/** What a store's documents share to open contents. */
export interface Opening {
  readonly contents: ContentCache
  readonly parts: PartsCache
  readonly forms: BodyForms
}

/** Contents of the revisions of one head, whole or in parts, whatever deltas they were stored as. */
export class Chains {
  readonly #access: Access
  readonly #history: History
  readonly #keys: DocumentKeys
  readonly #deadline: Deadline
  readonly #opening: Opening
  readonly #loaded = new Map<number, RevisionRecord>()

  constructor(access: Access, history: History, keys: DocumentKeys, deadline: Deadline, opening: Opening) {
    this.#access = access
    this.#history = history
    this.#keys = keys
    this.#deadline = deadline
    this.#opening = opening
  }

  /** The whole content. The bytes may be shared: do not change them. */
  async body(record: RevisionRecord): Promise<Uint8Array> {
    const whole = wholeOf(record)
    if (whole !== undefined) return await this.#read(whole)
    const form = await this.formOf(record.type)
    return form.join(await this.parts(record))
  }

  /** The content in parts; of a revision that is a delta or whose content is known to be spelt as its form spells it. */
  async parts(record: RevisionRecord): Promise<Parts> {
    const form = await this.formOf(record.type)
    const above: RevisionRecord[] = []
    let at = record
    let parts = this.cached(at)
    while (parts === undefined) {
      const whole = wholeOf(at)
      if (whole !== undefined) {
        parts = this.#split(form, await this.#read(whole), at)
        break
      }
      above.push(at)
      at = await this.below(at)
      parts = this.cached(at)
    }
    while (above.length > 0) {
      const next = above.splice(-DELTAS_AT_ONCE).reverse()
      const deltas = await Promise.all(next.map(({ content }) => this.#read(content)))
      for (const [i, one] of next.entries()) parts = applyDelta(parts, deltas[i]!, this.nameOf(one))
    }
    this.keep(record, parts)
    return parts
  }

  /** The same if it takes no request, else `undefined`. */
  async partsAtHand(record: RevisionRecord): Promise<Parts | undefined> {
    const { current, tail } = this.#history.body
    for (let at: RevisionRecord | undefined = record; at !== undefined; ) {
      const { number }: RevisionRecord = at
      const whole = wholeOf(at)
      if (this.cached(at) !== undefined || (whole !== undefined && this.bodyAtHand(whole) !== undefined))
        return await this.parts(record)
      if (whole !== undefined || 'reference' in at.content) return undefined
      const below: number = at.base!.number
      at = [...tail, ...(current ? [current] : [])].find((one) => one.number === below && below < number)
    }
    return undefined
  }

  /** A whole content if it takes no request. */
  bodyAtHand(whole: Content): Uint8Array | undefined {
    return 'inline' in whole ? whole.inline : this.#opening.contents.get(whole.reference.object)
  }

  cached(record: RevisionRecord): Parts | undefined {
    return this.#opening.parts.get(this.#cacheName(record))
  }

  keep(record: RevisionRecord, parts: Parts): void {
    this.#opening.parts.set(this.#cacheName(record), parts)
  }

  /** @throws {KeelstateError} `Unsupported` when this store does not know how bodies of this type are cut. */
  async formOf(type: string): Promise<BodyForm> {
    const form = await this.#opening.forms(type)
    if (form !== undefined) return form
    throw new KeelstateError('Unsupported', {
      key: this.#access.headKey,
      message: `A revision is stored as a change of another of type ${JSON.stringify(type)}, whose form this build does not know.`,
      hint: 'Upgrade keelstate.',
    })
  }

  /** How errors name a revision. */
  nameOf({ id }: RevisionRecord): string {
    return `${this.#access.headKey} revision ${id}`
  }

  /** A delta's own bytes. */
  async delta(record: RevisionRecord): Promise<Uint8Array> {
    return await this.#read(record.content)
  }

  /** The revision that a delta stands on. @throws {KeelstateError} `Corrupt` when it is not there. */
  async below(record: RevisionRecord): Promise<RevisionRecord> {
    const { number, root, deltas } = record.base!
    const scattered = number - root > SCATTERED * (deltas + DELTAS_AT_ONCE)
    if (!this.#loaded.has(number) && !scattered && root <= number)
      for (const [key, one] of await this.#history.between(root, number)) this.#loaded.set(key, one)
    const found = this.#loaded.get(number) ?? (await this.#history.standing(number))
    if (found === undefined || number >= record.number || found.type !== record.type)
      throw corrupt(this.nameOf(record), `stands on revision @${number}, which is not kept or of another type`, 'base')
    return found
  }

  async #read(content: Content): Promise<Uint8Array> {
    return await readContent(this.#access, this.#opening.contents, content, this.#keys, this.#deadline)
  }

  #split(form: BodyForm, body: Uint8Array, record: RevisionRecord): Parts {
    try {
      return Parts.of(form.split(body))
    } catch (cause) {
      throw corrupt(this.nameOf(record), `cannot be cut into the parts of a ${form.name}`, 'content', cause)
    }
  }

  #cacheName({ seq, number, id, digest }: RevisionRecord): string {
    return `${this.#access.identity} ${seq} ${number} ${id} ${digest}`
  }
}

/** Where a revision's whole content is, unless it must be made from deltas. */
export function wholeOf({ base, content, full }: RevisionRecord): Content | undefined {
  return full ?? (base === undefined ? content : undefined)
}

/** Where a delta of this length stands when it stands on this revision. */
export function baseOn({ number, base, full }: RevisionRecord, length: number): DeltaBase {
  if (base === undefined || full !== undefined) return { number, root: number, deltas: 1, bytes: length }
  return { number, root: base.root, deltas: base.deltas + 1, bytes: base.bytes + length }
}

/** @throws {KeelstateError} `Corrupt`. */
export function applyDelta(parts: Parts, delta: Uint8Array, name: string): Parts {
  const change = decodeDelta(delta, name)
  try {
    return parts.apply(change)
  } catch (cause) {
    throw corrupt(name, 'is a change that does not fit what it stands on', 'delta', cause)
  }
}
