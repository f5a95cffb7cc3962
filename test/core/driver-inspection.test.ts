import { describe, expect, it } from 'vitest'
import { isAboutStore } from '../../src/core/driver-inspection.ts'

describe('a rule of a bucket', () => {
  it.each([
    ['', ''],
    ['', 'heads/'],
    ['', 'loc'],
    ['', 'objects/state/shop/'],
    ['', 'store'],
    ['team/prod/', ''],
    ['team/prod/', 'team/'],
    ['team/prod/', 'team/prod/records/'],
    ['team/prod/', 'team/prod/objects'],
  ])('in the store with the prefix "%s" is about what begins with "%s"', (prefix, start) => {
    expect(isAboutStore(start, prefix)).toBe(true)
  })

  it.each([
    ['', 'logs/'],
    ['', 'stores/'],
    ['', 'doctor/'],
    ['', 'objects/~doctor/'],
    ['', 'headsup/'],
    ['team/prod/', 'team/test/'],
    ['team/prod/', 'team/prod/logs/'],
    ['team/prod/', 'heads/'],
    ['team/prod/', 'team/prod/objects/~doctor/proofs/'],
  ])('in the store with the prefix "%s" is not about what begins with "%s"', (prefix, start) => {
    expect(isAboutStore(start, prefix)).toBe(false)
  })
})
