import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LAYOUT, layoutFiles, Trees } from '../layout.ts'
import { Workspace } from './workspace.ts'

let at: Workspace
let trees: Trees
beforeEach(async () => {
  at = await Workspace.initialised()
  trees = new Trees()
})
afterEach(() => {
  at.remove()
  trees.remove()
})

const [plain, sealed] = [LAYOUT.find(({ id }) => id === 'noop')!, LAYOUT.find(({ id }) => id === 'env-key')!]
const env = { UB_STATE_KEY: sealed.key_b64! }

describe('import unobin', () => {
  it('brings a whole tree in: history, what is current, and every body', async () => {
    const { json } = await at.ok(['import', 'unobin', trees.original(plain), '--json'])
    expect(json.stacks).toMatchObject([{ name: 'shop/prod', present: 0, current: plain.current }])
    expect(json.stacks[0]?.imported).toHaveLength(3)
    for (const { rev, plain: body } of plain.plain)
      expect((await at.ok(['pull', 'shop/prod', '--rev', rev])).stdout).toBe(body)
    const { revisions } = (await at.ok(['history', 'shop/prod', '--json'])).json
    expect(revisions.map(({ at: time }) => time)).toEqual(revisions.map(({ id }) => id))
    expect((await at.ok(['diff', 'shop/prod'])).stdout).toContain('\n')
    const again = await at.ok(['import', 'unobin', trees.original(plain)])
    expect(again.stderr).toMatch(/^imported 0 revisions of shop\/prod, 3 there already; current is /)
  })

  it('names its own revisions by time from there on, so that the original can go on with them', async () => {
    await at.ok(['import', 'unobin', trees.original(plain)])
    const { json } = await at.ok(['rollback', 'shop/prod', 'current~1', '--json'])
    expect(json.revision.id).toMatch(/^\d{4}-\d\d-\d\dT/)
    const parent = plain.written[0]!
    expect((await at.run(['push', 'shop/prod', '--parent', parent], { input: '1' })).code).toBe(3)
    expect((await at.run(['push', 'shop/prod', '--parent', '2020-01-01T00:00:00Z'], { input: '1' })).code).toBe(3)
  })

  it('opens an encrypted tree with the key in a variable, once its lock is out of the way', async () => {
    const root = trees.original(sealed)
    const options = ['import', 'unobin', root, 'shop/staging', '--json']
    const locked = await at.run([...options, '--env-key', 'UB_STATE_KEY'], { env })
    expect([locked.code, locked.json.error.code]).toEqual([4, 'Locked'])
    expect(locked.json.error.message).toContain('process 4242')
    const without = await at.run([...options, '--force'])
    expect([without.code, without.json.error.hint]).toEqual([2, expect.stringContaining('--env-key UB_STATE_KEY')])
    const unset = await at.run([...options, '--force', '--env-key', 'UB_STATE_KEY'])
    expect([unset.code, unset.json.error.message]).toEqual([2, expect.stringContaining('UB_STATE_KEY is not set')])
    const { json } = await at.ok([...options, '--force', '--env-key', 'UB_STATE_KEY'], { env })
    expect(json.stacks).toMatchObject([{ name: 'shop/staging', current: sealed.current }])
    expect(at.printed).not.toContain(sealed.key_b64)
  })

  it('checks everything and writes nothing in a dry run, and when one of several stacks is damaged', async () => {
    const root = trees.original(plain)
    const stored = at.stored()
    const dry = await at.ok(['import', 'unobin', root, '--dry-run', '--json'])
    expect(dry.json.stacks[0]?.imported).toHaveLength(3)
    expect(at.stored()).toEqual(stored)
    rmSync(join(root, 'shop', 'prod', 'snapshots', `${plain.current}.json.enc`))
    const broken = await at.run(['import', 'unobin', root, '--json'])
    expect([broken.code, broken.json.error.code]).toEqual([6, 'Corrupt'])
    expect(at.stored()).toEqual(stored)
  })

  it('works under the lock, waits for it, and says what is wrong with a folder or a name', async () => {
    const root = trees.original(plain)
    await at.ok(['lock', 'shop/prod'])
    expect((await at.run(['import', 'unobin', root, '--wait', '0'])).code).toBe(4)
    expect((await at.run(['import', 'unobin', 'no/such/folder'])).stderr).toContain('it does not exist')
    expect((await at.run(['import', 'unobin', root, 'shop'])).stderr).toContain('must be FACTORY/STACK')
    expect((await at.run(['import', 'unobin', root, 'shop/none'])).code).toBe(2)
    expect((await at.run(['import', 'unobin'])).code).toBe(2)
  })
})

describe('export unobin', () => {
  it('writes the very files that were imported', async () => {
    await at.ok(['import', 'unobin', trees.original(plain)])
    const { json } = await at.ok(['export', 'unobin', 'tree', 'shop/prod', '--json'])
    expect(json.stacks).toMatchObject([{ name: 'shop/prod', present: 0, current: plain.current }])
    expect(trees.read(at.path('tree'))).toEqual(layoutFiles(plain))
    expect((await at.ok(['export', 'unobin', 'tree', 'shop/prod'])).stderr).toContain('3 there already')
  })

  it('encrypts what it writes so that it is read back with the same key only', async () => {
    await at.ok(['import', 'unobin', trees.original(plain)])
    await at.ok(['export', 'unobin', 'tree', 'shop/prod', '--env-key', 'UB_STATE_KEY'], { env })
    const files = trees.read(at.path('tree'))
    for (const [path, bytes] of Object.entries(files))
      if (path.endsWith('.json.enc')) expect(bytes.includes('format-version')).toBe(false)
    const imported = await at.ok(['import', 'unobin', 'tree', '--env-key', 'UB_STATE_KEY', '--json'], { env })
    expect(imported.json.stacks).toMatchObject([{ imported: [], present: 3 }])
  })

  it('replaces no file, and refuses what is no snapshot or not there', async () => {
    await at.ok(['import', 'unobin', trees.original(plain)])
    await at.ok(['export', 'unobin', 'tree', 'shop/prod'])
    writeFileSync(at.path('tree', 'shop', 'prod', 'current'), 'other\n')
    const other = await at.run(['export', 'unobin', 'tree', 'shop/prod', '--json'])
    expect([other.code, other.json.error.code]).toEqual([1, 'AlreadyExists'])
    await at.ok(['push', 'a/b'], { input: '{}' })
    expect((await at.run(['export', 'unobin', 'more', 'a/b'])).stderr).toContain('is no snapshot')
    expect((await at.run(['export', 'unobin', 'more', 'no/such'])).code).toBe(5)
    expect((await at.run(['export', 'unobin', 'more'])).code).toBe(2)
    expect((await at.run(['export', 'unobin', 'more', 'a/b/c'])).code).toBe(2)
  })
})
