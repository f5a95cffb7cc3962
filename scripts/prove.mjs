// `npm run prove`: the full counts behind every promise, and docs/proof.md, which says what came of them. `.ci/run` runs the same with reduced counts.
// A stage that fails does not keep the others from running. `npm run prove -- simulate bench` runs these only, and prints the page instead.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { proofPage } from './proof-page.mjs'
import { stage } from './stages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGE = join(ROOT, 'docs/proof.md')
const folder = mkdtempSync(join(tmpdir(), 'keelstate-proof-'))
const countsFile = join(folder, 'counts.jsonl')
const benchFile = join(folder, 'bench.json')
const reportFile = (name) => join(folder, `${name.replaceAll(':', '-')}.json`)

/** Each is an npm script and what is passed on to it. `tells` means that the lines of its standard output are its result. */
const STAGES = [
  { name: 'check', args: [] },
  { name: 'test', args: reporters('test') },
  { name: 'test:engines', args: reporters('test:engines') },
  { name: 'simulate', args: [], tells: true },
  { name: 'simulate', args: ['--mutation', 'all'], tells: true },
  { name: 'bench', args: ['--json', benchFile] },
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !STAGES.some((one) => one.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `no such stage: ${unknown}; there are ${[...new Set(STAGES.map(({ name }) => name))].join(', ')}\n`,
  )
  process.exit(2)
}

try {
  const stages = []
  for (const one of STAGES) if (wanted.length === 0 || wanted.includes(one.name)) stages.push(await run(one))
  const page = proofPage({ ...circumstances(), stages, ...results() })
  if (wanted.length === 0) writeFileSync(PAGE, page)
  else process.stdout.write(page)
  if (stages.some(({ passed }) => !passed)) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function run({ name, args, tells = false }) {
  const shown = ['npm run', name, ...(tells && args.length > 0 ? ['--', ...args] : [])].join(' ')
  const started = performance.now()
  const { passed, lines } = await stage(shown, () => npm(name, args, tells)).then(
    (lines) => ({ passed: true, lines }),
    (error) => {
      process.stderr.write(`${error.message}\n`)
      return { passed: false, lines: [] }
    },
  )
  return { name: shown, passed, seconds: (performance.now() - started) / 1000, says: lines }
}

/** Runs a script and resolves to what it printed, if that is asked for. */
function npm(script, args, tells) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', script, ...(args.length > 0 ? ['--', ...args] : [])], {
      cwd: ROOT,
      env: { ...process.env, KEELSTATE_PROVE: '1', KEELSTATE_PROOF: countsFile },
      stdio: ['ignore', tells ? 'pipe' : 'inherit', 'inherit'],
    })
    let text = ''
    child.stdout?.on('data', (chunk) => {
      text += chunk
      process.stdout.write(chunk)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(text.split('\n').filter((line) => line.trim() !== ''))
      else reject(new Error(`npm run ${script} ended with ${code ?? signal}`))
    })
  })
}

function reporters(name) {
  return ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile(name)}`]
}

function circumstances() {
  const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
  return {
    commit: git('rev-parse', 'HEAD'),
    changed: git('status', '--porcelain', '--untracked-files=no', '--', ':!docs/proof.md') !== '',
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
  }
}

/** What the test runner and the tests themselves have left. */
function results() {
  const reports = ['test', 'test:engines'].map(reportFile).filter(existsSync)
  const files = reports.flatMap((report) =>
    JSON.parse(readFileSync(report, 'utf8')).testResults.map(({ name, status, assertionResults }) => {
      const having = (...wanted) => assertionResults.filter((one) => wanted.includes(one.status)).length
      const failed = having('failed')
      return {
        file: relative(ROOT, name),
        passed: having('passed'),
        failed: status === 'failed' && failed === 0 ? 1 : failed, // a file that could not even be read
        skipped: having('pending', 'skipped', 'todo', 'disabled'),
      }
    }),
  )
  const counts = existsSync(countsFile) ? readFileSync(countsFile, 'utf8').trimEnd().split('\n') : []
  const limits = existsSync(benchFile) ? JSON.parse(readFileSync(benchFile, 'utf8')).rows : []
  return { files, counts: counts.map((line) => JSON.parse(line)), limits }
}
