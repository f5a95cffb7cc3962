import assert from 'node:assert/strict'
import { expect, it } from 'vitest'
import { registerSuite, runSuite, type Suite, type SuiteCase, tableProblems } from '../../src/testing/index.ts'
import { program, start } from '../file/children.ts'

const TABLE = 'the suite tries every capability that the manifest claims'

function suiteOf(cases: SuiteCase<{ n: number }>[], manifest: Record<string, boolean> = {}) {
  const log: string[] = []
  let n = 0
  const suite: Suite<{ n: number }> = {
    name: 'a port',
    cases,
    manifest: async () => manifest,
    async open() {
      n += 1
      log.push(`open ${n}`)
      return { n }
    },
    async close(context) {
      log.push(`close ${context.n}`)
    },
  }
  return { suite, log }
}

it('each case gets a context of its own, which is closed whether the case passes or fails', async () => {
  const failure = new assert.AssertionError({ message: 'not so' })
  const { suite, log } = suiteOf([
    { name: 'passes', run: async () => {} },
    { name: 'fails', run: async () => Promise.reject(failure) },
    { name: 'passes too', run: async (context) => assert.equal(context.n, 3) },
  ])
  const report = await runSuite(suite)
  expect(report).toEqual({
    suite: 'a port',
    results: [
      { name: TABLE, outcome: 'passed' },
      { name: 'passes', outcome: 'passed' },
      { name: 'fails', outcome: 'failed', error: failure },
      { name: 'passes too', outcome: 'passed' },
    ],
  })
  expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2', 'open 3', 'close 3'])
})

it('a case that the manifest rules out is reported as not applicable, with the reason, and is not run', async () => {
  const run = async () => assert.fail('this was run')
  const { suite, log } = suiteOf(
    [
      { name: 'needs a', needs: ['a', 'b'], run: async () => {} },
      { name: 'needs c', needs: ['a', 'c'], run },
      { name: 'unless a', unless: ['a'], run },
      { name: 'unless c', unless: ['c'], run: async () => {} },
    ],
    { a: true, b: true, c: false },
  )
  const { results } = await runSuite(suite)
  expect(results.slice(1)).toEqual([
    { name: 'needs a', outcome: 'passed' },
    { name: 'needs c', outcome: 'not-applicable', reason: 'not applicable by the manifest, which does not claim c' },
    { name: 'unless a', outcome: 'not-applicable', reason: 'not applicable by the manifest, which claims a' },
    { name: 'unless c', outcome: 'passed' },
  ])
  expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2'])
})

it('a table that leaves a claimed capability untried, or asks for an unknown one, fails by itself', async () => {
  const run = async () => {}
  expect(tableProblems([{ name: 'x', needs: ['a'], run }], { a: true, b: false })).toEqual([])
  const cases = [
    { name: 'x', needs: ['typo'], run },
    { name: 'x', unless: ['a'], run },
  ]
  expect(tableProblems(cases, { a: true })).toEqual([
    '"x" asks for "typo", which the manifest does not know',
    'two cases are named "x"',
    '"a" is claimed and no case tries it',
  ])
  const { results } = await runSuite(suiteOf(cases, { a: true }).suite)
  expect(results[0]).toMatchObject({ name: TABLE, outcome: 'failed' })
})

it('a case that never ends fails after its time, and the next one runs', async () => {
  const { suite } = suiteOf([
    { name: 'hangs', run: () => new Promise(() => {}) },
    { name: 'runs', run: async () => {} },
  ])
  const { results } = await runSuite(suite, 50)
  expect(results.slice(1)).toMatchObject([
    { outcome: 'failed', error: { message: expect.stringContaining('50 ms') } },
    { outcome: 'passed' },
  ])
})

it('a runner gets one group with every case, and hears why a case does not apply', async () => {
  const { suite } = suiteOf([{ name: 'needs a', needs: ['a'], run: async () => {} }], { a: false })
  const registered: [string, number | undefined][] = []
  const skipped: string[] = []
  const bodies: ((context?: unknown) => Promise<void>)[] = []
  registerSuite(
    suite,
    {
      describe: (name, body) => {
        registered.push([name, undefined])
        body()
      },
      it: (name, body, timeoutMs) => {
        registered.push([name, timeoutMs])
        bodies.push(body)
      },
    },
    1_234,
  )
  expect(registered).toEqual([
    ['a port', undefined],
    [TABLE, 1_234],
    ['needs a', 1_234],
  ])
  await bodies[1]!({ skip: (reason: string) => skipped.push(reason) })
  expect(skipped).toEqual(['not applicable by the manifest, which does not claim a'])
  await bodies[1]!() // a runner without contexts
})

it('runs under node:test, which sees what passes, what does not apply and what fails', async () => {
  const file = await program(new URL('programs/node-test.ts', import.meta.url))
  const good = await start(process.execPath, ['--test-reporter=tap', file]).ended
  expect(good.stderr).toBe('')
  expect(good.code).toBe(0)
  expect(good.stdout).toMatch(/# fail 0\n/)
  expect(good.stdout).toMatch(/# SKIP not applicable by the manifest, which does not claim denied/)
  const broken = await start(process.execPath, ['--test-reporter=tap', file, '--broken']).ended
  expect(broken.code).toBe(1)
  expect(broken.stdout).toMatch(/not ok \d+ - keys come in ascending order of their bytes/)
})
