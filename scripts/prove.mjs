// `npm run prove`: the full counts behind every promise, and docs/proof.md, which says what came of them. `.ci/run` runs the same with reduced counts.
// Each stage leaves its result in .proof, and one that passed at this very commit is not run again: a run that was ended goes on where it stopped.
// A stage that fails does not keep the others from running. The page is written when every stage has a result.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, homedir, hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { proofPage } from './proof-page.mjs'
import {
  apart,
  discreet,
  missing,
  plan,
  proofOptions,
  readJournal,
  readRecords,
  STAGES,
  USAGE,
  writeRecord,
} from './proof-records.mjs'
import { stage } from './stages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGE = 'docs/proof.md' // says what was found, and changes nothing that is tested
const RECORDS = join(ROOT, '.proof')
const REPORTER = fileURLToPath(new URL('proof-reporter.mjs', import.meta.url))
/** Lines of standard error that say what failed: steps, and seeds of the simulation. */
const FAILING = /^── .*: FAILED|^seed \d+ broke a promise/
const DRAIN_MS = 10_000 // for what was written to be read, once the process has ended

const say = (line) => process.stderr.write(`${line}\n`)

let options
try {
  options = proofOptions(process.argv.slice(2))
} catch (error) {
  say(`${error.message}\n${USAGE}`)
  process.exit(2)
}
process.exitCode = options.page ? writePage() : await prove(options)

async function prove({ fresh, named }) {
  const records = readRecords(RECORDS)
  const now = { commit: commit(), changed: changed(), differing }
  const { run, takenOver } = plan(records, now, { fresh, named })
  for (const id of takenOver)
    say(`── ${id}: taken over, it passed at ${records.get(id).commit} on ${records.get(id).at}`)
  let passed = true
  for (const one of STAGES.filter(({ id }) => run.includes(id))) if (!(await runStage(one))) passed = false
  const recorded = readRecords(RECORDS)
  if (named.length > 0 && missing(recorded).length > 0) sayMissing(recorded)
  else if (writePage() !== 0 && named.length === 0) passed = false
  return passed ? 0 : 1
}

/** From what is recorded. @returns The exit code: 1 also when something failed. */
function writePage() {
  const records = readRecords(RECORDS)
  if (missing(records).length > 0) {
    sayMissing(records)
    return 1
  }
  const now = { commit: commit(), differing }
  const stages = STAGES.map(({ id }) => records.get(id)).map((record) => ({ ...record, apart: apart(record, now) }))
  writeFileSync(join(ROOT, PAGE), proofPage({ commit: now.commit, date: new Date().toISOString(), stages }))
  say(`${PAGE} is written`)
  return stages.every(({ passed }) => passed) ? 0 : 1
}

function sayMissing(records) {
  say(`${PAGE} is not written: there is no result of ${missing(records).join(', ')}`)
}

/** Runs and records. Until it has ended the record says that it has not, so that nothing older passes for its result. */
async function runStage({ id, script, args, full, tells = false, vitest = false, bench = false }) {
  const folder = mkdtempSync(join(tmpdir(), 'keelstate-proof-'))
  const [journal, benchFile] = [join(folder, 'journal.jsonl'), join(folder, 'bench.json')]
  const name = ['npm run', script, ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
  const before = {
    id,
    name,
    commit: commit(),
    changed: changed(),
    at: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
  }
  const nothing = { says: [], files: [], counts: [], limits: [] }
  writeRecord(RECORDS, { ...before, passed: false, seconds: 0, ...nothing, failures: ['did not come to its end'] })
  const started = performance.now()
  try {
    const also = [
      ...(vitest ? ['--reporter=default', `--reporter=${REPORTER}`] : []),
      ...(bench ? ['--json', benchFile] : []),
    ]
    const environment = { KEELSTATE_PROVE: full ? '1' : '', ...(vitest ? { KEELSTATE_PROOF: journal } : {}) }
    const said = { lines: [], failing: [] }
    const passed = await stage(name, () => npm(script, [...args, ...also], environment, tells, said)).then(
      () => true,
      (error) => {
        say(error.message)
        said.failing.push(error.message)
        return false
      },
    )
    const { files, counts, unhandled } = readJournal(existsSync(journal) ? readFileSync(journal, 'utf8') : '')
    const result = {
      ...before,
      changed: before.changed || changed() || before.commit !== commit(), // or somebody worked here while it ran
      passed,
      seconds: (performance.now() - started) / 1000,
      says: presentable(said.lines),
      failures: passed ? [] : presentable([...said.failing, ...unhandled.map((message) => `unhandled: ${message}`)]),
      files: files.map((file) => ({ ...file, failures: presentable(file.failures) })),
      counts,
      limits: readRows(benchFile),
    }
    writeRecord(RECORDS, result)
    return passed
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a script, and keeps what it prints as its result, if it `tells`, and what it says of failures. */
function npm(script, args, environment, tells, said) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', script, ...(args.length > 0 ? ['--', ...args] : [])], {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['ignore', tells ? 'pipe' : 'inherit', 'pipe'],
    })
    const texts = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) {
      child[stream]?.setEncoding('utf8').on('data', (chunk) => {
        texts[stream] += chunk
        process[stream].write(chunk)
      })
    }
    const lines = (text) => text.split('\n').filter((line) => line.trim() !== '')
    let draining
    const end = (code, signal) => {
      clearTimeout(draining)
      for (const stream of [child.stdout, child.stderr]) stream?.destroy()
      said.lines = lines(texts.stdout)
      said.failing = lines(texts.stderr).filter((line) => FAILING.test(line))
      if (code === 0) resolve()
      else reject(new Error(`npm run ${script} ended with ${code ?? signal}`))
    }
    child.once('error', reject)
    child.once('close', end)
    // What a stage started and did not end may hold its output open for ever: then what was written until now is all.
    child.once('exit', (code, signal) => {
      draining = setTimeout(end, DRAIN_MS, code, signal)
    })
  })
}

/** None when the bench was ended before it could write them whole. */
function readRows(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).rows
  } catch {
    return []
  }
}

/** For a page that others read. */
function presentable(value) {
  const named = [
    [ROOT, ''],
    [ROOT.slice(0, -1), '.'],
    [tmpdir(), '$TMPDIR'],
    [homedir(), '~'],
    [hostname(), 'this-host'],
  ]
  return discreet(
    value,
    named
      .filter(([text]) => text.length > 1 && text !== 'localhost')
      .sort(([one], [other]) => other.length - one.length),
  )
}

function git(...args) {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

function commit() {
  return git('rev-parse', 'HEAD')
}

/** Files that git does not know count too: a test among them would run. */
function changed() {
  return git('status', '--porcelain', '--', ':/', `:(exclude)${PAGE}`) !== ''
}

/** Undefined for a commit that this clone does not have. */
function differing(other) {
  try {
    const names = git('diff', '--name-only', '--no-renames', '-z', other, 'HEAD', '--', ':/', `:(exclude)${PAGE}`)
    return names.split('\0').filter((name) => name !== '')
  } catch {
    return undefined
  }
}
