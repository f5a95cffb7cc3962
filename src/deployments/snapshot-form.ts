import { KeelstateError } from '../core/errors.ts'
import type { BodyForm } from '../core/form.ts'
import { same } from '../core/header.ts'
import type { Part } from '../core/parts.ts'
import { decodeSnapshot, encodeSnapshot } from './codec.ts'
import { newSnapshot } from './snapshot.ts'

/** Keys of the parts of a snapshot: what stands before the entries, the outputs, `null` in the place of entries, and each entry. */
export const HEAD = 'head'
export const OUTPUTS = 'outputs'
export const NO_ENTRIES = 'entries'
const ENTRY = 'entry:'

export function entryKey(address: string): string {
  return ENTRY + address
}

const BEFORE_ENTRIES = Buffer.from('\n  "entries": ')
const BEFORE_OUTPUTS = Buffer.from(',\n  "outputs": ')
const END = Buffer.from('\n}\n')
const FIRST = Buffer.from('[\n')
const NEXT = Buffer.from(',\n')
const LAST = Buffer.from('\n  ]')
const EMPTY = Buffer.from('[]')
const NULL = Buffer.from('null')
const ENTRY_BEGIN = Buffer.from('    {\n      "address": ')
const ENTRY_END = Buffer.from('\n    }') // whatever stands inside an entry is indented deeper, and texts have no line feeds

/**
 * A snapshot as the contract's release v0.4.0 indents it is cut along its lines: entries by address, the outputs, and all before the entries. Nothing
 * is parsed but addresses. docs/format.md "Forms".
 */
export const snapshotForm: BodyForm = {
  name: 'snapshot',
  ordered: true,

  split(bytes) {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const headEnd = body.indexOf(BEFORE_ENTRIES)
    if (headEnd < 0 || !endsWith(body, END)) throw noSnapshot()
    const end = body.length - END.length
    const parts: Part[] = [[HEAD, body.subarray(0, headEnd)]]
    const entries: Part[] = []
    let at = headEnd + BEFORE_ENTRIES.length
    if (startsAt(body, at, NULL)) {
      parts.push([NO_ENTRIES, NULL])
      at += NULL.length
    } else if (startsAt(body, at, EMPTY)) {
      at += EMPTY.length
    } else {
      at = splitEntries(body, at, entries)
    }
    if (at < end) {
      if (!startsAt(body, at, BEFORE_OUTPUTS)) throw noSnapshot()
      parts.push([OUTPUTS, body.subarray(at + BEFORE_OUTPUTS.length, end)])
    }
    return [...parts, ...entries] // so that a new entry at the end is a new part at the end
  },

  join(parts) {
    const others = new Map<string, Uint8Array>()
    const pieces: Uint8Array[] = []
    for (const [key, bytes] of parts) {
      if (key.startsWith(ENTRY)) pieces.push(pieces.length === 0 ? FIRST : NEXT, bytes)
      else others.set(key, bytes)
    }
    pieces.push(pieces.length > 0 ? LAST : (others.get(NO_ENTRIES) ?? EMPTY))
    const outputs = others.get(OUTPUTS)
    if (outputs !== undefined) pieces.push(BEFORE_OUTPUTS, outputs)
    const head = others.get(HEAD)
    if (head === undefined) throw noSnapshot()
    return Buffer.concat([head, BEFORE_ENTRIES, ...pieces, END])
  },

  normalise(body) {
    const normal = encodeSnapshot(decodeSnapshot(body))
    return same(normal, body) ? body : normal
  },

  spelt(parts) {
    if (parts.some(([key]) => ![HEAD, OUTPUTS, NO_ENTRIES].includes(key) && !key.startsWith(ENTRY))) return false
    const blank = newSnapshot({ name: '', version: '', contentRevision: '' }, '', new Date(0))
    const [head] = snapshotForm.split(encodeSnapshot(blank)) as [Part]
    const body = snapshotForm.join([head, ...parts])
    try {
      return same(snapshotForm.normalise(body), body)
    } catch (error) {
      if (KeelstateError.is(error, 'InvalidInput')) return false
      throw error
    }
  },
}

/** The place behind the list. */
function splitEntries(body: Buffer, start: number, entries: Part[]): number {
  for (let at = start; ; ) {
    const opening = at === start ? FIRST : NEXT
    if (!startsAt(body, at, opening)) throw noSnapshot()
    const begin = at + opening.length
    if (!startsAt(body, begin, ENTRY_BEGIN)) throw noSnapshot()
    const close = body.indexOf(ENTRY_END, begin)
    if (close < 0) throw noSnapshot()
    at = close + ENTRY_END.length
    entries.push([entryKey(addressAt(body, begin + ENTRY_BEGIN.length)), body.subarray(begin, at)])
    if (startsAt(body, at, LAST)) return at + LAST.length
  }
}

/** The JSON text that begins here and ends before the comma at the end of its line. */
function addressAt(body: Buffer, at: number): string {
  const end = body.indexOf(0x0a, at)
  let address: unknown
  try {
    address = JSON.parse(body.toString('utf8', at, end - 1))
  } catch {
    throw noSnapshot()
  }
  if (typeof address !== 'string') throw noSnapshot()
  return address
}

function startsAt(body: Buffer, at: number, text: Buffer): boolean {
  return body.compare(text, 0, text.length, at, Math.min(body.length, at + text.length)) === 0
}

function endsWith(body: Buffer, text: Buffer): boolean {
  return body.length >= text.length && startsAt(body, body.length - text.length, text)
}

function noSnapshot(): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: 'The body is not laid out as release v0.4.0 of the contract writes a snapshot.',
  })
}
