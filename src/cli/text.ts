import { printable } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'

/** Longest text from a bucket that is shown whole; a document's name may be 900 bytes. */
const MAX_SHOWN = 1_000

/** Text that came from a bucket or a file, made safe for a terminal. */
export function shown(text: string): string {
  return printable(text, MAX_SHOWN)
}

/**
 * The same for a JSON document: what a terminal could act on is written as an escape (`\u` and four hex digits), which
 * means the same to a parser.
 *
 * `JSON.stringify` escapes C0 controls and lone surrogates only; C1 controls and bidi overrides reach the terminal.
 */
export function safeJson(value: unknown, indent = 0): string {
  const plain = (_key: string, item: unknown) => (typeof item === 'bigint' ? item.toString() : item)
  const text = JSON.stringify(value, plain, indent)
  return text.replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** `the nearest is --label`; when none is near, what there is. Ends a message about a word that is not known. */
export function suggestion(word: string, known: readonly string[], prefix = ''): string {
  const near = nearest(word, known)
  return near === undefined
    ? `known are ${known.map((one) => prefix + one).join(', ')}`
    : `the nearest is ${prefix}${near}`
}

/** Lays rows out in columns two blanks apart; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** `1,234 B`: sizes are exact, since they are compared. */
export function byteCount(bytes: number): string {
  return `${bytes.toLocaleString('en-US')} B`
}

/** `1 problem`, `2 problems`; a plural of its own where an `s` does not make it. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? noun : plural}`
}
