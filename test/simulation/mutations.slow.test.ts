import { describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations/index.ts'
import { simulate } from './script.ts'

const TIMEOUT_MS = 600_000

describe('the simulation finds out a version that lacks one rule', () => {
  it('and names them', async () => {
    const { stdout } = await simulate('--list-mutations')
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0]),
    ).toEqual(MUTATIONS.map(({ name }) => name))
  })

  it.each(MUTATIONS)(
    '$name: $rule',
    async ({ name, within }) => {
      const { code, stdout } = await simulate('--mutation', name)
      expect(stdout).toMatch(new RegExp(`^${name}: found by seed \\d+: `))
      expect(code).toBe(0)
      expect(Number(/seed (\d+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(within)
    },
    TIMEOUT_MS,
  )

  it.each(MUTATIONS)(
    '$name: the right version survives the same schedules',
    async ({ name, within }) => {
      const { code, stderr } = await simulate('--profile', name, '--schedules', `${Math.min(within, 25)}`)
      expect(stderr).not.toContain('broke a promise')
      expect(code).toBe(0)
    },
    TIMEOUT_MS,
  )
})
