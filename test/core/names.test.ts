import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  documentName,
  encodeSegment,
  formatName,
  headKey,
  identityOf,
  lockKey,
  nameOfHeadKey,
  nameOfLockKey,
  objectKey,
  objectsPrefix,
  parseName,
} from '../../src/core/names.ts'
import { fileStore } from '../../src/file/index.ts'
import { json, KeelstateError, type ObjectStore, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { countingStore } from '../../src/testing/index.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'

const NAMES = count(100_000, 5_000)
reportCounts(import.meta.filename, { 'random names': NAMES }, '20260101')

function invalid(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidName')) return error.message
    throw error
  }
  return 'no error'
}

describe('a name as typed', () => {
  it.each([
    ['shop/settings', 'state', ['shop', 'settings']],
    ['a%2Fb/c', 'state', ['a/b', 'c']],
    ['100%25', 'state', ['100%']],
    ['with blank', 'state', ['with blank']],
    ['ledger:main', 'ledger', ['main']],
    ['state:main', 'state', ['main']],
    ['Ledger:main', 'state', ['Ledger:main']],
    ['a/b:c', 'state', ['a', 'b:c']],
    [':main', 'state', [':main']],
    ['state:a:b', 'state', ['a:b']],
    ['ledger:state:b', 'ledger', ['state:b']],
    ['☃/é', 'state', ['☃', 'é']],
  ])('%s is of kind %s, with segments %j', (text, kind, segments) => {
    expect(parseName(text)).toEqual({ kind, segments })
  })

  it.each([
    ['', 'a segment is empty'],
    ['/a', 'a segment is empty'],
    ['a//b', 'a segment is empty'],
    ['a/', 'a segment is empty'],
    ['50%', "holds a '%' that does not begin an escape"],
    ['%zz', "holds a '%' that does not begin an escape"],
    ['%FF', "holds a '%' that does not begin an escape"],
    ['\ud800', 'lone surrogate'],
    ['a\udfff', 'lone surrogate'],
    ['x'.repeat(5_000), 'the limit is 200'],
    ['☃'.repeat(23), 'takes 207 bytes encoded'],
    [Array(9).fill('x'.repeat(100)).join('/'), 'the limit is 900'],
  ])('%s is refused: %s', (text, why) => {
    expect(invalid(() => parseName(text))).toContain(why)
  })

  it('is cut in the message when it is long', () => {
    expect(invalid(() => parseName('x'.repeat(5_000))).length).toBeLessThan(300)
  })

  it('is read back as the same name, whatever its segments hold', () => {
    const random = new Random(20_260_101)
    const pieces = [
      'a',
      'Z',
      ':',
      '/',
      '%',
      '%2F',
      '.',
      '..',
      '~',
      ' ',
      '\n',
      '"',
      '☃',
      '😀',
      'é',
      'state:',
      '\u0000',
      '\\',
    ]
    for (let round = 0; round < NAMES; round++) {
      const segments = Array.from({ length: 1 + random.below(3) }, () =>
        Array.from({ length: 1 + random.below(4) }, () => random.pick(pieces)).join(''),
      )
      const name = documentName(segments, random.pick(['state', 'ledger', 'a', 'x-1']))
      expect(parseName(formatName(name))).toEqual(name)
      expect(nameOfHeadKey(headKey(name))).toEqual(name)
      expect(nameOfLockKey(lockKey(name))).toEqual(name)
    }
  })
})

describe('the keys of a document', () => {
  it('stand under prefixes of their own', () => {
    const name = documentName(['shop', 'settings'], 'state')
    expect(headKey(name)).toBe('heads/state/shop/settings/~')
    expect(lockKey(name)).toBe('locks/state/shop/settings/~')
    expect(objectsPrefix(name)).toBe('objects/state/shop/settings/~/')
    expect(objectKey(name, 'ab')).toBe('objects/state/shop/settings/~/ab')
  })

  it.each([
    ['.', '%2E'],
    ['..', '%2E%2E'],
    ['...', '...'],
    ['.hidden', '.hidden'],
    ['a/b', 'a%2Fb'],
    ['%2F', '%252F'],
    ['a b', 'a%20b'],
    ['~', '%7E'],
    ["!*'()", '%21%2A%27%28%29'],
    ['CON', 'CON'],
    ['é', '%C3%A9'],
    ['😀', '%F0%9F%98%80'],
    ['\u0000', '%00'],
  ])('hold the segment %j as %s', (segment, encoded) => {
    expect(encodeSegment(segment)).toBe(encoded)
    expect(encoded).toMatch(/^[A-Za-z0-9._%-]+$/)
  })

  it('never collide, and none lies below another document’s', () => {
    const random = new Random(7)
    const pieces = ['a', 'b', '/', '.', '~', '%', 'A', '%7E', '2F', ' ']
    const byKey = new Map<string, string>()
    const prefixes: string[] = []
    for (let round = 0; round < 3_000; round++) {
      const segments = Array.from({ length: 1 + random.below(3) }, () =>
        Array.from({ length: 1 + random.below(3) }, () => random.pick(pieces)).join(''),
      )
      const name = documentName(segments)
      const identity = JSON.stringify(name)
      expect(byKey.get(headKey(name)) ?? identity).toBe(identity)
      byKey.set(headKey(name), identity)
      expect(identityOf(name).split('/')).not.toContain('~')
      prefixes.push(objectsPrefix(name))
    }
    const distinct = [...new Set(prefixes)]
    for (const prefix of distinct) {
      expect(distinct.filter((other) => other !== prefix && other.startsWith(prefix))).toEqual([])
    }
  })

  it('tell a name only where they are exactly what the name becomes', () => {
    for (const key of [
      'heads/state/a',
      'heads/state/~',
      'heads/a/~',
      'heads/state/a/~/x',
      'objects/state/a/~/00',
      'heads/state/a b/~',
      'heads/state/%61/~',
      'heads/state/%2e/~',
      'heads/State/a/~',
      'heads/state/%FF/~',
      'heads/state//~',
    ])
      expect(nameOfHeadKey(key), key).toBeUndefined()
    expect(nameOfHeadKey('heads/state/a/~')).toEqual({ kind: 'state', segments: ['a'] })
  })
})

describe('a kind', () => {
  it.each(['', 'State', '1a', 'a_b', 'a/b', 'x'.repeat(33), 'é'])('%j is refused', (kind) => {
    expect(invalid(() => documentName(['a'], kind))).toContain('a kind is a lower-case word')
  })

  it('needs segments', () => {
    expect(invalid(() => documentName([]))).toContain('at least one segment')
  })
})

describe.each(['memory', 'file'])('in a store in %s', (driver) => {
  let folder: string
  let place: ObjectStore

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keelstate-names-'))
    place = driver === 'file' ? fileStore({ root: join(folder, 'store') }) : memoryStore()
  })
  // What readers remember may be written down half a second after a test ended.
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }))

  const NAMES = [
    ...['a', 'A', 'a%2Fb', 'a/b', 'a/B', 'a/b/c', 'x.', 'x', 'x ', ' x', ' ', '%2E', '%2E%2E', '...', '..%2F..'],
    ...[
      'CON',
      'con',
      'nul.txt',
      'com1',
      'Aux',
      '~',
      'a/~',
      'é',
      'e\u0301',
      '😀',
      '%00',
      '\n',
      '%25',
      '%252F',
      '\\',
      'a\\b',
    ],
    ...['heads', 'objects', 'store', 'state:state', 'state:x:y', '-', '_', '"', "'", '*', '?', '<>|', ' '],
    'x'.repeat(200),
    Array(8).fill('Y'.repeat(100)).join('/'),
    '😀'.repeat(16),
  ]

  it('documents with odd names stay apart, and are listed by the names that they were given', async () => {
    const store = await openStore({ store: place, keys: 'plaintext', memory: join(folder, 'memory') })
    await store.init()
    const names = [...new Set(NAMES)]
    for (const name of names) {
      await store.document(name, json<string>()).commit(name, { parent: 'none' })
    }
    for (const name of names) expect((await store.document(name, json<string>()).read())?.value).toBe(name)
    const listed: string[] = []
    for await (const status of store.list()) {
      expect(status).not.toHaveProperty('problem')
      listed.push(status.name)
    }
    expect(listed.sort()).toEqual(names.map((name) => store.document(name, json()).name).sort())
    expect(listed.map((name) => formatName(parseName(name)))).toEqual(listed)
  })

  it('names that cannot be are refused before anything is asked of the store', async () => {
    const counted = countingStore(place)
    const store = await openStore({ store: counted, keys: 'plaintext', memory: false })
    const document = (name: Parameters<typeof store.document>[0]) => () => store.document(name, json())
    expect(invalid(document('x'.repeat(5_000)))).toContain('the limit is 200')
    expect(invalid(document({ kind: '../x', segments: ['a'] }))).toContain('a kind is')
    expect(invalid(document({ kind: 'state', segments: ['a', ''] }))).toContain('a segment is empty')
    expect(invalid(document({ kind: 'state', segments: [] }))).toContain('at least one segment')
    expect(invalid(document({ kind: 'state', segments: ['\ud800'] }))).toContain('lone surrogate')
    expect(counted.requests).toEqual([])
  })
})
