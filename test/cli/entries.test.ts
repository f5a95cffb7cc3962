import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeSnapshot, newSnapshot, type Snapshot } from '../../src/deployments/index.ts'
import { Workspace } from './workspace.ts'

const SECRET = 'hunter2-hunter2'
let at: Workspace
let snapshot: Snapshot

const push = (value: Snapshot) => at.ok(['push', 'shop/prod'], { input: encodeSnapshot(value) })
const current = async () => JSON.parse((await at.ok(['pull', 'shop/prod'])).stdout)

beforeEach(async () => {
  at = await Workspace.initialised()
  snapshot = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, 'prod', new Date(0))
  snapshot.entries = [
    {
      address: 'db',
      type: 'leaf',
      kind: 'aws.rds',
      sensitiveInputs: ['password'],
      inputs: { password: SECRET, size: 20 },
      outputs: { url: `postgres://app:${SECRET}@db` },
    },
    { address: 'web', type: 'library-call', library: 'net', libraryType: 'service', dependsOn: ['db'] },
    { address: 'web/task', type: 'action', kind: 'run', dependsOn: ['web'] },
  ]
  await push(snapshot)
})
afterEach(() => at.remove())

describe('entries', () => {
  it('are listed by address, of any revision', async () => {
    const { stdout, stderr } = await at.ok(['entries', 'list', 'shop/prod'])
    expect(stdout).toBe('db        leaf aws.rds\nweb       library-call net.service\nweb/task  action run\n')
    expect(stderr).toMatch(/^3 entries in shop\/prod: @1 /)
    await push({ ...snapshot, entries: [] })
    const { json } = await at.ok(['entries', 'list', 'shop/prod', '--rev', '@1', '--json'])
    expect(json.entries[1]).toEqual({
      address: 'web',
      type: 'library-call',
      kind: null,
      library: 'net',
      'library-type': 'service',
    })
    expect((await at.ok(['entries', 'list', 'shop/prod'])).stdout).toBe('')
  })

  it('are shown with sensitive values masked unless asked', async () => {
    const { stdout } = await at.ok(['entries', 'show', 'shop/prod', 'db'])
    expect(JSON.parse(stdout)).toMatchObject({ inputs: { password: '(sensitive)', size: 20 } })
    const { json } = await at.ok(['entries', 'show', 'shop/prod', 'db', '--json'])
    expect(json.entry.outputs.url).toBe('(sensitive)')
    expect(at.printed).not.toContain(SECRET)
    expect((await at.ok(['entries', 'show', 'shop/prod', 'db', '--show-sensitive'])).stdout).toContain(SECRET)
    const absent = await at.run(['entries', 'show', 'shop/prod', 'd', '--json'])
    expect([absent.code, absent.json.error.code]).toEqual([5, 'NotFound'])
  })

  it('move with what lies under them, as a new revision that says so', async () => {
    const dry = await at.ok(['entries', 'move', 'shop/prod', 'web', 'front', '--dry-run', '--json'])
    expect(dry.json).toMatchObject({ dryRun: true, moved: [{ from: 'web', to: 'front' }, {}], revision: null })
    const { json } = await at.ok(['entries', 'move', 'shop/prod', 'web', 'front', '--json'])
    expect(json.revision).toMatchObject({ number: 2, type: 'snapshot', message: 'moved web to front' })
    const { entries } = await current()
    expect(entries.map(({ address }: { address: string }) => address)).toEqual(['db', 'front', 'front/task'])
    expect(entries[2]['depends-on']).toEqual(['front'])
    const again = await at.run(['entries', 'move', 'shop/prod', 'web', 'x'])
    expect(again.code).toBe(5)
    const occupied = await at.run(['entries', 'move', 'shop/prod', 'front', 'db', '--json'])
    expect([occupied.code, occupied.json.error.code]).toEqual([3, 'Conflict'])
    expect((await at.ok(['history', 'shop/prod', '--json'])).json.revisions).toHaveLength(2)
  })

  it('are removed one by one, with a word on what depends on them', async () => {
    const { stderr } = await at.ok(['entries', 'remove', 'shop/prod', 'db', '-m', 'handed over'])
    expect(stderr).toMatch(/^removed db\nwarning: what depends on it stays: web\nshop\/prod is @2 /)
    expect((await at.ok(['status', 'shop/prod', '--json'])).json.current.message).toBe('handed over')
    expect((await at.run(['entries', 'remove', 'shop/prod', 'db'])).code).toBe(5)
  })

  it('change under the lock, and only say what they would do in a dry run', async () => {
    const owner = (await at.ok(['lock', 'shop/prod'])).stdout.trim()
    const stored = at.stored()
    for (const change of [
      ['entries', 'move', 'shop/prod', 'db', 'x'],
      ['entries', 'remove', 'shop/prod', 'db'],
    ]) {
      expect((await at.run([...change, '--wait', '0'])).code).toBe(4)
      await at.ok([...change, '--dry-run'])
      expect(at.stored()).toEqual(stored)
    }
    await at.ok(['entries', 'remove', 'shop/prod', 'db', '--owner', owner])
    expect((await current()).entries).toHaveLength(2)
  })

  it('are those of snapshots: another body, and a name that is not there, are refused without a trace', async () => {
    await at.ok(['push', 'plain'], { input: '{"a":1}' })
    const stored = at.stored()
    for (const [name, code] of [
      ['plain', 2],
      ['typo', 5],
    ] as const) {
      expect((await at.run(['entries', 'list', name])).code).toBe(code)
      expect((await at.run(['entries', 'remove', name, 'db'])).code).toBe(code)
    }
    expect(at.stored()).toEqual(stored)
  })
})

describe('diff of snapshots', () => {
  it('is by entry and field, sensitive values masked unless asked', async () => {
    const [db, web] = snapshot.entries!
    const changed = { ...db!, inputs: { password: 'correct-horse', size: 40 } }
    await push({ ...snapshot, entries: [changed, web!, { address: 'queue', type: 'leaf', kind: 'aws.sqs' }] })
    const { stdout, stderr } = await at.ok(['diff', 'shop/prod'])
    expect(stdout).toBe(
      [
        '~ db (leaf aws.rds)',
        '    ~ inputs.password: "(sensitive)" → "(sensitive)"',
        '    ~ inputs.size: 20 → 40',
        '+ queue (leaf aws.sqs)',
        '- web/task (action run)',
        '',
      ].join('\n'),
    )
    expect(stderr).toMatch(/3 changed entries\n$/)
    const { json } = await at.ok(['diff', 'shop/prod', '--json'])
    expect(json.entries.map(({ address, kind }) => [address, kind])).toEqual([
      ['db', 'changed'],
      ['queue', 'added'],
      ['web/task', 'removed'],
    ])
    expect(json.changes).toEqual([])
    expect(at.printed).not.toMatch(/hunter2|correct-horse/)
    expect((await at.ok(['diff', 'shop/prod', '--show-sensitive'])).stdout).toContain('correct-horse')
  })

  it('shows what changed beside the entries, and nothing when only their order did', async () => {
    await push({ ...snapshot, generatedAt: '2026-05-30T12:00:00Z', entries: [...snapshot.entries!].reverse() })
    const { stdout, stderr } = await at.ok(['diff', 'shop/prod'])
    expect(stdout).toBe('~ generated-at: "1970-01-01T00:00:00Z" → "2026-05-30T12:00:00Z"\n')
    expect(stderr).toMatch(/1 change\n$/)
    await push({ ...snapshot, generatedAt: '2026-05-30T12:00:00Z' })
    expect((await at.ok(['diff', 'shop/prod'])).stderr).toContain('only the way it is written differs')
  })

  it('is member by member where one of the two is no snapshot', async () => {
    await at.ok(['push', 'shop/prod', '--type', 'json'], { input: '{"format-version":1}' })
    const { json } = await at.ok(['diff', 'shop/prod', '--json'])
    expect(json.entries).toBeNull()
    expect(json.changes.length).toBeGreaterThan(0)
  })
})

describe('status of a snapshot', () => {
  it('says of what it is, and how many entries of each type it has', async () => {
    const { json } = await at.ok(['status', 'shop/prod', '--json'])
    expect(json.snapshot).toEqual({
      factory: { name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' },
      stack: 'prod',
      generatedAt: '1970-01-01T00:00:00Z',
      entries: { leaf: 1, 'library-call': 1, action: 1 },
    })
    const { stdout } = await at.ok(['status', 'shop/prod'])
    expect(stdout).toMatch(
      /^factory +shop 1\.4\.0 dd1b0010, at 1970-.*\nentries +3: 1 leaf, 1 library-call, 1 action$/m,
    )
    expect(stdout).not.toContain(SECRET)
  })

  it('says nothing of entries where a body only looked like a snapshot', async () => {
    await at.ok(['push', 'odd'], { input: '{"format-version": 1, "stack": "new", "entries": 5}' })
    const { json } = await at.ok(['status', 'odd', '--json'])
    expect([json.current.type, json.snapshot]).toEqual(['snapshot', null])
  })
})
