import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'

/** Set by `npm run prove`, which runs everything in full. */
export const PROVE: boolean = Boolean(process.env.KEELSTATE_PROVE)

/** How often a check repeats itself: `full` times for `npm run prove`, else so often that each kind of case still occurs. */
export function count(full: number, reduced: number): number {
  return PROVE ? full : reduced
}

/**
 * Says how often a test file does what it does, and from which seeds, for the page that `npm run prove` writes. Whether it passed is not said here: the
 * page has that from the test runner.
 *
 * @param file `import.meta.filename` of the test file.
 * @param counts Each by what is counted, such as `{ schedules: 20_000 }`.
 * @param seeds Of what is random and can be repeated, such as `1–20000`.
 */
export function reportCounts(file: string, counts: Readonly<Record<string, number>>, seeds?: string): void {
  const proof = process.env.KEELSTATE_PROOF
  if (proof === undefined) return
  const line = { file: relative(process.cwd(), file), counts, ...(seeds === undefined ? {} : { seeds }) }
  appendFileSync(proof, `${JSON.stringify(line)}\n`)
}
