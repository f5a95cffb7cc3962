import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/core/nearest.ts'

describe('the nearest known word', () => {
  it.each([
    ['regoin', 'region'],
    ['Region', 'region'],
    ['endpont', 'endpoint'],
    ['forcepathstyle', 'forcePathStyle'],
    ['path-style', undefined],
    ['xyz', undefined],
    ['', undefined],
  ])('to %j is %j', (word, expected) => {
    expect(nearest(word, ['region', 'endpoint', 'forcePathStyle'])).toBe(expected)
  })

  it('is the first of several that are equally near', () => {
    expect(nearest('ab', ['abc', 'abd'])).toBe('abc')
    expect(nearest('anything', [])).toBeUndefined()
  })
})
