import { parseJson } from './parse.ts'
import type { Context } from './problem.ts'
import { asBuffer } from './text.ts'

/** How a document is laid out: as Go's `MarshalIndent(v, "", "  ")` does, or as `Marshal` does, without white space. */
export type Layout = 'indented' | 'compact'

/** What comes before a value or closing bracket on a line of its own. */
export function lineStart(layout: Layout, depth: number): string {
  return layout === 'indented' ? `\n${'  '.repeat(depth)}` : ''
}

/**
 * Lays out JSON text anew as Go does with a `json.RawMessage`: white space is Go's own and `<`, `>`, `&`, U+2028 and U+2029 are escaped; all else (order and
 * repetition of names, spelling of numbers and escapes, bytes that are not UTF-8) stays. The value stands `depth` levels below the top.
 *
 * @throws {KeelstateError} `InvalidInput` when the text is not JSON.
 */
export function relayout(bytes: Uint8Array, layout: Layout, depth: number, context: Context): Buffer {
  const root = parseJson(bytes, context)
  const text = asBuffer(bytes).toString('latin1', root.start, root.end) // one character a byte, valid UTF-8 or not
  let out = ''
  let level = depth
  let opened = false // the last thing written opened a list or an object
  for (let at = 0; at < text.length; ) {
    const char = text[at]!
    let end = at + 1
    if (char === ']' || char === '}') {
      level -= 1
      out += opened ? char : lineStart(layout, level) + char
      opened = false
    } else if (char === ',') {
      out += char + lineStart(layout, level)
    } else if (char === ':') {
      out += layout === 'indented' ? ': ' : char
    } else if (!SPACE.includes(char)) {
      if (opened) out += lineStart(layout, level)
      opened = char === '[' || char === '{'
      if (opened) level += 1
      else end = tokenEnd(text, at)
      out += text.slice(at, end)
    }
    at = end
  }
  return Buffer.from(escapeHtml(out), 'latin1')
}

const SPACE = ' \n\r\t'

/** End of the string, number or word that begins at `at`. */
function tokenEnd(text: string, at: number): number {
  let end = at + 1
  if (text[at] === '"') {
    for (; text[end] !== '"'; end++) if (text[end] === '\\') end += 1
    return end + 1
  }
  while (end < text.length && !' \n\r\t,:]}'.includes(text[end]!)) end += 1
  return end
}

/** U+2028 and U+2029 are E2 80 A8 and E2 80 A9. None of these occurs outside strings. */
function escapeHtml(latin1: string): string {
  return latin1
    .replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
    .replace(/\xe2\x80([\xa8\xa9])/g, (_, last: string) => (last === '\xa8' ? '\\u2028' : '\\u2029'))
}
