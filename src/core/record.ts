import { KeelstateError } from './errors.ts'
import { corrupt } from './header.ts'

/** Where an immutable object is and what its stored bytes must be. Stands in a head or a segment, under its seal. */
export interface ObjectReference {
  /** 32 hex digits: the end of the object's key. */
  readonly object: string
  /** SHA-256 of the stored bytes, base64. */
  readonly sha256: string
  /** Id of the data key it is sealed under, hex. */
  readonly key: string
  /** Stored length in bytes. */
  readonly length: number
}

/** A revision's content: small ones travel inline in the head or segment, large ones are objects of their own. */
export type Content = { readonly inline: Uint8Array } | { readonly reference: ObjectReference }

/** What a delta stands on. docs/format.md "Deltas". */
export interface DeltaBase {
  /** Number of the revision that it is a change of. */
  readonly number: number
  /** Number of the revision with full content at the bottom. */
  readonly root: number
  /** How many deltas lead from there to this one, which counts too. */
  readonly deltas: number
  /** Length of all of them together. */
  readonly bytes: number
}

/** The whole content of a revision that was stored as a delta, in an object. */
export interface FullContent {
  readonly reference: ObjectReference
  readonly bytes: number
  /** SHA-256 of the whole, base64. */
  readonly digest: string
}

/** One revision as the head and the segments keep it. docs/format.md "Revision records". */
export interface RevisionRecord {
  readonly id: string
  /** 1, 2, 3 …; never used twice in a document. Decides the order. */
  readonly number: number
  /** The head write that added it. */
  readonly seq: number
  /** Id of the revision that was current when this one was added. */
  readonly parent?: string
  /** Id of the revision whose content this one took over (rollback). */
  readonly from?: string
  /** What the writer's clock said, RFC 3339. */
  readonly at: string
  readonly by: string
  readonly message: string
  /** When it stopped being current, by the clock of who moved current. */
  readonly until?: string
  readonly epoch: bigint
  readonly type: string
  /** Length of the plain content in bytes; of a delta, its own. */
  readonly bytes: number
  /** SHA-256 of the plain content, base64; of a delta, its own. */
  readonly digest: string
  readonly content: Content
  /** The content is a delta on that of another revision. */
  readonly base?: DeltaBase
  /** Of a delta: the whole that it makes, once it was stored. */
  readonly full?: FullContent
  /** The whole content is spelt as the form of its type spells it: deltas may stand on it. */
  readonly parts?: true
  /** Dropped from history; kept for the content of later revisions, which stands on it. */
  readonly dropped?: true
}

/** Ids of the objects that a record refers to. */
export function objectsOf({ content, full }: RevisionRecord): string[] {
  return [content, full].flatMap((one) => (one !== undefined && 'reference' in one ? [one.reference.object] : []))
}

/** The JSON form of a record, which has no member that is undefined. Inline contents stand behind the JSON, in the order of the records. */
export interface RecordJson {
  id: string
  number: number
  seq: number
  parent: string | undefined
  from: string | undefined
  at: string
  by: string | undefined
  message: string | undefined
  until: string | undefined
  epoch: string | undefined
  type: string
  bytes: number
  digest: string
  reference: ObjectReference | undefined
  base: [number: number, root: number, deltas: number, bytes: number] | undefined
  full: (ObjectReference & { bytes: number; digest: string }) | undefined
  parts: true | undefined
  dropped: true | undefined
}

/** Collects inline contents while records are written. */
export class InlineWriter {
  readonly parts: Uint8Array[] = []

  record(record: RevisionRecord): RecordJson {
    if ('inline' in record.content) this.parts.push(record.content.inline)
    return {
      id: record.id,
      number: record.number,
      seq: record.seq,
      parent: record.parent,
      from: record.from,
      at: record.at,
      by: record.by === '' ? undefined : record.by,
      message: record.message === '' ? undefined : record.message,
      until: record.until,
      epoch: record.epoch === 0n ? undefined : record.epoch.toString(),
      type: record.type,
      bytes: record.bytes,
      digest: record.digest,
      reference: 'reference' in record.content ? record.content.reference : undefined,
      base: record.base && [record.base.number, record.base.root, record.base.deltas, record.base.bytes],
      full: record.full && { ...record.full.reference, bytes: record.full.bytes, digest: record.full.digest },
      parts: record.parts,
      dropped: record.dropped,
    }
  }

  /** u32 length ‖ JSON ‖ inline contents. */
  finish(json: unknown): Uint8Array {
    const text = Buffer.from(JSON.stringify(json))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    return Buffer.concat([length, text, ...this.parts])
  }
}

/** Takes inline contents back while records are read. */
export class InlineReader {
  readonly json: Fields
  readonly #bytes: Uint8Array
  readonly #key: string
  #at: number

  constructor(bytes: Uint8Array, key: string) {
    this.#bytes = bytes
    this.#key = key
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const length = view.length < 4 ? -1 : view.readUInt32BE(0)
    if (length < 0 || 4 + length > view.length) throw corrupt(key, 'holds a body that ends too early', 'body')
    let json: unknown
    try {
      json = JSON.parse(view.toString('utf8', 4, 4 + length))
    } catch (cause) {
      throw corrupt(key, 'holds a body that is not JSON', 'body', cause)
    }
    this.json = new Fields(json, key, 'body')
    this.#at = 4 + length
  }

  record(value: unknown): RevisionRecord {
    const f = new Fields(value, this.#key, 'record')
    if (f.has('delta')) {
      throw new KeelstateError('Unsupported', {
        key: this.#key,
        message: `${this.#key} holds a revision stored in a way that this build does not read.`,
        hint: 'Upgrade keelstate.',
      })
    }
    const bytes = f.count('bytes')
    const parent = f.textOr('parent')
    const from = f.textOr('from')
    const until = f.textOr('until')
    const record: { -readonly [K in keyof RevisionRecord]: RevisionRecord[K] } = {
      id: f.text('id'),
      number: f.count('number'),
      seq: f.count('seq'),
      at: f.text('at'),
      by: f.textOr('by') ?? '',
      message: f.textOr('message') ?? '',
      epoch: f.unsigned('epoch'),
      type: f.text('type'),
      bytes,
      digest: f.text('digest'),
      content: f.has('reference')
        ? { reference: readReference(f.get('reference'), this.#key) }
        : { inline: this.#take(bytes) },
    }
    if (parent !== undefined) record.parent = parent
    if (from !== undefined) record.from = from
    if (until !== undefined) record.until = until
    if (f.has('base')) record.base = readBase(f.list('base'), this.#key)
    if (f.has('full')) record.full = readFull(f.get('full'), this.#key)
    if (f.get('parts') === true) record.parts = true
    if (f.get('dropped') === true) record.dropped = true
    return record
  }

  /** Everything behind the JSON must have been taken. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw corrupt(this.#key, 'holds bytes that no record names', 'body')
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw corrupt(this.#key, 'holds a body that ends too early', 'body')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }
}

export function readReference(value: unknown, key: string): ObjectReference {
  const f = new Fields(value, key, 'reference')
  return { object: f.hex('object'), sha256: f.text('sha256'), key: f.hex('key'), length: f.count('length') }
}

function readBase(list: readonly unknown[], key: string): DeltaBase {
  const f = new Fields({ ...list }, key, 'base')
  return { number: f.count('0'), root: f.count('1'), deltas: f.count('2'), bytes: f.count('3') }
}

function readFull(value: unknown, key: string): FullContent {
  const f = new Fields(value, key, 'full content')
  return { reference: readReference(value, key), bytes: f.count('bytes'), digest: f.text('digest') }
}

/** Reads members of a JSON object that came from a store: a wrong shape is `Corrupt`, naming the member. Kept off zod: this is a hot path. */
export class Fields {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #key: string
  readonly #what: string

  constructor(value: unknown, key: string, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw corrupt(key, `holds no object where its ${what} should be`, what)
    this.#value = value as Record<string, unknown>
    this.#key = key
    this.#what = what
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#value, name)
  }

  get(name: string): unknown {
    return this.has(name) ? this.#value[name] : undefined
  }

  text(name: string): string {
    const value = this.get(name)
    return typeof value === 'string' ? value : this.#fail(name)
  }

  textOr(name: string): string | undefined {
    const value = this.get(name) // JSON has no undefined: absent
    return value === undefined || typeof value === 'string' ? value : this.#fail(name)
  }

  /** A whole number from 0. */
  count(name: string): number {
    const value = this.get(name)
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : this.#fail(name)
  }

  /** Decimal digits of a u64; absent is 0. */
  unsigned(name: string): bigint {
    const value = this.textOr(name)
    if (value === undefined) return 0n
    return /^\d{1,20}$/.test(value) ? BigInt(value) : this.#fail(name)
  }

  /** 32 hex digits. */
  hex(name: string): string {
    const value = this.text(name)
    return /^[0-9a-f]{32}$/.test(value) ? value : this.#fail(name)
  }

  /** An array; absent is empty. */
  list(name: string): readonly unknown[] {
    const value = this.has(name) ? this.get(name) : []
    return Array.isArray(value) ? value : this.#fail(name)
  }

  object(name: string): Readonly<Record<string, unknown>> {
    const value = this.has(name) ? this.get(name) : {}
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : this.#fail(name)
  }

  #fail(name: string): never {
    throw corrupt(this.#key, `holds a ${this.#what} whose "${name}" is missing or malformed`, `${this.#what}.${name}`)
  }
}
