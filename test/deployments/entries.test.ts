import { describe, expect, it } from 'vitest'
import {
  diffSnapshots,
  type Entry,
  entriesJson,
  findEntryJson,
  MASK,
  moveEntries,
  newSnapshot,
  removeEntry,
  type Snapshot,
} from '../../src/deployments/index.ts'

const leaf = (address: string, rest: Partial<Entry> = {}): Entry => ({
  address,
  type: 'leaf',
  kind: 'aws.vpc',
  ...rest,
})

function snapshot(...entries: Entry[]): Snapshot {
  const made = newSnapshot({ name: 'shop', version: '1', contentRevision: 'x' }, 'prod', new Date(0))
  return { ...made, entries }
}

const addresses = ({ entries = [] }: Snapshot) => entries.map(({ address }) => address)

describe('moving an entry', () => {
  const before = snapshot(
    leaf('web'),
    leaf('web/a', { dependsOn: ['web', 'db'] }),
    leaf('webshop', { dependsOn: ['web/a'] }),
    leaf('db'),
  )

  it('takes along everything under its address, and what depends on it', () => {
    const { snapshot: after, moved } = moveEntries(before, 'web', 'front/end')
    expect(addresses(after)).toEqual(['front/end', 'front/end/a', 'webshop', 'db'])
    expect(after.entries?.[1]?.dependsOn).toEqual(['front/end', 'db'])
    expect(after.entries?.[2]?.dependsOn).toEqual(['front/end/a'])
    expect(moved).toEqual([
      { from: 'web', to: 'front/end' },
      { from: 'web/a', to: 'front/end/a' },
    ])
    expect(addresses(before)).toEqual(['web', 'web/a', 'webshop', 'db'])
  })

  it('takes what lies under an address that has no entry of its own', () => {
    expect(addresses(moveEntries(snapshot(leaf('a/x'), leaf('a/y')), 'a', 'b').snapshot)).toEqual(['b/x', 'b/y'])
  })

  it('goes below itself, since what moves makes room', () => {
    expect(addresses(moveEntries(before, 'web', 'web/a').snapshot)).toEqual(['web/a', 'web/a/a', 'webshop', 'db'])
  })

  it('refuses an occupied address, one that is not there, the same one, and none', () => {
    expect(() => moveEntries(before, 'web', 'db')).toThrow(expect.objectContaining({ code: 'Conflict', key: 'db' }))
    expect(() => moveEntries(snapshot(leaf('a/x'), leaf('b/x')), 'a', 'b')).toThrow(/entry at b\/x already/)
    expect(() => moveEntries(before, 'we', 'x')).toThrow(expect.objectContaining({ code: 'NotFound' }))
    expect(() => moveEntries(before, 'db', 'db')).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
    expect(() => moveEntries(before, 'db', '')).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  })
})

describe('removing an entry', () => {
  it('forgets exactly that one, and says who depends on it', () => {
    const before = snapshot(leaf('db'), leaf('db/replica'), leaf('web', { dependsOn: ['db'] }))
    const { snapshot: after, dependents } = removeEntry(before, 'db')
    expect([addresses(after), dependents]).toEqual([['db/replica', 'web'], ['web']])
    expect(() => removeEntry(after, 'db')).toThrow(expect.objectContaining({ code: 'NotFound' }))
  })
})

const SECRET = 'hunter2-hunter2'
const db = (rest: Partial<Entry> = {}): Entry =>
  leaf('db', {
    kind: 'aws.rds',
    sensitiveInputs: ['password'],
    sensitiveOutputs: ['tokens'],
    inputs: { password: SECRET, size: 1 },
    outputs: { tokens: { admin: 'token-of-admin' }, endpoint: 'db.internal', password: SECRET },
    ...rest,
  })

describe('showing entries', () => {
  it('is in the names of the file, sensitive values masked unless asked', () => {
    const [shown] = entriesJson(snapshot(db({ schemaVersion: 2 })))
    expect(shown).toMatchObject({
      address: 'db',
      'schema-version': 2,
      'sensitive-inputs': ['password'],
      inputs: { password: MASK, size: 1 },
      outputs: { tokens: MASK, endpoint: 'db.internal', password: MASK },
    })
    const [all] = entriesJson(snapshot(db()), { showSensitive: true })
    expect(all).toMatchObject({ inputs: { password: SECRET }, outputs: { tokens: { admin: 'token-of-admin' } } })
  })

  it('masks a sensitive text wherever it was handed on', () => {
    const web = leaf('web', { inputs: { url: `postgres://app:${SECRET}@db`, args: ['--token', 'token-of-admin'] } })
    const entries = entriesJson(snapshot(db(), web))
    expect(findEntryJson(entries, 'web')).toMatchObject({ inputs: { url: MASK, args: ['--token', MASK] } })
    expect(JSON.stringify(entries)).not.toMatch(/hunter2|token-of-admin/)
  })

  it('takes names such as __proto__ for what they are', () => {
    const inputs = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}') as Record<string, unknown>
    const [shown] = entriesJson(snapshot(leaf('x', { inputs })))
    expect(JSON.stringify(shown?.inputs)).toBe('{"__proto__":{"a":1},"constructor":2}')
  })
})

describe('comparing snapshots', () => {
  it('tells which entries came, went and changed, by address and field', () => {
    const before = snapshot(leaf('b', { inputs: { n: 1 } }), leaf('a'), leaf('c', { outputs: { id: 1 } }))
    const after = snapshot(leaf('c', { outputs: { id: 2 } }), leaf('b', { inputs: { n: 1 } }), leaf('d'))
    const { entries, others } = diffSnapshots(before, { ...after, outputs: { url: 'u' } })
    expect(entries).toMatchObject([
      { address: 'a', kind: 'removed', changes: [] },
      { address: 'c', kind: 'changed', changes: [{ path: ['outputs', 'id'], kind: 'changed', before: 1, after: 2 }] },
      { address: 'd', kind: 'added', entry: { address: 'd', type: 'leaf' } },
    ])
    expect(others).toEqual([{ path: ['outputs'], kind: 'added', after: { url: 'u' } }])
  })

  it('tells that a sensitive value changed and not what it was or is, on either side of any change', () => {
    const changed = db({
      inputs: { password: 'correct-horse', size: 2 },
      outputs: { tokens: { admin: 'token-of-admin', more: 'token-of-more' }, endpoint: 'db.internal' },
    })
    const cases: [Snapshot, Snapshot][] = [
      [snapshot(db()), snapshot(changed)],
      [snapshot(), snapshot(db())],
      [snapshot(db()), snapshot()],
      [snapshot(db()), snapshot(db({ inputs: undefined, outputs: undefined }))],
      [snapshot(db({ sensitiveInputs: undefined })), snapshot(db())],
      [snapshot(db()), { ...snapshot(db()), outputs: { url: `postgres://app:${SECRET}@db` } }],
      [snapshot(db()), snapshot(db(), leaf('web', { inputs: { password: SECRET } }))],
    ]
    for (const [before, after] of cases) {
      const diff = diffSnapshots(before, after)
      expect(diff.entries.length + diff.others.length).toBeGreaterThan(0)
      expect(JSON.stringify(diff)).not.toMatch(/hunter2|token-of|correct-horse/)
      const open = diffSnapshots(before, after, { showSensitive: true })
      expect(JSON.stringify(open)).toMatch(/hunter2|token-of|correct-horse|sensitive-inputs/)
    }
    expect(diffSnapshots(...cases[0]!).entries[0]?.changes).toEqual([
      { path: ['inputs', 'password'], kind: 'changed', before: MASK, after: MASK },
      { path: ['inputs', 'size'], kind: 'changed', before: 1, after: 2 },
      { path: ['outputs', 'password'], kind: 'removed', before: MASK },
      { path: ['outputs', 'tokens'], kind: 'changed', before: MASK, after: MASK },
    ])
  })

  it('finds no change where only the order of the entries differs', () => {
    expect(diffSnapshots(snapshot(leaf('a'), leaf('b')), snapshot(leaf('b'), leaf('a')))).toEqual({
      entries: [],
      others: [],
    })
  })
})
