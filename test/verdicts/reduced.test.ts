import { describe, expect, it } from 'vitest'
import { testVerdicts } from '../../src/testing/index.ts'
import { memoryPlace } from './places.ts'
import { options, parts, thinned } from './reduced.ts'

const suite = testVerdicts({ name: 'memory', open: async () => memoryPlace() }, options)
const names = (cases: readonly { name: string }[], part: 'kind' | 'fate') => [
  ...new Set(cases.map(({ name }) => parts(name)[part])),
]

describe('the verdicts that are tried on each driver when not everything is to be proven', () => {
  const { cases } = thinned(suite)

  it('are a third of all or less', () => {
    expect(cases.length).toBeLessThan(suite.cases.length / 3)
  })

  it.each(['kind', 'fate'] as const)('leave out no %s', (part) => {
    expect(names(cases, part)).toEqual(expect.arrayContaining(names(suite.cases, part)))
  })

  it('try each kind of head write with several fates', () => {
    for (const kind of names(suite.cases, 'kind').filter((name) => name !== '')) {
      const all = suite.cases.filter(({ name }) => parts(name).kind === kind).length
      expect(cases.filter(({ name }) => parts(name).kind === kind).length, kind).toBeGreaterThanOrEqual(
        Math.min(all, 3),
      )
    }
  })
})
