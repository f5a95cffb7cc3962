import { expect, it } from 'vitest'
import { documentName, headKey, objectKey } from '../../src/core/names.ts'
import { decodeName, decodeSegment, foldersOfPrefix, pathOfKey } from '../../src/file/paths.ts'
import { HOSTILE_NAMES } from '../../src/testing/object-store/bodies.ts'
import { count, reportCounts } from '../counts.ts'
import { randomFrom } from './random.ts'

const PIECES = [
  'a',
  'b',
  'A',
  'B',
  '.',
  '..',
  '-',
  '_',
  '~',
  '%',
  '%2F',
  '%2f',
  '+',
  '=',
  '@',
  ',',
  ' ',
  'con',
  'CON',
  'nul',
  'é',
  '🚀',
  '\u0000',
  '=61',
  '+a',
]
const KEYS = count(500_000, 5_000)
reportCounts(import.meta.filename, { keys: KEYS }, '7')

/** Keys that are likely to meet each other, in whatever a driver makes of them. */
function* keys(count: number): Generator<string> {
  const random = randomFrom(7)
  const pick = (limit: number) => Math.floor(random() * limit)
  for (let n = 0; n < count; n += 1) {
    const segments = Array.from({ length: 1 + pick(3) }, () => {
      const text = Array.from({ length: 1 + pick(4) }, () => PIECES[pick(PIECES.length)]).join('')
      return pick(20) === 0 ? text.repeat(1 + pick(120)) : text
    })
    yield segments.join('/')
  }
}

function readBack(folders: readonly string[], leaf: string): string | undefined {
  const segments: string[] = []
  let pieces: string[] = []
  for (const name of [...folders, leaf]) {
    const decoded = decodeName(name)
    if (decoded === undefined) return undefined
    pieces.push(decoded.text)
    if (decoded.mark === 'continued') continue
    const segment = decodeSegment(pieces)
    if (segment === undefined) return undefined
    segments.push(segment)
    pieces = []
  }
  return segments.join('/')
}

it('every key has a path of its own that reads back, is apart on a disk that ignores case, and fits any file system', () => {
  const seen = new Map<string, string>()
  for (const key of keys(KEYS)) {
    const { folders, leaf } = pathOfKey(key)
    expect(readBack(folders, leaf)).toBe(key)
    for (const name of [...folders, leaf]) {
      expect(name).toMatch(/^[a-z0-9._%~+=@,-]{1,240}$/)
      expect(name).not.toMatch(/\.$|^\.{1,2}$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/)
    }
    const path = [...folders, leaf].join('/').toLowerCase()
    expect(seen.get(path) ?? key).toBe(key)
    seen.set(path, key)
  }
  expect(seen.size).toBeGreaterThan(KEYS / 2)
})

it('no path of a key lies in the way of another key’s folders', () => {
  const folders = new Set<string>()
  const leaves = new Set<string>()
  for (const key of [...keys(5_000), 'a', 'a/b', 'a/b/c', 'a@', 'a@/b', 'a,', 'a,/b']) {
    const path = pathOfKey(key)
    path.folders.forEach((_, at) => {
      folders.add(path.folders.slice(0, at + 1).join('/'))
    })
    leaves.add([...path.folders, path.leaf].join('/'))
  }
  expect([...leaves].filter((leaf) => folders.has(leaf))).toEqual([])
})

it('a prefix leads to the folder of the keys that begin with it', () => {
  for (const key of keys(2_000)) {
    const cut = key.lastIndexOf('/') + 1
    const { folders } = pathOfKey(key)
    expect(folders.slice(0, foldersOfPrefix(key.slice(0, cut)).length)).toEqual(foldersOfPrefix(key.slice(0, cut)))
  }
  expect(foldersOfPrefix('')).toEqual([])
  expect(() => foldersOfPrefix('heads')).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
})

it('the keys of hostile document names are apart and read back', () => {
  const paths = HOSTILE_NAMES.flatMap((segments) => {
    const name = documentName(segments)
    return [headKey(name), objectKey(name, '0'.repeat(32))].map((key) => {
      const { folders, leaf } = pathOfKey(key)
      expect(readBack(folders, leaf)).toBe(key)
      return [...folders, leaf].join('/')
    })
  })
  expect(new Set(paths).size).toBe(2 * HOSTILE_NAMES.length)
})

it('the paths that people meet look as documented', () => {
  const path = (key: string) => [...pathOfKey(key).folders, pathOfKey(key).leaf].join('/')
  expect(path('heads/state/shop/prod/~')).toBe('heads/state/shop/prod/~@')
  expect(path('heads/state/Shop/~')).toBe('heads/state/+shop/~@')
  expect(path('heads/state/a%2Fb/~')).toBe('heads/state/a%2+fb/~@')
  expect(path('heads/state/con.txt/nul/dots.../~')).toBe('heads/state/=63on.txt/=6eul/dots..=2e/~@')
  expect(path('store')).toBe('store@')
  expect(path(`heads/state/${'L'.repeat(200)}/~`)).toBe(`heads/state/${'+l'.repeat(118)},/${'+l'.repeat(82)}/~@`)
})

it('names that this driver would not have written are none of ours', () => {
  for (const name of ['.DS_Store', 'Shop', 'a b', '@tmp', 'a@b', ',a', '+', '+1', '=4', '=zz', 'é', 'a+B', '']) {
    const decoded = decodeName(name)
    expect([name, decoded === undefined ? undefined : decodeSegment([decoded.text])]).toEqual([name, undefined])
  }
  for (const text of ['=61', 'a.', 'con', '=2f', '=ff', '=c3', '+a'.repeat(119)])
    expect([text, decodeSegment([text])]).toEqual([text, undefined])
})

it('a key with an empty segment or a lone surrogate is InvalidInput', () => {
  for (const key of ['', '/', 'a//b', '/a', 'a/', 'heads/\ud800/~']) {
    expect(() => pathOfKey(key), JSON.stringify(key)).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  }
})
