import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import {
  currentFormatVersion,
  decodeSnapshot,
  type Entry,
  encodeSnapshot,
  entryAction,
  entryLeaf,
  entryLibraryCall,
  type FactoryInfo,
  find,
  newSnapshot,
  type Snapshot,
  validate,
} from '../../src/deployments/index.ts'

const shop: FactoryInfo = { name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }

/** A snapshot with one entry of each type and every member in use. */
function full(): Snapshot {
  const snapshot = newSnapshot(shop, 'prod', new Date('2026-04-30T12:00:00Z'))
  snapshot.entries = [
    {
      address: 'net.vpc',
      type: entryLeaf,
      kind: 'aws.vpc',
      schemaVersion: 2,
      sensitiveInputs: ['secret'],
      sensitiveOutputs: ['token'],
      configuration: 'aws.east',
      inputs: { cidr: '10.0.0.0/16', tags: { env: 'prod' } },
      outputs: { id: 'vpc-1', zones: ['a', 'b'], ratio: 0.25, none: null },
    },
    {
      address: 'cluster',
      type: entryLibraryCall,
      library: 'net',
      libraryType: 'cluster',
      inputs: { size: 3 },
      dependsOn: ['net.vpc'],
    },
    { address: 'migrate', type: entryAction, kind: 'std.exec', triggerHash: 'abc', dependsOn: ['cluster'] },
  ]
  snapshot.outputs = { url: 'https://shop.example' }
  return snapshot
}

function withEntries(...entries: unknown[]): Snapshot {
  return { ...newSnapshot(shop, 'prod'), entries: entries as Entry[] }
}

const text = (snapshot: Snapshot) => Buffer.from(encodeSnapshot(snapshot)).toString()

describe('the contract’s own list of snapshot tests', () => {
  it('a snapshot that was written is read as it was', () => {
    expect(decodeSnapshot(encodeSnapshot(full()))).toEqual(full())
  })

  it('two writings of a snapshot give equal bytes', () => {
    const other = full()
    other.entries![0]!.outputs = Object.fromEntries(Object.entries(other.entries![0]!.outputs!).reverse())
    expect(text(other)).toBe(text(full()))
  })

  it('an entry is found by its address, an unknown one is not', () => {
    const snapshot = full()
    expect(find(snapshot, 'cluster')).toBe(snapshot.entries![1])
    expect(find(snapshot, 'Cluster')).toBeUndefined()
    expect(find(newSnapshot(shop, 'prod'), 'cluster')).toBeUndefined()
  })

  it('another format version is refused by name', () => {
    expect(() => decodeSnapshot(Buffer.from('{"format-version":99}'))).toThrow(
      'snapshot: unsupported format-version 99 (this build expects 1)',
    )
    expect(() => encodeSnapshot({ ...full(), formatVersion: 99 })).toThrow('snapshot: format-version is 99, expected 1')
  })

  it.each<[string, unknown[], string]>([
    ['a leaf without kind', [{ address: 'a', type: 'leaf' }], 'leaf entry "a" missing kind'],
    ['an action without kind', [{ address: 'a', type: 'action' }], 'action entry "a" missing kind'],
    [
      'a library call without library',
      [{ address: 'a', type: 'library-call', libraryType: 't' }],
      'library-call entry "a" missing library',
    ],
    [
      'a library call without type',
      [{ address: 'a', type: 'library-call', library: 'l' }],
      'library-call entry "a" missing library-type',
    ],
    ['an unknown type', [{ address: 'a', type: 'data' }], 'entry "a" has unknown type "data"'],
    ['no type', [{ address: 'a' }], 'entry "a" missing type'],
    ['no address', [{ type: 'leaf', kind: 'k' }], 'entries[0] missing address'],
    ['an address twice', [{ address: 'a', type: 'leaf', kind: 'k' }, { address: 'a' }], 'duplicate address "a"'],
    ['nil in place of an entry', [{ address: 'a', type: 'leaf', kind: 'k' }, null], 'entries[1] is nil'],
    [
      'a control character in an address',
      [{ address: 'a\u0001\u202e', type: 'leaf' }],
      'leaf entry "a\\x01\\u202e" missing kind',
    ],
  ])('%s is refused in writing and in validating', (_, entries, problem) => {
    const refusal = expect.objectContaining({ code: 'InvalidInput', message: `snapshot: ${problem}` })
    expect(() => encodeSnapshot(withEntries(...entries))).toThrow(refusal)
    expect(() => validate(withEntries(...entries))).toThrow(refusal)
  })

  it('a new snapshot has the version, the factory, the stack, a time and no entries', () => {
    const before = Date.now()
    const snapshot = newSnapshot(shop, 'prod')
    expect(snapshot).toEqual({
      formatVersion: currentFormatVersion,
      factory: shop,
      stack: 'prod',
      generatedAt: expect.any(String),
    })
    expect(currentFormatVersion).toBe(1)
    expect(Date.parse(snapshot.generatedAt)).toBeGreaterThanOrEqual(before)
    expect(snapshot.generatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,2}[1-9]|\.[1-9])?Z$/)
  })

  it('the file has the original’s names and ends in a line feed', () => {
    const written = text(full())
    for (const part of [
      '"format-version": 1',
      '"address": "net.vpc"',
      '"library-type": "cluster"',
      '"trigger-hash": "abc"',
      '"outputs":',
    ]) {
      expect(written).toContain(part)
    }
    expect(written.endsWith('}\n')).toBe(true)
  })

  it('an action entry and the outputs of a snapshot come back', () => {
    const snapshot = decodeSnapshot(encodeSnapshot(full()))
    expect(find(snapshot, 'migrate')).toEqual(full().entries![2])
    expect(snapshot.outputs).toEqual({ url: 'https://shop.example' })
  })
})

describe('snapshots in TypeScript', () => {
  it('the smallest snapshot has exactly the bytes of the original', () => {
    const snapshot = newSnapshot(
      { name: 'x', version: '', contentRevision: '' },
      'prod',
      new Date('2026-04-30T12:00:00Z'),
    )
    expect(text(snapshot)).toBe(`{
  "format-version": 1,
  "stack": {
    "name": "x",
    "version": "",
    "content-revision": ""
  },
  "deployment-id": "prod",
  "generated-at": "2026-04-30T12:00:00Z",
  "entries": null
}
`)
  })

  it('no entries and an empty list of entries stay apart', () => {
    const none = newSnapshot(shop, 'prod')
    const empty: Snapshot = { ...none, entries: [] }
    expect(text(none)).toContain('"entries": null')
    expect(text(empty)).toContain('"entries": []')
    expect('entries' in decodeSnapshot(encodeSnapshot(none))).toBe(false)
    expect(decodeSnapshot(encodeSnapshot(empty)).entries).toEqual([])
  })

  it('optional members that are empty are not written and absent when read', () => {
    const entry: Entry = {
      address: 'a',
      type: 'leaf',
      kind: 'k',
      library: '',
      schemaVersion: 0,
      inputs: {},
      outputs: undefined,
      dependsOn: [],
    }
    const written = text(withEntries(entry))
    expect(written).not.toMatch(/library|schema|inputs|outputs|depends/)
    expect(Object.keys(decodeSnapshot(Buffer.from(written)).entries![0]!)).toEqual(['address', 'type', 'kind'])
  })

  it('objects that were read have no prototype, so a resource may be called constructor or __proto__', () => {
    const outputs = JSON.parse('{"__proto__":{"x":1},"constructor":"c"}') as Record<string, unknown>
    const snapshot = decodeSnapshot(encodeSnapshot(withEntries({ address: 'a', type: 'leaf', kind: 'k', outputs })))
    const entry = snapshot.entries![0]!
    for (const object of [snapshot, snapshot.factory, entry, entry.outputs, Object.values(entry.outputs!)[0]]) {
      expect(Object.getPrototypeOf(object)).toBeNull()
    }
    expect(Object.keys(entry.outputs!)).toEqual(['__proto__', 'constructor'])
    expect(text(snapshot)).toContain('"__proto__": {\n          "x": 1')
  })

  it('a schema version beyond 2^53 is a bigint and is kept to the last digit', () => {
    const snapshot = withEntries({ address: 'a', type: 'leaf', kind: 'k', schemaVersion: 9007199254740993n })
    expect(decodeSnapshot(encodeSnapshot(snapshot)).entries![0]!.schemaVersion).toBe(9007199254740993n)
    expect(() =>
      encodeSnapshot(withEntries({ address: 'a', type: 'leaf', kind: 'k', schemaVersion: 2n ** 63n })),
    ).toThrow(/entries\[0\]\.schemaVersion must be an integer of 64 bits/)
  })

  it('the time of a snapshot is kept as it was read, and written as the original writes it', () => {
    const read = (time: string) => decodeSnapshot(Buffer.from(`{"format-version":1,"generated-at":"${time}"}`))
    expect(read('2026-04-30T08:00:00.120-04:00').generatedAt).toBe('2026-04-30T08:00:00.120-04:00')
    expect(text(read('2026-04-30T08:00:00.120-04:00'))).toContain('"generated-at": "2026-04-30T08:00:00.12-04:00"')
    expect(read('2026-04-30T1:00:00Z').generatedAt).toBe('2026-04-30T01:00:00Z')
  })

  it('two addresses that would be the same in the file are duplicates', () => {
    const entries = ['\ud800', '\udfff'].map((address) => ({ address, type: 'leaf', kind: 'k' }))
    expect(() => encodeSnapshot(withEntries(...entries))).toThrow('snapshot: duplicate address "\ufffd"')
  })

  it.each<[string, unknown, RegExp]>([
    [
      'a misspelt member',
      { schemaversion: 1 },
      /entries\[0\]\.schemaversion must be one of address, type, kind, schemaVersion, .*found another member/,
    ],
    [
      'a number that is none',
      { outputs: { x: { y: [1, Number.NaN] } } },
      /entries\[0\]\.outputs\.x\.y\[1\] must be .*a finite number.*found NaN/,
    ],
    [
      'a date',
      { outputs: { 'made at': new Date(0) } },
      /entries\[0\]\.outputs\["made at"\] must be .*found an instance of Date/,
    ],
    [
      'a hole in a list',
      { inputs: { list: [1, undefined] } },
      /entries\[0\]\.inputs\.list\[1\] must be .*found undefined/,
    ],
    ['a function', { inputs: { f: () => 1 } }, /entries\[0\]\.inputs\.f must be .*found a function/],
    ['a list in place of an object', { inputs: [] }, /entries\[0\]\.inputs must be an object, found a list/],
    ['a number in place of text', { library: 5 }, /entries\[0\]\.library must be a string, found a number/],
    ['a fraction', { schemaVersion: 1.5 }, /entries\[0\]\.schemaVersion must be an integer/],
    ['text in place of a list', { dependsOn: 'b' }, /entries\[0\]\.dependsOn must be a list, found a string/],
    ['no text in a list', { dependsOn: ['b', 5] }, /entries\[0\]\.dependsOn\[1\] must be a string, found a number/],
  ])('%s is refused with the place and what would be right', (_, members, message) => {
    const snapshot = withEntries({ address: 'a', type: 'leaf', kind: 'k', ...(members as object) })
    expect(() => encodeSnapshot(snapshot)).toThrow(
      expect.objectContaining({ code: 'InvalidInput', message: expect.stringMatching(message) }),
    )
  })

  it('an object that contains itself is refused, not followed for ever', () => {
    const outputs: Record<string, unknown> = {}
    outputs.self = outputs
    expect(() => encodeSnapshot(withEntries({ address: 'a', type: 'leaf', kind: 'k', outputs }))).toThrow(
      /at most 10000 levels deep/,
    )
  })
})

describe('documents that are no snapshot', () => {
  const refusal = (document: string): KeelstateError<'InvalidInput'> => {
    try {
      decodeSnapshot(Buffer.from(document))
    } catch (error) {
      if (KeelstateError.is(error, 'InvalidInput')) return error
    }
    throw new Error('not refused')
  }

  it.each<[string, string, string]>([
    ['a list', '[]', 'snapshot: the document must be an object, found a list (line 1, column 1, byte 0)'],
    [
      'a fraction in place of an integer',
      '{\n "format-version": 1,\n "entries": [{"address": "é", "schema-version": 1.5}]\n}',
      'snapshot: entries[0].schema-version must be an integer, found 1.5 (line 3, column 49, byte 73)',
    ],
    [
      'a newer release',
      '{"format-version":1,"stack":"prod"}',
      'snapshot: stack must be an object, found a string (line 1, column 29, byte 28)',
    ],
    [
      'a cut file',
      '{"format-version":1,"entries":[{"address":"a"',
      `snapshot: not JSON: expected ',' or '}' in entries[0], found the end of the text (line 1, column 46, byte 45)`,
    ],
    ['nothing', '', 'snapshot: not JSON: expected a value, found the end of the text (line 1, column 1, byte 0)'],
    ['ciphertext', '\u0000\u0001', 'snapshot: not JSON: expected a value, found "\\x00" (line 1, column 1, byte 0)'],
    [
      'a second document',
      '{} {}',
      'snapshot: not JSON: expected the end of the text, found "{" (line 1, column 4, byte 3)',
    ],
    [
      'a bad time',
      '{"generated-at":"2026-02-30T00:00:00Z"}',
      'snapshot: generated-at must be an RFC 3339 time, found "2026-02-30T00:00:00Z": day out of range (line 1, column 17, byte 16)',
    ],
    [
      'a number too big for a double',
      '{"outputs":{"a b":[0,1e400]}}',
      'snapshot: outputs["a b"][1] must be a number that fits a double, found 1e400 (line 1, column 22, byte 21)',
    ],
  ])('%s is refused with its place', (_, document, message) => {
    expect(refusal(document).message).toBe(message)
  })

  it('the place is in the details of the error, for a program', () => {
    expect(refusal('{"entries":[{"address":5}]}').details).toEqual({
      path: 'entries[0].address',
      line: 1,
      column: 24,
      offset: 23,
    })
  })

  it('a state file of a later release says which releases are read', () => {
    expect(refusal('{"envelope-version":1,"ciphertext":"eA=="}').hint).toMatch(/v0\.4\.0/)
  })
})
