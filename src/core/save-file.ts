import { createHash } from 'node:crypto'
import { KeelstateError } from './errors.ts'
import { checkIdentity, type DocumentScope, decodeHeader, fromHex, hex } from './header.ts'
import { Fields } from './record.ts'
import type { DocumentKeys } from './sealer.ts'

/**
 * The bytes of a save: what a failed commit was to store, in a local file. docs/format.md "Saves".
 *
 * A clear header, which tells what the save is of without a key; one sealed message, which holds the content and proves the header; and, one line
 * each, the head writes that were begun for it later.
 */
const MAGIC = Buffer.from('KEELSAVE')
const VERSION = 1
const FIXED = 16 // magic, version, three zeros, length of the header
const MAX_HEADER_BYTES = 128 * 1024 // sixteen recipients of the longest kind take 80 KiB
const WRITE = /^[0-9a-f]{32}@[1-9]\d{0,15}$/

/** What a save was to replace. */
export interface Against {
  /** Id of the revision; `null` = there was none. Absent = whatever is current, and this process had not read what that is. */
  readonly parent?: string | null
  /** Seq of the highest head that was known: what is current must not have changed since. */
  readonly seenSeq?: number
}

/** What a save says without a key. Proven by opening it. */
export interface SaveHeader {
  readonly scope: DocumentScope
  /** Name of the file, without its ending. */
  readonly id: string
  /** RFC 3339, by this machine's clock. */
  readonly at: string
  /** Length of the content. */
  readonly bytes: number
  readonly against: Against
  /** The head write whose outcome was not known when this was kept. */
  readonly write?: string
  readonly keyId: Uint8Array
  readonly keyTable: Uint8Array
}

/** What a save holds. */
export interface SaveContent {
  /** `commit` makes the revision current, `add` does not. */
  readonly action: 'commit' | 'add'
  /** A whole body, or a change of parts as `encodeDelta` writes it. */
  readonly form: 'body' | 'change'
  readonly bytes: Uint8Array
  readonly type: string
  readonly message?: string
  readonly label?: string
  readonly by: string
  readonly made?: { readonly id: string; readonly at: string }
}

/** Where the parts of a file are. */
export interface SaveLayout {
  readonly header: SaveHeader
  readonly clear: Uint8Array
  /** Where the sealed message begins, and its length. */
  readonly from: number
  readonly length: number
}

/** Seals a save. */
export async function sealSave(
  fields: Omit<SaveHeader, 'bytes' | 'keyId' | 'keyTable'>,
  content: SaveContent,
  keys: DocumentKeys,
): Promise<Uint8Array> {
  const { scope, id, at, against, write } = fields
  const header = {
    store: hex(scope.storeId),
    kind: scope.kind,
    name: scope.path,
    id,
    at,
    bytes: content.bytes.length,
    ...against,
    ...(write === undefined ? {} : { write }),
    keyId: hex(keys.keyId),
    keyTable: Buffer.from(keys.keyTable).toString('base64'),
  }
  const text = Buffer.from(JSON.stringify(header))
  const clear = Buffer.alloc(FIXED + text.length)
  clear.set(MAGIC)
  clear[8] = VERSION
  clear.writeUInt32BE(text.length, 12)
  clear.set(text, FIXED)
  const { bytes: body, ...about } = content
  const json = Buffer.from(JSON.stringify({ clear: digestOf(clear), ...about }))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  const sealed = await keys.seal({ type: 'object', scope, role: 'save' }, Buffer.concat([length, json, body]))
  const size = Buffer.alloc(4)
  size.writeUInt32BE(sealed.bytes.length)
  return Buffer.concat([clear, size, sealed.bytes])
}

/** How many bytes of a file `decodeLayout` needs, once it has the first 16. @throws {KeelstateError} `Corrupt`, `Unsupported`. */
export function layoutBytes(start: Uint8Array, file: string): number {
  const view = Buffer.from(start.buffer, start.byteOffset, start.byteLength)
  if (view.length < FIXED || !view.subarray(0, MAGIC.length).equals(MAGIC))
    throw damaged(file, 'was not written by keelstate', 'magic')
  if (view[8] !== VERSION) {
    throw new KeelstateError('Unsupported', {
      key: file,
      message: `${file} is a save of format version ${view[8]}; this build reads version ${VERSION}.`,
      hint: 'Upgrade keelstate to a release that reads it.',
    })
  }
  const length = view.readUInt32BE(12)
  if (length > MAX_HEADER_BYTES) throw damaged(file, 'has an impossible length', 'length')
  return FIXED + length + 4
}

/** Reads the clear header. @throws {KeelstateError} `Corrupt`. */
export function decodeLayout(start: Uint8Array, file: string): SaveLayout {
  const view = Buffer.from(start.buffer, start.byteOffset, start.byteLength)
  const from = layoutBytes(start, file)
  if (view.length < from) throw damaged(file, 'ends inside its header', 'length')
  const clear = view.subarray(0, from - 4)
  const header = readClear(clear.subarray(FIXED), file)
  return { header, clear, from, length: view.readUInt32BE(from - 4) }
}

/**
 * Opens a save.
 *
 * @param sealed Its message.
 * @throws {KeelstateError} `Corrupt` when anything of header or content was changed; `DecryptFailed`.
 */
export async function openSave(
  { header, clear }: SaveLayout,
  sealed: Uint8Array,
  keys: DocumentKeys,
  file: string,
): Promise<SaveContent> {
  try {
    const message = decodeHeader(sealed, file)
    const objectId = message.header.type === 'object' ? message.header.objectId : new Uint8Array(0)
    checkIdentity(message.header, header.scope, file, { role: 'save', objectId })
    const plain = Buffer.from(await keys.open(message, file))
    const from = 4 + (plain.length < 4 ? Number.POSITIVE_INFINITY : plain.readUInt32BE(0))
    if (from > plain.length) throw damaged(file, 'ends inside its description', 'length')
    const f = new Fields(parse(plain.subarray(4, from), file), file, 'save')
    if (f.text('clear') !== digestOf(clear)) throw damaged(file, 'has a header that was changed', 'header')
    const made = f.has('made') ? new Fields(f.get('made'), file, 'made') : undefined
    const content: SaveContent = {
      action: f.text('action') === 'add' ? 'add' : 'commit',
      form: f.text('form') === 'change' ? 'change' : 'body',
      bytes: plain.subarray(from),
      type: f.text('type'),
      by: f.text('by'),
      ...(f.has('message') ? { message: f.text('message') } : {}),
      ...(f.has('label') ? { label: f.text('label') } : {}),
      ...(made ? { made: { id: made.text('id'), at: made.text('at') } } : {}),
    }
    return content
  } catch (error) {
    if (!KeelstateError.is(error, 'Corrupt') || error.hint === DAMAGED_HINT) throw error
    throw damaged(file, 'was changed, cut short or damaged', error.details.differs, error) // the hint for objects in a bucket does not help here
  }
}

/** One write that was begun, as a line of its own. The line before it may have been cut short. */
export function writeLine(id: string, write: string): Uint8Array {
  return Buffer.from(`\n${write} ${checkOf(id, write)}\n`)
}

/**
 * The writes behind the message. A line that was cut short belongs to a write that was never sent.
 *
 * @throws {KeelstateError} `Corrupt` when a whole line was changed.
 */
export function decodeWrites(id: string, lines: Uint8Array, file: string): string[] {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString('latin1')
  const writes: string[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    const [write = '', check = '', ...more] = line.split(' ')
    if (check.length < 8 && more.length === 0) continue
    if (!WRITE.test(write) || check !== checkOf(id, write) || more.length > 0)
      throw damaged(file, 'names a write that was changed', 'writes')
    writes.push(write)
  }
  return writes
}

function readClear(text: Uint8Array, file: string): SaveHeader {
  const f = new Fields(parse(text, file), file, 'header')
  const write = f.textOr('write')
  if (write !== undefined && !WRITE.test(write)) throw damaged(file, 'names no write', 'write')
  const parent = f.has('parent') ? (f.get('parent') === null ? null : f.text('parent')) : undefined
  return {
    scope: { storeId: fromHex(f.hex('store')), kind: f.text('kind'), path: f.text('name') },
    id: f.text('id'),
    at: f.text('at'),
    bytes: f.count('bytes'),
    against: {
      ...(parent === undefined ? {} : { parent }),
      ...(f.has('seenSeq') ? { seenSeq: f.count('seenSeq') } : {}),
    },
    ...(write === undefined ? {} : { write }),
    keyId: fromHex(f.hex('keyId')),
    keyTable: Buffer.from(f.text('keyTable'), 'base64'),
  }
}

function parse(text: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('utf8'))
  } catch (cause) {
    throw damaged(file, 'has a header that is not JSON', 'header', cause)
  }
}

function checkOf(id: string, write: string): string {
  return createHash('sha256').update(`${id} ${write}`).digest('hex').slice(0, 8)
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}

const DAMAGED_HINT =
  'It is of no use any more. Look at what is stored (keelstate history), make the change anew, and delete the file.'

/** A `Corrupt` error about a save. */
export function damaged(file: string, what: string, differs?: string, cause?: unknown): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key: file,
    message: `${file} ${what}.`,
    details: differs === undefined ? {} : { differs },
    hint: DAMAGED_HINT,
    cause,
  })
}
