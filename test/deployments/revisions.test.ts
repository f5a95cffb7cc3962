import { describe, expect, it } from 'vitest'
import { nextRevisionId, sortRevisions } from '../../src/deployments/index.ts'

describe('revision ids', () => {
  it('sort as in the contract’s golden case', () => {
    const golden = ['…00Z', '…00Z_2', '…00Z_10', '…00.1Z', '…01Z'].map((id) => id.replace('…', '2026-05-30T12:00:'))
    const input = Object.freeze(['invalid-z', ...[...golden].reverse(), 'invalid-a'])
    expect(sortRevisions(input)).toEqual([...golden, 'invalid-a', 'invalid-z'])
    expect(sortRevisions(null)).toEqual([])
  })

  it('are the time in UTC without trailing zeros', () => {
    expect(nextRevisionId(Date.UTC(2026, 4, 30, 12))).toBe('2026-05-30T12:00:00Z')
    expect(nextRevisionId(Date.UTC(2026, 4, 30, 12, 0, 0, 120))).toBe('2026-05-30T12:00:00.12Z')
    expect(nextRevisionId(-1)).toBe('1969-12-31T23:59:59.999Z')
  })

  it.each([
    ['2026-05-30T12:00:00Z', '2026-05-30T12:00:00.000000001Z'],
    ['2026-05-30T12:00:00Z_7', '2026-05-30T12:00:00.000000001Z'],
    ['2026-05-30T14:00:00.999999999+02:00', '2026-05-30T12:00:01Z'],
    ['2031-01-01T00:00:00.5Z', '2031-01-01T00:00:00.500000001Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z_1'],
    ['9999-12-31T23:59:59.999999999Z_1', '9999-12-31T23:59:59.999999999Z_2'],
    ['no time at all', '2026-05-30T12:00:00Z'],
    ['2026-05-30T11:59:59.999999999Z', '2026-05-30T12:00:00Z'],
  ])('after %s comes %s', (newest, next) => {
    expect(nextRevisionId(Date.UTC(2026, 4, 30, 12), newest)).toBe(next)
  })

  it('keep their order when the clock stands still or goes back', () => {
    const ids: string[] = []
    for (let i = 0; i < 100; i++) ids.push(nextRevisionId(Date.UTC(2026, 4, 30, 12) - i, ids.at(-1)))
    expect(sortRevisions([...ids].reverse())).toEqual(ids)
    expect(new Set(ids).size).toBe(100)
  })

  it('are not made from a clock that shows no year of four digits', () => {
    expect(() => nextRevisionId(Date.UTC(10_000, 0, 1))).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
    expect(() => nextRevisionId(Number.NaN)).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  })
})
