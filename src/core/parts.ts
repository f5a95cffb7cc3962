import { KeelstateError, printable } from './errors.ts'
import { Trie } from './trie.ts'

/** A piece of a body: its key, and its bytes, which nobody may change. */
export type Part = readonly [key: string, bytes: Uint8Array]

export interface PartPut {
  readonly key: string
  readonly bytes: Uint8Array
  /** The key behind which it is to stand; `null` = before all others. Left out: where it stood, or at the end. */
  readonly behind?: string | null
}

/** A change of parts: first what goes, then what comes, in this order. Keys to delete that are not there are ignored. */
export interface PartChange {
  readonly delete: readonly string[]
  readonly put: readonly PartPut[]
}

/** A part between its neighbours. */
interface Place {
  readonly bytes: Uint8Array
  readonly before: string | undefined
  readonly after: string | undefined
}

const GONE = Symbol('gone')

/**
 * The parts of a body, in order. Never changed: `apply` makes another, which shares with this one all that it did not touch, so a change costs what
 * it changes however many parts there are.
 */
export class Parts {
  readonly size: number
  /** Of all keys and parts together. */
  readonly bytes: number
  readonly #base: ReadonlyMap<string, Place>
  readonly #changed: Trie<Place | typeof GONE>
  readonly #first: string | undefined
  readonly #last: string | undefined

  private constructor(draft: Draft) {
    this.size = draft.size
    this.bytes = draft.bytes
    this.#base = draft.base
    this.#changed = draft.changed
    this.#first = draft.first
    this.#last = draft.last
  }

  /** @param parts Each key once. */
  static of(parts: readonly Part[]): Parts {
    const base = new Map<string, Place>()
    let bytes = 0
    for (let i = 0; i < parts.length; i++) {
      const [key, content] = parts[i]!
      base.set(key, { bytes: content, before: parts[i - 1]?.[0], after: parts[i + 1]?.[0] })
      bytes += key.length + content.length
    }
    if (base.size < parts.length) throw malformed('has a key twice')
    const ends = { first: parts[0]?.[0], last: parts.at(-1)?.[0] }
    return new Parts({ base, changed: new Trie(), size: parts.length, bytes, ...ends })
  }

  get(key: string): Uint8Array | undefined {
    return placeAt(this.#base, this.#changed, key)?.bytes
  }

  /** In order. */
  *[Symbol.iterator](): IterableIterator<Part> {
    for (let key = this.#first; key !== undefined; ) {
      const place = placeAt(this.#base, this.#changed, key)!
      yield [key, place.bytes]
      key = place.after
    }
  }

  /** @throws {KeelstateError} `Corrupt` when a part is to stand behind one that is not there. */
  apply(change: PartChange): Parts {
    const draft: Draft = {
      base: this.#base,
      changed: this.#changed,
      size: this.size,
      bytes: this.bytes,
      first: this.#first,
      last: this.#last,
    }
    for (const key of change.delete) remove(draft, key)
    for (const put of change.put) insert(draft, put)
    return new Parts(draft)
  }
}

interface Draft {
  readonly base: ReadonlyMap<string, Place>
  changed: Trie<Place | typeof GONE>
  size: number
  bytes: number
  first: string | undefined
  last: string | undefined
}

function placeAt(base: ReadonlyMap<string, Place>, changed: Trie<Place | typeof GONE>, key: string): Place | undefined {
  const place = changed.get(key)
  return place === GONE ? undefined : (place ?? base.get(key))
}

function set(draft: Draft, key: string, change: Partial<Place>): void {
  const place = placeAt(draft.base, draft.changed, key)!
  draft.changed = draft.changed.with(key, { ...place, ...change })
}

function remove(draft: Draft, key: string): void {
  const place = placeAt(draft.base, draft.changed, key)
  if (place === undefined) return
  if (place.before === undefined) draft.first = place.after
  else set(draft, place.before, { after: place.after })
  if (place.after === undefined) draft.last = place.before
  else set(draft, place.after, { before: place.before })
  draft.changed = draft.changed.with(key, GONE)
  draft.size--
  draft.bytes -= key.length + place.bytes.length
}

function insert(draft: Draft, { key, bytes, behind }: PartPut): void {
  const place = placeAt(draft.base, draft.changed, key)
  if (place !== undefined && behind === undefined) {
    set(draft, key, { bytes })
    draft.bytes += bytes.length - place.bytes.length
    return
  }
  remove(draft, key)
  const before = behind === undefined ? draft.last : (behind ?? undefined)
  const anchor = before === undefined ? undefined : placeAt(draft.base, draft.changed, before)
  if (before !== undefined && anchor === undefined)
    throw malformed(`puts ${JSON.stringify(printable(key))} behind a part that is not there`)
  const after = before === undefined ? draft.first : anchor!.after
  if (before === undefined) draft.first = key
  else set(draft, before, { after: key })
  if (after === undefined) draft.last = key
  else set(draft, after, { before: key })
  draft.changed = draft.changed.with(key, { bytes, before, after })
  draft.size++
  draft.bytes += key.length + bytes.length
}

/**
 * What leads from `now` to `next`.
 *
 * @param ordered Whether their order matters.
 * @returns `undefined` when parts that both have stand in another order, or there is a key twice.
 */
export function changeBetween(now: Parts, next: readonly Part[], ordered: boolean): PartChange | undefined {
  const wanted = new Set<string>()
  for (const [key] of next) wanted.add(key)
  if (wanted.size < next.length) return undefined
  const gone: string[] = []
  const staying: string[] = []
  for (const [key] of now) (wanted.has(key) ? staying : gone).push(key)
  const put: PartPut[] = []
  let stayed = 0
  for (let i = 0; i < next.length; i++) {
    const [key, bytes] = next[i]!
    const old = now.get(key)
    if (old !== undefined) {
      if (ordered && staying[stayed] !== key) return undefined
      stayed++
      if (!equal(old, bytes)) put.push({ key, bytes })
    } else {
      const atEnd = !ordered || stayed === staying.length
      put.push(atEnd ? { key, bytes } : { key, bytes, behind: next[i - 1]?.[0] ?? null })
    }
  }
  return { delete: gone, put }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0)
}

function malformed(what: string): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', { message: `A change of parts ${what}.`, details: { differs: 'delta' } })
}
