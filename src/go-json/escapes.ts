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
  private readonly pieces: Buffer[] = []
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

  finish(): Uint8Array {
    this.flush()
    return this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces)
  }

  private flush(): void {
    if (this.text !== '') this.write(this.text)
    this.text = ''
  }

  private write(json: string): void {
    const text = escapeHtml(json)
    if (text.isWellFormed()) {
      this.pieces.push(Buffer.from(text))
      return
    }
    for (const part of text.split(STAND_INS)) {
      this.pieces.push(STAND_INS.test(part) ? Buffer.of(part.charCodeAt(0) - STAND_IN) : Buffer.from(part))
    }
  }
}

const LONG = 4_096 // characters
const PIECE = 32_768
