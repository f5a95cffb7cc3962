// `npm run bench [-- --smoke] [-- --json FILE]`: what the library costs, against the limits it promises. Exit code 1 when one is exceeded.
//
// Sizes and counts are exact. Times are CPU times of this process, medians of batches; ratios compare within one run. `--smoke` is for CI:
// smaller counts, and twice the limit for times, because a shared machine slows everything down.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { large } from './large.mjs'
import { sizes } from './sizes.mjs'
import { start } from './start.mjs'
import { times } from './times.mjs'

const { values } = parseArgs({ options: { smoke: { type: 'boolean' }, json: { type: 'string' } } })
const plan = values.smoke
  ? { commits: 1_000, calls: 200, batches: 5, rounds: 3, starts: 3, slack: 2 }
  : { commits: 10_000, calls: 500, batches: 9, rounds: 7, starts: 7, slack: 1 }

const rows = []
for (const measure of [sizes, times, large, start]) {
  for (const row of await measure(plan)) {
    const ok = row.atLeast === undefined ? row.measured <= row.limit : row.measured >= row.atLeast
    rows.push({ ...row, ok })
  }
}
process.stdout.write(table(rows))
if (values.json !== undefined) {
  const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model }
  writeFileSync(
    values.json,
    `${JSON.stringify({ at: new Date().toISOString(), smoke: values.smoke ?? false, machine, rows }, undefined, 2)}\n`,
  )
}
if (rows.some(({ ok }) => !ok)) process.exitCode = 1

function table(all) {
  const cells = all.map(({ name, unit, measured, limit, atLeast, ok }) => [
    name,
    shown(measured),
    atLeast === undefined ? `≤ ${shown(limit)}` : `≥ ${shown(atLeast)}`,
    unit,
    ok ? 'ok' : 'EXCEEDED',
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
