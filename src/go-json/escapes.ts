import { isUtf8 } from 'node:buffer'
import { sequenceLength } from './text.ts'

/** A string as JSON, apart from what `escapeHtml` adds. */
export function quoteJson(text: string): string {
  return replaceHalves(JSON.stringify(text))
}

/** `JSON.stringify` keeps the half of a surrogate pair, which no UTF-8 has, as an escape; Go writes what is not UTF-8 as U+FFFD, escaped. */
export function replaceHalves(json: string): string {
  if (!json.includes('\\ud')) return json
  return json.replace(/\\(?:u(d[89a-f]..)|.)/g, (whole, half: string | undefined) =>
    half === undefined ? whole : '\\ufffd',
  )
}

/** Escapes the characters that Go escapes and `JSON.stringify` does not. None of them occurs outside strings. */
function escapeHtml(json: string): string {
  let text = json
  for (const [char, escaped] of ESCAPES) if (text.includes(char)) text = text.replaceAll(char, escaped)
  return text
}

const ESCAPES = [
  ['&', '\\u0026'],
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
] as const

const STAND_IN = 0xdc00 // plus the byte: a half of a surrogate pair, of which no other is left in JSON that was written here
const STAND_INS = /([\udc80-\udcff])/u

/** Text that may not be UTF-8 as a string; `Sink` turns it back. */
export function textOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    text += length === 0 ? String.fromCharCode(STAND_IN + bytes[at]!) : bytes.toString('utf8', at, at + length)
    at += length || 1
  }
  return text
}

/** Where a document is written. Text becomes bytes in pieces that fit the processor's cache, which halves the time for a large document. */
export class Sink {
  private readonly full: Buffer[] = []
  private chunk: Buffer = Buffer.alloc(0)
  private at = 0 // in `chunk`
  private text = '' // short texts, joined

  put(text: string): void {
    if (text.length >= LONG) {
      this.flush()
      this.write(text) // joining it to others would copy it
    } else {
      this.text += text
      if (this.text.length >= PIECE) this.flush()
    }
  }

  /** Says that about so many bytes are still to come: in one piece they need not be copied together. */
  expect(bytes: number): void {
    this.flush()
    this.reserve(bytes)
  }

  /** Bytes so far. */
  get length(): number {
    this.flush()
    return this.full.reduce((sum, { length }) => sum + length, this.at)
  }

  finish(): Uint8Array {
    this.flush()
    const last = this.chunk.subarray(0, this.at)
    const snug = this.full.length === 0 && this.at >= this.chunk.length * SNUG
    return snug ? last : Buffer.concat([...this.full, last])
  }

  private flush(): void {
    if (this.text !== '') this.write(this.text)
    this.text = ''
  }

  private write(json: string): void {
    const text = escapeHtml(json)
    if (text.isWellFormed()) {
      // The most that it can take, which is nearly always there; what it does take costs a pass over the text.
      if (this.at + 3 * text.length > this.chunk.length) this.reserve(Buffer.byteLength(text))
      this.at += this.chunk.write(text, this.at)
      return
    }
    for (const part of text.split(STAND_INS)) {
      const bytes = STAND_INS.test(part) ? Buffer.of(part.charCodeAt(0) - STAND_IN) : Buffer.from(part)
      this.reserve(bytes.length)
      this.at += bytes.copy(this.chunk, this.at)
    }
  }

  /** Makes room for so many bytes. */
  private reserve(bytes: number): void {
    if (this.at + bytes <= this.chunk.length) return
    const size = Math.max(bytes, Math.min(2 * this.chunk.length, MAX_CHUNK))
    const small = this.full.length === 0 && this.at * 8 < size
    const next = Buffer.allocUnsafeSlow(small ? size + this.at : size)
    if (small) this.chunk.copy(next, 0, 0, this.at)
    else {
      this.full.push(this.chunk.subarray(0, this.at))
      this.at = 0
    }
    this.chunk = next
  }
}

const LONG = 4_096 // characters
const PIECE = 32_768
const SNUG = 0.8 // of a piece that is handed out as it is
const MAX_CHUNK = 4 * 1024 * 1024 // bytes; each is twice the one before until then
