// The page that `npm run prove` writes: what was proven, of which commit, on which machine, in full counts.

const SHORT = 12 // digits of a commit beside others

/**
 * Makes the page.
 *
 * @param proof.commit What the page is about.
 * @param proof.date When it was written.
 * @param proof.stages Their records, in order: `{ name, passed, seconds, at, commit, changed, node, platform, cores }`; `says`, lines that the stage
 *   printed as its result; `failures`, what it said of what failed; `files`, `{ file, passed, failed, skipped, failures: { test, message }[] }` of each
 *   test file that ran; `counts`, what `reportCounts` of test/counts.ts wrote; `limits`, rows of the bench. `apart` is undefined, or says what sets the
 *   stage apart from the page's commit: `apart` of proof-records.mjs.
 */
export function proofPage({ commit, date, stages }) {
  const files = stages.flatMap((stage) => stage.files)
  const counts = stages.flatMap((stage) => stage.counts)
  const limits = stages.flatMap((stage) => stage.limits)
  const facts = [
    ['commit', `\`${commit}\``],
    ['date', date],
    ['machine', machines(stages)],
    ['result', overall(stages)],
  ]
  const parts = [
    '# Proof',
    'What `npm run prove` found: all that CI runs with reduced counts, in full. The command writes this page; nobody edits it.',
    table(['', ''], facts),
    '## Stages',
    table(
      ['stage', 'result', 'begun', 'time', 'commit'],
      stages.map(({ name, passed, at, seconds, commit, changed }) => [
        `\`${name}\``,
        outcome(passed),
        at,
        time(seconds),
        `\`${commit.slice(0, SHORT)}\`${changed ? ', with changes that are not committed' : ''}`,
      ]),
    ),
    ...elsewhere(stages),
    ...failed(stages),
    ...said(stages),
    '## Full counts',
    table(['checked by', 'counts', 'seeds', 'result'], fullCounts(files, counts)),
    others(files, counts),
    '## Limits',
    table(
      ['what', 'measured', 'limit', 'result'],
      limits.map(({ name, unit, measured, limit, atLeast, ok, missed }) => [
        name,
        `${shown(measured)} ${unit}`,
        atLeast === undefined ? `≤ ${shown(limit)}` : `≥ ${shown(atLeast)}`,
        missed ? 'missed, as [performance.md](performance.md) says' : outcome(ok),
      ]),
    ),
  ]
  return `${parts.join('\n\n')}\n`
}

function overall(stages) {
  const names = (some) => some.map(({ name }) => `\`${name}\``).join(', ')
  const failed = stages.filter(({ passed }) => !passed)
  const away = stages.filter(({ apart }) => apart !== undefined)
  const result = failed.length === 0 ? 'everything passed' : `FAILED: ${names(failed)}`
  return away.length === 0 ? result : `${result}; NOT of this commit: ${names(away)}`
}

/** One, if all stages ran on the same. */
function machines(stages) {
  const told = ({ node, platform, cores }) => `Node ${node}, ${platform}, ${cores} cores`
  const kinds = [...new Set(stages.map(told))]
  if (kinds.length === 1) return kinds[0]
  const on = (kind) => stages.filter((stage) => told(stage) === kind).map(({ name }) => `\`${name}\``)
  return kinds.map((kind) => `${kind} (${on(kind).join(', ')})`).join('; ')
}

/** What ran on something else than what the page's commit holds. */
function elsewhere(stages) {
  return stages.flatMap(({ name, apart }) => {
    if (apart === undefined) return []
    const { changed, commit, files } = apart
    const dirty = changed ? [`\`${name}\` ran on changes that no commit has.`] : []
    if (files === undefined)
      return [...dirty, `\`${name}\` ran at \`${commit}\`, which git could not compare with the commit of this page.`]
    if (files.length === 0) return dirty
    return [
      ...dirty,
      `\`${name}\` ran at \`${commit}\`. Between it and the commit of this page these files differ:`,
      files.map((file) => `- \`${file}\``).join('\n'),
    ]
  })
}

/** What the stages that failed say of it, then each file and test. */
function failed(stages) {
  return stages
    .filter(({ passed }) => !passed)
    .flatMap(({ name, failures, files }) => {
      const tests = files.flatMap(({ file, failures }) =>
        failures.map(({ test, message }) => `\`${file}\`${test === undefined ? '' : ` › ${test}`}: ${message}`),
      )
      return [`\`${name}\` failed:`, [...failures, ...tests].map((line) => `- ${cell(line)}`).join('\n')]
    })
}

function said(stages) {
  return stages
    .filter(({ says }) => says.length > 0)
    .flatMap(({ name, says }) => [`\`${name}\`:`, says.map((line) => `- ${cell(line)}`).join('\n')])
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
