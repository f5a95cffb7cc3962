// `npm run bench [-- --smoke] [-- --json FILE] [-- --only NAME]`: what the library costs, against the limits it promises; docs/performance.md says
// what each row is. Exit code 1 when a limit is exceeded, but for those that the page lists as missed (`missed`: by how much at most).
//
// Sizes and counts are exact. Times are CPU times, the least of several turns; ratios compare within one run. `--smoke` is for CI: smaller
// counts, and four times the limit for times: it is to notice a change for the worse, not a busy machine.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { codecs } from './codecs.mjs'
import { deltas } from './deltas.mjs'
import { memory } from './memory.mjs'
import { paths } from './paths.mjs'
import { sizes } from './sizes.mjs'
import { start } from './start.mjs'
import { times } from './times.mjs'
import { trips } from './trips.mjs'

const { values } = parseArgs({
  options: { smoke: { type: 'boolean' }, json: { type: 'string' }, only: { type: 'string', multiple: true } },
})
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
process.env.XDG_STATE_HOME = mkdtempSync(join(tmpdir(), 'keelstate-bench-'))
const plan = values.smoke
  ? {
      commits: 1_000,
      calls: 200,
      batches: 5,
      rounds: 3,
      starts: 3,
      entries: 3_000,
      created: 200,
      changes: 500,
      megabytes: 50,
      slack: 4,
    }
  : {
      commits: 10_000,
      calls: 500,
      batches: 9,
      rounds: 7,
      starts: 7,
      entries: 9_250,
      created: 1_000,
      changes: 10_000,
      megabytes: 100,
      slack: 1,
    }

const MEASURES = { sizes, times, start, codecs, paths, trips, deltas, memory }
const rows = []
for (const [name, measure] of Object.entries(MEASURES)) {
  if (values.only !== undefined && !values.only.includes(name)) continue
  for (const row of await measure(plan)) {
    const ok = row.atLeast === undefined ? row.measured <= row.limit : row.measured >= row.atLeast
    rows.push({ ...row, ok, missed: !ok && row.missed !== undefined && row.measured <= row.missed })
  }
}
process.stdout.write(table(rows))
if (values.json !== undefined) {
  const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model, load: loadavg()[0] }
  writeFileSync(
    values.json,
    `${JSON.stringify({ at: new Date().toISOString(), smoke: values.smoke ?? false, machine, rows }, undefined, 2)}\n`,
  )
}
if (rows.some(({ ok, missed }) => !ok && !missed)) process.exitCode = 1

function table(all) {
  const cells = all.map(({ name, unit, measured, limit, atLeast, ok, missed }) => [
    name,
    shown(measured),
    atLeast === undefined ? `≤ ${shown(limit)}` : `≥ ${shown(atLeast)}`,
    unit,
    ok ? 'ok' : missed ? 'missed' : 'EXCEEDED',
  ])
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((row) => row[column].length)))
  const line = ([name, ...rest]) =>
    [
      name.padEnd(widths[0]),
      rest[0].padStart(widths[1]),
      rest[1].padStart(widths[2]),
      rest[2].padEnd(widths[3]),
      rest[3],
    ].join('  ')
  return `${cells.map(line).join('\n')}\n`
}

function shown(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
