import { describe, expect, it } from 'vitest'
import { diffJson } from '../../src/core/diff.ts'

const diff = (before: unknown, after: unknown) =>
  diffJson(Buffer.from(JSON.stringify(before)), Buffer.from(JSON.stringify(after)))

describe('the difference of two JSON bodies', () => {
  it.each([
    ['nothing', { a: 1 }, { a: 1 }, []],
    ['the order of members', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    ['a member added', {}, { a: null }, [{ path: ['a'], kind: 'added', after: null }]],
    ['a member removed', { a: [1] }, {}, [{ path: ['a'], kind: 'removed', before: [1] }]],
    [
      'a member changed',
      { a: { b: 1 } },
      { a: { b: '1' } },
      [{ path: ['a', 'b'], kind: 'changed', before: 1, after: '1' }],
    ],
    ['an item added', [1], [1, 2], [{ path: [1], kind: 'added', after: 2 }]],
    ['null and absence', { a: null }, { a: undefined }, [{ path: ['a'], kind: 'removed', before: null }]],
    ['an object that became a list', { a: {} }, { a: [] }, [{ path: ['a'], kind: 'changed', before: {}, after: [] }]],
    ['a list that became an object, at the root', [], {}, [{ path: [], kind: 'changed', before: [], after: {} }]],
    ['plain values', 1, 2, [{ path: [], kind: 'changed', before: 1, after: 2 }]],
    ['equal plain values', 'x', 'x', []],
    ['a value that became an object', null, {}, [{ path: [], kind: 'changed', before: null, after: {} }]],
    [
      'odd member names',
      { '': 1, 'a.b': 1 },
      { '': 2, 'a.b': 2 },
      [
        { path: [''], kind: 'changed', before: 1, after: 2 },
        { path: ['a.b'], kind: 'changed', before: 1, after: 2 },
      ],
    ],
  ])('%s', (_, before, after, changes) => {
    expect(diff(before, after)).toEqual(changes)
  })

  it('compares members with the names of built-in ones like any others', () => {
    const [before, after] = ['{"__proto__":{"a":1},"constructor":1}', '{"__proto__":{"a":2},"toString":1}'].map(
      (text) => Buffer.from(text),
    )
    expect(diffJson(before!, after!)).toEqual([
      { path: ['__proto__', 'a'], kind: 'changed', before: 1, after: 2 },
      { path: ['constructor'], kind: 'removed', before: 1 },
      { path: ['toString'], kind: 'added', after: 1 },
    ])
  })

  it('survives deep nesting', () => {
    const deep = (value: number) => Buffer.from(`${'{"a":'.repeat(2_000)}${value}${'}'.repeat(2_000)}`)
    expect(diffJson(deep(1), deep(2))).toMatchObject([{ kind: 'changed', before: 1, after: 2 }])
  })

  it('is unknown when they are nested deeper than can be compared', () => {
    const abyss = (value: number) => Buffer.from(`${'['.repeat(200_000)}${value}${']'.repeat(200_000)}`)
    expect(diffJson(abyss(1), abyss(2))).toBeUndefined()
  })

  it('is unknown when one of them is not JSON', () => {
    expect(diffJson(Buffer.from('{}'), Buffer.from('{'))).toBeUndefined()
    expect(diffJson(Buffer.from([0xff]), Buffer.from('1'))).toBeUndefined()
    expect(diffJson(Buffer.from('"\xff"', 'latin1'), Buffer.from('1'))).toBeUndefined()
    expect(diffJson(Buffer.from(''), Buffer.from('1'))).toBeUndefined()
  })
})
