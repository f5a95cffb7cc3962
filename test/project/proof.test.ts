import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT } from './source-files.ts'

const script = (name: string) => import(new URL(`../../scripts/${name}.mjs`, import.meta.url).href)
const { proofPage } = await script('proof-page')
const { apart, discreet, missing, plan, proofOptions, readJournal, readRecords, writeRecord } =
  await script('proof-records')
const { default: ProofReporter } = await script('proof-reporter')

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const OTHER = 'fedcba9876543210fedcba9876543210fedcba98'
const RAN = {
  passed: true,
  at: '2026-01-02T03:04:05.678Z',
  commit: COMMIT,
  changed: false,
  node: 'v24.1.0',
  platform: 'linux x64',
  cores: 2,
  says: [],
  failures: [],
  files: [],
  counts: [],
  limits: [],
}
const TEST = {
  ...RAN,
  id: 'test',
  name: 'npm run test',
  seconds: 3_725.9,
  files: [
    { file: 'test/core/model.test.ts', passed: 1, failed: 0, skipped: 0, failures: [] },
    { file: 'test/file/a.test.ts', passed: 1_200, failed: 0, skipped: 2, failures: [] },
    { file: 'test/file/b.test.ts', passed: 3, failed: 0, skipped: 0, failures: [] },
  ],
  counts: [
    { file: 'test/core/model.test.ts', counts: { runs: 1_000, 'steps of each': 220 }, seeds: '1–1000' },
    { file: 'test/core/model.test.ts', counts: { processes: 3 } },
  ],
}
const SIMULATE = {
  ...RAN,
  id: 'simulate',
  name: 'npm run simulate',
  seconds: 59.9,
  says: ['100000 schedules from seed 1: 0 with violations'],
}
const BENCH = {
  ...RAN,
  id: 'bench',
  name: 'npm run bench',
  seconds: 80,
  limits: [
    { name: 'an empty head', unit: 'B', measured: 412, limit: 600, ok: true, missed: false },
    { name: 'commits', unit: '/s', measured: 5_210.4, atLeast: 1_000, ok: true, missed: false },
  ],
}
const page = (...stages: object[]): string => proofPage({ commit: COMMIT, date: '2026-01-02T05:00:00.000Z', stages })

describe('the page that npm run prove writes', () => {
  it('says of which commit, when, where, and what came of every stage, count and limit', () => {
    expect(page(TEST, SIMULATE, BENCH)).toBe(`# Proof

What \`npm run prove\` found: all that CI runs with reduced counts, in full. The command writes this page; nobody edits it.

|  |  |
|---|---|
| commit | \`0123456789abcdef0123456789abcdef01234567\` |
| date | 2026-01-02T05:00:00.000Z |
| machine | Node v24.1.0, linux x64, 2 cores |
| result | everything passed |

## Stages

| stage | result | begun | time | commit |
|---|---|---|---|---|
| \`npm run test\` | passed | 2026-01-02T03:04:05.678Z | 62 min 5 s | \`0123456789ab\` |
| \`npm run simulate\` | passed | 2026-01-02T03:04:05.678Z | 59 s | \`0123456789ab\` |
| \`npm run bench\` | passed | 2026-01-02T03:04:05.678Z | 1 min 20 s | \`0123456789ab\` |

\`npm run simulate\`:

- 100000 schedules from seed 1: 0 with violations

## Full counts

| checked by | counts | seeds | result |
|---|---|---|---|
| \`test/core/model.test.ts\` | 1,000 runs; 220 steps of each; 3 processes | 1–1000 | 1 tests passed |

All 2 other test files: 1,203 tests passed, 2 do not apply here.

## Limits

| what | measured | limit | result |
|---|---|---|---|
| an empty head | 412 B | ≤ 600 | passed |
| commits | 5,210 /s | ≥ 1,000 | passed |
`)
  })

  it('shows what failed, by file and test, and what reported counts and never came to an end', () => {
    const failures = [{ message: 'no such import' }, { test: 'a save › lands', message: 'expected 1 | 2 to be 3' }]
    const text = page(
      {
        ...TEST,
        passed: false,
        failures: ['npm run test ended with 1'],
        files: [{ file: 'test/file/a.test.ts', passed: 1, failed: 2, skipped: 0, failures }],
      },
      { ...BENCH, limits: BENCH.limits.map((limit) => ({ ...limit, ok: false })) },
    )
    expect(text).toContain('| result | FAILED: `npm run test` |')
    expect(text).toContain('| `npm run test` | FAILED | 2026-01-02T03:04:05.678Z | 62 min 5 s |')
    expect(text).toContain(`\`npm run test\` failed:

- npm run test ended with 1
- \`test/file/a.test.ts\`: no such import
- \`test/file/a.test.ts\` › a save › lands: expected 1 \\| 2 to be 3
`)
    expect(text).toContain('3 processes | 1–1000 | NOT RUN |')
    expect(text).toContain('All 1 other test files: 2 tests FAILED, 1 tests passed.')
    expect(text).toContain('| an empty head | 412 B | ≤ 600 | FAILED |')
  })

  it('tells a limit that is missed by no more than is known from one that is exceeded', () => {
    const text = page({ ...BENCH, limits: BENCH.limits.map((limit) => ({ ...limit, ok: false, missed: true })) })
    expect(text).toContain('| missed, as [performance.md](performance.md) says |')
  })

  it('names stages of another commit, with the files that differ, and of a tree with changes', () => {
    const text = page(
      TEST,
      { ...SIMULATE, commit: OTHER, apart: { changed: false, commit: OTHER, files: ['src/core/head.ts', 'b.md'] } },
      { ...BENCH, changed: true, apart: { changed: true, commit: COMMIT, files: [] } },
    )
    expect(text).toContain('| result | everything passed; NOT of this commit: `npm run simulate`, `npm run bench` |')
    expect(text).toContain('59 s | `fedcba987654` |')
    expect(text).toContain('`0123456789ab`, with changes that are not committed |')
    expect(
      text,
    ).toContain(`\`npm run simulate\` ran at \`${OTHER}\`. Between it and the commit of this page these files differ:

- \`src/core/head.ts\`
- \`b.md\`
`)
    expect(text).toContain('`npm run bench` ran on changes that no commit has.')
    const lost = page({ ...TEST, commit: OTHER, apart: { changed: false, commit: OTHER, files: undefined } })
    expect(lost).toContain(`ran at \`${OTHER}\`, which git could not compare with the commit of this page.`)
    expect(lost).toContain('everything passed; NOT of this commit: `npm run test` |')
  })

  it('names the machine of each stage where there was more than one', () => {
    expect(page(TEST, SIMULATE, { ...BENCH, cores: 8 })).toContain(
      '| machine | Node v24.1.0, linux x64, 2 cores (`npm run test`, `npm run simulate`); Node v24.1.0, linux x64, 8 cores (`npm run bench`) |',
    )
  })

  it('has in this repository the same form, and names no host and no folder of who ran it', () => {
    const path = join(ROOT, 'docs/proof.md')
    if (!existsSync(path)) return
    const written = readFileSync(path, 'utf8')
    const headings = (text: string) =>
      text.split('\n').filter((line) => /^#|^\|-|^\| (commit|date|machine|result) /.test(line))
    const withoutValues = (text: string) => headings(text).map((line) => line.split(' | ')[0])
    expect(withoutValues(written)).toEqual(withoutValues(page(TEST, SIMULATE, BENCH)))
    for (const secret of [hostname(), homedir(), ROOT]) expect(written).not.toContain(secret)
  })
})

describe('what npm run prove takes over from before', () => {
  const ALL = ['check', 'test', 'test:engines', 'simulate', 'mutations', 'bench']
  const records = (change: Record<string, object | undefined> = {}) =>
    new Map(ALL.filter((id) => !(id in change) || change[id]).map((id) => [id, { ...RAN, id, ...change[id] }]))
  const now = { commit: COMMIT, changed: false, differing: (): string[] | undefined => ['src/a.ts'] }
  const rest = { fresh: false, named: [] as string[] }

  it('is what passed at this very commit: the rest runs, in order', () => {
    const some = records({ bench: { passed: false }, 'test:engines': undefined, check: { commit: OTHER } })
    expect(plan(some, now, rest)).toEqual({
      run: ['check', 'test:engines', 'bench'],
      takenOver: ['test', 'simulate', 'mutations'],
    })
    expect(plan(records(), now, rest)).toEqual({ run: [], takenOver: ALL })
    expect(plan(new Map(), now, rest)).toEqual({ run: ALL, takenOver: [] })
  })

  it('is what passed at a commit from which nothing but the page differs, and not what git cannot compare', () => {
    const older = records({ test: { commit: OTHER } })
    expect(plan(older, { ...now, differing: () => [] }, rest).run).toEqual([])
    expect(plan(older, { ...now, differing: () => undefined }, rest).run).toEqual(['test'])
  })

  it('is nothing that ran on changes, nothing while there are changes, and nothing when all is asked for afresh', () => {
    expect(plan(records({ bench: { changed: true } }), now, rest).run).toEqual(['bench'])
    expect(plan(records(), { ...now, changed: true }, rest)).toEqual({ run: ALL, takenOver: [] })
    expect(plan(records(), now, { ...rest, fresh: true })).toEqual({ run: ALL, takenOver: [] })
  })

  it('is not asked about when stages are named: these run', () => {
    expect(plan(records(), now, { fresh: false, named: ['bench', 'check'] })).toEqual({
      run: ['check', 'bench'],
      takenOver: [],
    })
  })

  it('stands apart from the page with what is different, else not at all', () => {
    expect(apart(RAN, now)).toBeUndefined()
    expect(apart({ ...RAN, changed: true }, now)).toEqual({ changed: true, commit: COMMIT, files: [] })
    expect(apart({ ...RAN, commit: OTHER }, now)).toEqual({ changed: false, commit: OTHER, files: ['src/a.ts'] })
    expect(apart({ ...RAN, commit: OTHER }, { ...now, differing: () => [] })).toBeUndefined()
  })
})

describe('the command line of npm run prove', () => {
  it('takes stages, --fresh or --page', () => {
    expect(proofOptions([])).toEqual({ fresh: false, page: false, named: [] })
    expect(proofOptions(['--fresh'])).toEqual({ fresh: true, page: false, named: [] })
    expect(proofOptions(['--page'])).toEqual({ fresh: false, page: true, named: [] })
    expect(proofOptions(['test:engines', 'mutations']).named).toEqual(['test:engines', 'mutations'])
  })

  it.each([
    [['tests'], 'no such stage: tests'],
    [['--force'], "Unknown option '--force'"],
    [['--page', 'test'], '--page runs nothing'],
    [['--page', '--fresh'], '--page runs nothing'],
  ])('refuses %j', (args, message) => {
    expect(() => proofOptions(args)).toThrow(message)
  })
})

describe('the records of npm run prove', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keelstate-records-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are read as they were written, one file a stage, for nobody else to read', () => {
    const inside = join(folder, 'records')
    expect(readRecords(inside).size).toBe(0)
    writeRecord(inside, { ...TEST, passed: false })
    writeRecord(inside, TEST)
    writeRecord(inside, { ...RAN, id: 'test:engines' })
    expect(readdirSync(inside).sort()).toEqual(['test-engines.json', 'test.json'])
    expect(readRecords(inside).get('test')).toMatchObject(TEST)
    expect(missing(readRecords(inside))).toEqual(['check', 'simulate', 'mutations', 'bench'])
    if (process.platform !== 'win32') expect(statSync(join(inside, 'test.json')).mode & 0o077).toBe(0)
  })

  it.each([
    ['cut', '{"format":"keelstate-proof-st'],
    ['of another version', '{"format":"keelstate-proof-stage/0","id":"test","passed":true}'],
    ['of another stage', '{"format":"keelstate-proof-stage/1","id":"bench","passed":true}'],
  ])('are none when they are %s', (_, text) => {
    writeFileSync(join(folder, 'test.json'), text)
    expect(readRecords(folder).size).toBe(0)
  })

  it('keep what was known of a run that was killed: a file that was begun has failed', () => {
    const ended = { file: 'a.test.ts', passed: 2, failed: 0, skipped: 0, failures: [] }
    const lines = [
      { file: 'a.test.ts', begun: true },
      { file: 'b.test.ts', begun: true },
      { file: 'a.test.ts', counts: { runs: 7 }, seeds: '1–7' },
      ended,
      { unhandled: 'thrown beside' },
    ]
    expect(readJournal(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"file":"c.te`)).toEqual({
      files: [
        ended,
        { file: 'b.test.ts', passed: 0, failed: 1, skipped: 0, failures: [{ message: 'did not come to its end' }] },
      ],
      counts: [{ file: 'a.test.ts', counts: { runs: 7 }, seeds: '1–7' }],
      unhandled: ['thrown beside'],
    })
    expect(readJournal('')).toEqual({ files: [], counts: [], unhandled: [] })
  })

  it('have no colours, and no folders of who ran it', () => {
    const names = [
      ['/home/ann/keelstate/', ''],
      ['/home/ann', '~'],
    ]
    expect(discreet(['\u001b[31mno\u001b[39m /home/ann/keelstate/src/a.ts'], names)).toEqual(['no src/a.ts'])
    expect(discreet([{ test: 'opens', message: 'at /home/ann/x' }], names)).toEqual([
      { test: 'opens', message: 'at ~/x' },
    ])
  })
})

describe('what the reporter of npm run prove notes of a file', () => {
  let folder: string
  const proof = process.env.KEELSTATE_PROOF
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keelstate-journal-'))
    process.env.KEELSTATE_PROOF = join(folder, 'journal')
  })
  afterEach(() => {
    if (proof === undefined) delete process.env.KEELSTATE_PROOF
    else process.env.KEELSTATE_PROOF = proof
    rmSync(folder, { recursive: true, force: true })
  })

  const module = (file: string, tests: object[], errors: object[] = [], state = 'failed') => ({
    moduleId: join(process.cwd(), file),
    state: () => state,
    errors: () => errors,
    children: {
      allTests: () => tests,
      allSuites: () => [{ fullName: 'a group', errors: () => (state === 'failed' ? [{ message: 'hook\nmore' }] : []) }],
    },
  })
  const test = (fullName: string, state: string, ...messages: string[]) => ({
    fullName,
    result: () => ({ state, errors: messages.map((message) => ({ message })) }),
  })
  const noted = () => readJournal(readFileSync(join(folder, 'journal'), 'utf8'))

  it('is how its tests ended, and the first line of why', () => {
    const reporter = new ProofReporter()
    const tests = [test('one', 'passed'), test('two', 'failed', 'wrong\nat x'), test('three', 'skipped')]
    reporter.onTestModuleStart(module('a.test.ts', tests))
    reporter.onTestModuleEnd(module('a.test.ts', tests))
    expect(noted().files).toEqual([
      {
        file: 'a.test.ts',
        passed: 1,
        failed: 1,
        skipped: 1,
        failures: [
          { test: 'a group', message: 'hook' },
          { test: 'two', message: 'wrong' },
        ],
      },
    ])
  })

  it('is a failure when it could not even be read, and when something was thrown beside it', () => {
    const reporter = new ProofReporter()
    reporter.onTestModuleEnd(module('a.test.ts', [], [{ message: 'no such import' }]))
    reporter.onTestModuleEnd(module('b.test.ts', [test('one', 'passed')], [], 'passed'))
    reporter.onTestRunEnd([], [{ message: 'thrown beside' }])
    const { files, unhandled } = noted()
    expect(files[0]).toMatchObject({ failed: 1, failures: [{ message: 'no such import' }, { message: 'hook' }] })
    expect(files[1]).toEqual({ file: 'b.test.ts', passed: 1, failed: 0, skipped: 0, failures: [] })
    expect(unhandled).toEqual(['thrown beside'])
  })
})
