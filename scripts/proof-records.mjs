// What `npm run prove` keeps of each stage, so that a run goes on where the last one stopped: a file a stage in a folder that git ignores.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'

const FORMAT = 'keelstate-proof-stage/1'

/**
 * In the order in which they run: what is cheap and fails first comes first. `tells`: the lines of its standard output are its result. `full`: it runs
 * with full counts; `check` repeats in short what `test` runs in full.
 */
export const STAGES = [
  { id: 'check', script: 'check', args: [], full: false },
  { id: 'test', script: 'test', args: [], full: true, vitest: true },
  { id: 'test:engines', script: 'test:engines', args: [], full: true, vitest: true },
  { id: 'simulate', script: 'simulate', args: [], full: true, tells: true },
  { id: 'mutations', script: 'simulate', args: ['--mutation', 'all'], full: true, tells: true },
  { id: 'bench', script: 'bench', args: [], full: true, bench: true },
]
const IDS = STAGES.map(({ id }) => id)

export const USAGE = `usage: npm run prove -- [--fresh] [STAGE…] | --page
  runs the stages that have not passed at this commit, all of them with --fresh, or those that are named: ${IDS.join(', ')}
  --page  writes docs/proof.md from what is recorded, and runs nothing
`

/** Of the command line. @throws {Error} That says what is wrong with it. */
export function proofOptions(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { fresh: { type: 'boolean', default: false }, page: { type: 'boolean', default: false } },
  })
  const unknown = positionals.filter((id) => !IDS.includes(id))
  if (unknown.length > 0) throw new Error(`no such stage: ${unknown.join(', ')}`)
  if (values.page && (values.fresh || positionals.length > 0)) throw new Error('--page runs nothing: it stands alone')
  return { fresh: values.fresh, page: values.page, named: positionals }
}

/**
 * What a record is worth for a page of another, or the same, commit.
 *
 * @param now `{ commit, differing }`; `differing(commit)` names the files in which that commit differs from `now.commit`, docs/proof.md left out, or is
 *   undefined if git cannot tell.
 * @returns `undefined` when the stage ran on exactly what the commit holds, else `{ changed, commit, files }`: what sets it apart.
 */
export function apart(record, { commit, differing }) {
  const files = record.commit === commit ? [] : differing(record.commit)
  if (!record.changed && files?.length === 0) return undefined
  return { changed: record.changed, commit: record.commit, files }
}

/**
 * Which stages run, and which are taken over from before.
 *
 * @param records By stage id.
 * @param now `{ commit, changed, differing }`: see {@link apart}; `changed` when files are not as the commit has them, in which case nothing recorded
 *   is about them.
 */
export function plan(records, now, { fresh, named }) {
  if (named.length > 0) return { run: IDS.filter((id) => named.includes(id)), takenOver: [] }
  const stands = (record) => record?.passed === true && !now.changed && apart(record, now) === undefined
  const takenOver = fresh ? [] : IDS.filter((id) => stands(records.get(id)))
  return { run: IDS.filter((id) => !takenOver.includes(id)), takenOver }
}

/** Stages without any result. */
export function missing(records) {
  return IDS.filter((id) => !records.has(id))
}

/**
 * Of a journal: what the reporter and `reportCounts` of test/counts.ts wrote until a run ended, or was ended.
 *
 * @returns `{ files, counts, unhandled }`. A file that was begun and never came to its end has failed.
 */
export function readJournal(text) {
  const lines = text.split('\n').flatMap(parsed)
  const ended = lines.filter((line) => line.failures !== undefined)
  const cut = lines
    .filter(({ file, begun }) => begun && !ended.some((one) => one.file === file))
    .map(({ file }) => ({ file, passed: 0, failed: 1, skipped: 0, failures: [{ message: 'did not come to its end' }] }))
  return {
    files: [...ended, ...cut],
    counts: lines.filter((line) => line.counts !== undefined),
    unhandled: lines.flatMap(({ unhandled }) => (unhandled === undefined ? [] : [unhandled])),
  }
}

/** The last line of a process that was killed may be cut. */
function parsed(line) {
  try {
    return [JSON.parse(line)]
  } catch {
    return []
  }
}

/**
 * Makes every text of a value fit for a page that others read: without colours, and without the folders and the name of whose machine it is.
 *
 * @param names `[text, what stands for it]` each, longest first.
 */
export function discreet(value, names) {
  if (typeof value === 'string')
    return names.reduce((text, [from, to]) => text.replaceAll(from, to), stripVTControlCharacters(value))
  if (Array.isArray(value)) return value.map((one) => discreet(one, names))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, discreet(one, names)]))
}

/** Replaces the record of a stage, whole or not at all, also when the machine goes away. */
export function writeRecord(folder, record) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, fileName(record.id))
  const text = `${JSON.stringify({ format: FORMAT, ...record }, undefined, 2)}\n`
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

/** By stage id. What cannot be read, or was written by another version, is no record. */
export function readRecords(folder) {
  const records = new Map()
  for (const id of IDS) {
    let text
    try {
      text = readFileSync(join(folder, fileName(id)), 'utf8')
    } catch (error) {
      if (error.code === 'ENOENT') continue
      throw error
    }
    const [record] = parsed(text)
    if (record?.format === FORMAT && record.id === id) records.set(id, record)
  }
  return records
}

function fileName(id) {
  return `${id.replaceAll(':', '-')}.json`
}
