import { beforeAll, describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations/index.ts'
import { simulate } from './script.ts'

const TIMEOUT_MS = 600_000

describe('the simulation finds a version that', () => {
  const found = new Map<string, string>()
  let code: number | undefined

  beforeAll(async () => {
    const run = await simulate('--mutation', 'all')
    for (const line of run.stdout.trim().split('\n')) found.set(line.split(': ')[0]!, line)
    code = run.code
  }, TIMEOUT_MS)

  it.each(MUTATIONS.map(({ name, rule, within }) => [name, rule, within] as const))(
    'lacks a rule, in a schedule that the right version survives: %s, %s',
    (name, _, within) => {
      const seed = /: found by seed (\d+): /.exec(found.get(name) ?? '')?.[1]
      expect(seed, found.get(name)).toBeDefined()
      expect(Number(seed)).toBeLessThanOrEqual(within)
    },
  )

  it('and says so when it has not', () => {
    expect(code).toBe(0)
    expect([...found.keys()]).toEqual(MUTATIONS.map(({ name }) => name))
  })
})

describe('npm run simulate', () => {
  it('names the mutations and the profiles', async () => {
    const names = async (flag: string) =>
      (await simulate(flag)).stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0])
    const mutations = MUTATIONS.map(({ name }) => name)
    expect(await names('--list-mutations')).toEqual(mutations)
    expect(await names('--list-profiles')).toEqual(['everything', ...mutations])
  })

  it(
    'tells what a failing seed did, the same each time',
    async () => {
      const twice = [await simulate('--mutation', 'no-barrier'), await simulate('--mutation', 'no-barrier')]
      expect(twice[0]!.stderr).toContain('history:')
      expect(twice[0]!.stderr).toMatch(/\d+\.\d{3} s {2}keeper 1 collect …/)
      expect(twice[1]).toEqual(twice[0])
    },
    TIMEOUT_MS,
  )

  it.each([['--schedules', '0'], ['--mutation', 'nothing'], ['--profile', 'nobody'], ['--nonsense']])(
    'refuses %s %s',
    async (...args) => {
      const { code, stderr, stdout } = await simulate(...args.filter((arg) => arg !== undefined))
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('usage: npm run simulate')
    },
  )
})
