// The page that `npm run prove` writes: what was proven, of which commit, on which machine, in full counts.

/**
 * Makes the page.
 *
 * @param proof.stages `{ name, passed, seconds, says }` each; `says` are lines that the stage printed as its result.
 * @param proof.files `{ file, passed, failed, skipped }` of each test file that ran.
 * @param proof.counts What `reportCounts` of test/counts.ts wrote: `{ file, counts, seeds }` each.
 * @param proof.limits Rows of the bench.
 */
export function proofPage({ commit, changed, date, node, platform, cores, stages, files, counts, limits }) {
  const failed = stages.filter(({ passed }) => !passed).map(({ name }) => `\`${name}\``)
  const facts = [
    ['commit', `\`${commit}\`${changed ? ', with changes that are not committed' : ''}`],
    ['date', date],
    ['machine', `Node ${node}, ${platform}, ${cores} cores`],
    ['result', failed.length === 0 ? 'everything passed' : `FAILED: ${failed.join(', ')}`],
  ]
  const parts = [
    '# Proof',
    'What `npm run prove` found: all that CI runs with reduced counts, in full. The command writes this page; nobody edits it.',
    table(['', ''], facts),
    '## Stages',
    table(
      ['stage', 'result', 'time'],
      stages.map(({ name, passed, seconds }) => [`\`${name}\``, outcome(passed), time(seconds)]),
    ),
    ...said(stages),
    '## Full counts',
    table(['checked by', 'counts', 'seeds', 'result'], fullCounts(files, counts)),
    others(files, counts),
    '## Limits',
    table(
      ['what', 'measured', 'limit', 'result'],
      limits.map(({ name, unit, measured, limit, atLeast, ok }) => [
        name,
        `${shown(measured)} ${unit}`,
        atLeast === undefined ? `≤ ${shown(limit)}` : `≥ ${shown(atLeast)}`,
        outcome(ok),
      ]),
    ),
  ]
  return `${parts.join('\n\n')}\n`
}

function said(stages) {
  return stages
    .filter(({ says }) => says.length > 0)
    .map(({ name, says }) => `\`${name}\`:\n\n${says.map((line) => `- ${cell(line)}`).join('\n')}`)
}

/** A row for each file that reported counts. One that never came to its end has no result, and so has not passed. */
function fullCounts(files, counts) {
  const told = [...new Set(counts.map(({ file }) => file))].sort()
  return told.map((file) => {
    const lines = counts.filter((line) => line.file === file)
    const numbers = Object.entries(Object.assign({}, ...lines.map((line) => line.counts)))
    const seeds = new Set(lines.flatMap((line) => line.seeds ?? []))
    return [
      `\`${file}\``,
      numbers.map(([what, number]) => `${number.toLocaleString('en')} ${what}`).join('; '),
      [...seeds].join('; '),
      result(files.filter((one) => one.file === file)),
    ]
  })
}

function others(files, counts) {
  const rest = files.filter(({ file }) => !counts.some((line) => line.file === file))
  return `All ${rest.length} other test files: ${result(rest)}.`
}

function result(files) {
  const sum = (what) => files.reduce((total, file) => total + file[what], 0)
  if (files.length === 0 || sum('passed') + sum('failed') === 0) return 'NOT RUN'
  const tests = `${sum('passed').toLocaleString('en')} tests passed`
  const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} do not apply here`
  return sum('failed') === 0 ? `${tests}${skipped}` : `${sum('failed')} tests FAILED, ${tests}${skipped}`
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function cell(text) {
  return String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function outcome(passed) {
  return passed ? 'passed' : 'FAILED'
}

function time(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)]
  return minutes === 0 ? `${rest} s` : `${minutes} min ${rest} s`
}

function shown(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
