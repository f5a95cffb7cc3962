import { existsSync, readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './source-files.ts'

const { proofPage } = await import(new URL('../../scripts/proof-page.mjs', import.meta.url).href)

const PROOF = {
  commit: '0123456789abcdef0123456789abcdef01234567',
  changed: false,
  date: '2026-01-02T03:04:05.678Z',
  node: 'v24.1.0',
  platform: 'linux x64',
  cores: 2,
  stages: [
    { name: 'npm run test', passed: true, seconds: 3_725.9, says: [] },
    {
      name: 'npm run simulate',
      passed: true,
      seconds: 59.9,
      says: ['100000 schedules from seed 1: 0 with violations'],
    },
  ],
  files: [
    { file: 'test/core/model.test.ts', passed: 1, failed: 0, skipped: 0 },
    { file: 'test/file/a.test.ts', passed: 1_200, failed: 0, skipped: 2 },
    { file: 'test/file/b.test.ts', passed: 3, failed: 0, skipped: 0 },
  ],
  counts: [
    { file: 'test/core/model.test.ts', counts: { runs: 1_000, 'steps of each': 220 }, seeds: '1–1000' },
    { file: 'test/core/model.test.ts', counts: { processes: 3 } },
  ],
  limits: [
    { name: 'an empty head', unit: 'B', measured: 412, limit: 600, ok: true },
    { name: 'commits', unit: '/s', measured: 5_210.4, atLeast: 1_000, ok: true },
  ],
}

describe('the page that npm run prove writes', () => {
  it('says of which commit, when, where, and what came of every stage, count and limit', () => {
    expect(proofPage(PROOF)).toBe(`# Proof

What \`npm run prove\` found: all that CI runs with reduced counts, in full. The command writes this page; nobody edits it.

|  |  |
|---|---|
| commit | \`0123456789abcdef0123456789abcdef01234567\` |
| date | 2026-01-02T03:04:05.678Z |
| machine | Node v24.1.0, linux x64, 2 cores |
| result | everything passed |

## Stages

| stage | result | time |
|---|---|---|
| \`npm run test\` | passed | 62 min 5 s |
| \`npm run simulate\` | passed | 59 s |

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

  it('shows what failed, and what reported counts and never came to an end', () => {
    const page = proofPage({
      ...PROOF,
      changed: true,
      stages: PROOF.stages.map((stage, at) => ({ ...stage, passed: at > 0 })),
      files: [{ file: 'test/file/a.test.ts', passed: 1, failed: 2, skipped: 0 }],
      limits: PROOF.limits.map((limit) => ({ ...limit, ok: false })),
    })
    expect(page).toContain('01234567`, with changes that are not committed |')
    expect(page).toContain('| result | FAILED: `npm run test` |')
    expect(page).toContain('| `npm run test` | FAILED | 62 min 5 s |')
    expect(page).toContain('3 processes | 1–1000 | NOT RUN |')
    expect(page).toContain('All 1 other test files: 2 tests FAILED, 1 tests passed.')
    expect(page).toContain('| an empty head | 412 B | ≤ 600 | FAILED |')
  })

  it('has in this repository the same form, and names no host and no folder of who ran it', () => {
    const path = join(ROOT, 'docs/proof.md')
    if (!existsSync(path)) return
    const page = readFileSync(path, 'utf8')
    const headings = (text: string) =>
      text.split('\n').filter((line) => /^#|^\|-|^\| (commit|date|machine|result) /.test(line))
    const withoutValues = (text: string) => headings(text).map((line) => line.split(' | ')[0])
    expect(withoutValues(page)).toEqual(withoutValues(proofPage(PROOF)))
    for (const secret of [hostname(), homedir(), ROOT]) expect(page).not.toContain(secret)
  })
})
