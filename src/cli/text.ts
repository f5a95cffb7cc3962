import { printable } from '../core/errors.ts'

/** Longest text from a bucket that is shown whole; a document's name may be 900 bytes. */
const MAX_SHOWN = 1_000

/** Text that came from a bucket or a file, made safe for a terminal. */
export function shown(text: string): string {
  return printable(text, MAX_SHOWN)
}

/**
 * The same for a JSON document: what a terminal could act on is written as `\uXXXX`, which means the same to a parser.
 *
 * `JSON.stringify` escapes C0 controls and lone surrogates only; C1 controls and bidi overrides reach the terminal.
 */
export function safeJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item))
  return text.replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The candidate that takes the fewest edits (insert, delete, replace, swap neighbours) to reach from `word`. */
export function nearest(word: string, candidates: readonly string[]): { word: string; edits: number } | undefined {
  let best: { word: string; edits: number } | undefined
  for (const candidate of candidates) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (best === undefined || edits < best.edits) best = { word: candidate, edits }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1)
      }
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
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

/** `1 problem`, `2 problems`. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`
}
