import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(async () => {
  at = await Workspace.initialised()
  for (const replicas of [1, 2, 3]) {
    const body = JSON.stringify({ replicas, region: replicas < 3 ? 'eu' : 'us', 'odd name': [replicas] })
    await at.ok(['push', 'shop/prod', '-m', `to ${replicas}`], { input: body })
  }
})
afterEach(() => at.remove())

const body = async (rev: string) => JSON.parse((await at.ok(['pull', 'shop/prod', '--rev', rev])).stdout)

describe('list', () => {
  it('shows the documents and which keys open them, without having a key', async () => {
    await at.ok(['push', 'a'], { input: 'x' })
    const { json } = await at.ok(['list', '--json', '--key', 'env:NOT_SET'])
    expect(json.documents.map(({ name }) => name)).toEqual(['a', 'shop/prod'])
    expect(json.documents[1]).toMatchObject({ seq: 4, hasCurrent: true, recipients: [{ provider: 'static' }] })
    expect((await at.ok(['list'])).stdout).toMatch(/^NAME .*\na .*\nshop\/prod +4 /)
  })

  it('shows deleted documents only when asked, and names a head that it cannot read', async () => {
    await at.ok(['delete', 'shop/prod', '--yes'])
    expect((await at.ok(['list'])).stderr).toContain('no documents')
    const { json } = await at.ok(['list', '--all', '--json'])
    expect(json).toMatchObject({ documents: [{ name: 'shop/prod', hasCurrent: false }], unreadable: [] })
    overwriteHead()
    expect((await at.ok(['list', '--json'])).json.unreadable).toMatchObject([{ name: 'shop/prod', code: 'Corrupt' }])
    expect((await at.ok(['list'])).stderr).toContain('unreadable: shop/prod')
  })
})

describe('status', () => {
  it('shows what is current, by whom, and the labels', async () => {
    await at.ok(['label', 'shop/prod', 'stable', '@2'])
    const { json } = await at.ok(['status', 'shop/prod', '--json'])
    expect(json).toMatchObject({ current: { number: 3, message: 'to 3', type: 'json' }, lastNumber: 3, deleted: null })
    expect(Object.keys(json.labels)).toEqual(['stable'])
    const { stdout } = await at.ok(['status', 'shop/prod'])
    expect(stdout).toMatch(/^current +@3 .*\nmessage +to 3\nbody +json, 43 B$/m)
  })

  it('tells a deleted document from one that never was', async () => {
    await at.ok(['delete', 'shop/prod', '--yes'])
    const { json } = await at.ok(['status', 'shop/prod', '--json'])
    expect(json).toMatchObject({ current: null, deleted: { by: expect.any(String) } })
    expect((await at.ok(['status', 'shop/prod'])).stdout).toContain('none: deleted by')
    expect((await at.run(['status', 'never'])).code).toBe(5)
  })
})

describe('history', () => {
  it('lists revisions newest first, as many as asked, and says when there are more', async () => {
    const { json } = await at.ok(['history', 'shop/prod', '--limit', '2', '--json'])
    expect(json.revisions.map(({ number }) => number)).toEqual([3, 2])
    expect(json.more).toBe(true)
    const all = await at.ok(['history', 'shop/prod', '--json'])
    expect([all.json.revisions.length, all.json.more]).toEqual([3, false])
    const { stdout, stderr } = await at.ok(['history', 'shop/prod', '--limit', '1'])
    expect(stdout).toMatch(/@3 .* current +to 3\n$/)
    expect(stderr).toContain('there are older ones')
  })

  it.each(['0', '-1', '1.5', 'x', '1e3', ''])('refuses the limit %j', async (limit) => {
    expect((await at.run(['history', 'shop/prod', `--limit=${limit}`])).code).toBe(2)
  })

  it('ends with 5 for a document that never was', async () => {
    expect((await at.run(['history', 'never'])).code).toBe(5)
  })
})

describe('diff', () => {
  it('shows what the last push changed, member by member', async () => {
    const { stdout, stderr } = await at.ok(['diff', 'shop/prod'])
    expect(stdout).toBe('~ replicas: 2 → 3\n~ region: "eu" → "us"\n~ ["odd name"][0]: 2 → 3\n')
    expect(stderr).toMatch(/^from @2 .*\nto {3}@3 .*\n3 changes\n$/)
  })

  it('compares any two revisions, and bodies that are no JSON by size and digest', async () => {
    const { json } = await at.ok(['diff', 'shop/prod', '@1', '@2', '--json'])
    expect(json).toMatchObject({ from: { number: 1 }, to: { number: 2 }, equal: false })
    expect(json.changes[0]).toEqual({ path: ['replicas'], kind: 'changed', before: 1, after: 2 })
    expect((await at.ok(['diff', 'shop/prod', '@1', '@1', '--json'])).json).toMatchObject({ equal: true, changes: [] })
    await at.ok(['push', 'shop/prod'], { input: 'no json' })
    expect((await at.ok(['diff', 'shop/prod', '--json'])).json.changes).toBeNull()
    expect((await at.ok(['diff', 'shop/prod'])).stdout).toMatch(
      /^- json, 43 B, sha256 [0-9a-f]{64}\n\+ bytes, 7 B, sha256/,
    )
  })

  it('ends with 5 when there is nothing to compare with', async () => {
    await at.ok(['push', 'one'], { input: '1' })
    expect((await at.run(['diff', 'one'])).code).toBe(5)
  })
})

describe('rollback', () => {
  it('makes an earlier content current as a new revision that says why', async () => {
    const { json } = await at.ok(['rollback', 'shop/prod', 'current~1', '-m', 'the move was wrong', '--json'])
    expect(json).toMatchObject({ target: { number: 2 }, revision: { number: 4 }, replaced: { number: 3 } })
    expect(json.revision).toMatchObject({ from: json.target.id, message: 'the move was wrong' })
    expect(await body('current')).toMatchObject({ replicas: 2 })
    expect((await at.ok(['rollback', 'shop/prod', '@1'])).stderr).toMatch(
      /rolled shop\/prod back to @1 .*\nreplaced @4/,
    )
  })

  it('says in a dry run what it would do, and writes nothing', async () => {
    const stored = at.stored()
    const { json } = await at.ok(['rollback', 'shop/prod', '@1', '--dry-run', '--json'])
    expect(json).toMatchObject({ dryRun: true, target: { number: 1 }, revision: null, replaced: { number: 3 } })
    expect(at.stored()).toEqual(stored)
    expect((await at.run(['rollback', 'shop/prod', '@9', '--dry-run'])).code).toBe(5)
  })
})

describe('label', () => {
  it('names a revision, moves to another, and is removed', async () => {
    expect((await at.ok(['label', 'shop/prod', 'stable', '--json'])).json.revision.number).toBe(3)
    expect((await at.ok(['label', 'shop/prod', 'stable', '@1', '--json'])).json.revision.labels).toEqual(['stable'])
    expect(await body('stable')).toMatchObject({ replicas: 1 })
    expect((await at.ok(['label', 'shop/prod', 'stable', '--remove', '--json'])).json).toMatchObject({
      removed: true,
      revision: null,
    })
    expect((await at.run(['pull', 'shop/prod', '--rev', 'stable'])).code).toBe(5)
    expect((await at.run(['label', 'shop/prod', 'stable', '--remove'])).code).toBe(5)
    expect((await at.run(['label', 'shop/prod', 'stable', '@1', '--remove'])).code).toBe(2)
    expect((await at.run(['label', 'shop/prod', '@7'])).code).toBe(2)
  })
})

describe('delete', () => {
  it('wants --yes where nobody can be asked, and asks at a terminal', async () => {
    const stored = at.stored()
    const { code, json } = await at.run(['delete', 'shop/prod', '--json'])
    expect([code, json.error.hint]).toEqual([2, 'Add --yes.'])
    const no = await at.run(['delete', 'shop/prod'], { typed: 'n' })
    expect([no.code, no.stderr]).toEqual([0, expect.stringContaining('not deleted')])
    expect(at.stored()).toEqual(stored)
    const yes = await at.ok(['delete', 'shop/prod'], { typed: 'yes' })
    expect(yes.stderr).toMatch(/Delete shop\/prod with its history\? Current is @3 .*deleted shop\/prod/s)
    expect((await at.run(['pull', 'shop/prod'])).code).toBe(5)
  })

  it('deletes only what it was said to be, says in a dry run what it would do, and can be followed by a push', async () => {
    const stored = at.stored()
    expect((await at.run(['delete', 'shop/prod', '--yes', '--parent', '@2'])).code).toBe(3)
    expect((await at.run(['delete', 'shop/prod', '--dry-run', '--parent', '@2'])).code).toBe(3)
    expect((await at.ok(['delete', 'shop/prod', '--dry-run', '--json'])).json).toMatchObject({
      deleted: false,
      dryRun: true,
    })
    expect(at.stored()).toEqual(stored)
    expect((await at.ok(['delete', 'shop/prod', '--yes', '--parent', '@3', '--json'])).json.deleted).toBe(true)
    expect((await at.run(['delete', 'shop/prod', '--yes'])).code).toBe(5)
    expect(
      (await at.ok(['push', 'shop/prod', '--parent', 'none', '--json'], { input: '1' })).json.revision.number,
    ).toBe(4)
  })
})

describe('verify', () => {
  it('reads everything of one document or of all', async () => {
    await at.ok(['push', 'big'], { input: Buffer.alloc(50_000, 'x') })
    const { json } = await at.ok(['verify', 'shop/prod', '--json'])
    expect(json).toMatchObject({ ok: true, documents: [{ name: 'shop/prod', revisions: 3, problems: [] }] })
    expect((await at.ok(['verify', '--all'])).stdout).toMatch(
      /^ok +big +1 revision +1 object +50,000 B\nok +shop\/prod /,
    )
  })

  it('ends with 6 and says what is damaged, also when another document is fine', async () => {
    await at.ok(['push', 'big'], { input: Buffer.alloc(50_000, 'x') })
    overwriteHead()
    const { code, json } = await at.run(['verify', '--all', '--json'])
    expect([code, json.error.code]).toEqual([6, 'Corrupt'])
    expect(json.report.ok).toBe(false)
    expect(json.report.documents).toMatchObject([
      { name: 'big', ok: true },
      { name: 'shop/prod', ok: false },
    ])
    const people = await at.run(['verify', 'shop/prod'])
    expect(people.code).toBe(6)
    expect(people.stdout).toMatch(/^DAMAGED +shop\/prod .*\nshop\/prod: Corrupt: /)
    expect(people.stderr).toContain('error: 1 problem in 1 document')
    expect((await at.run(['pull', 'shop/prod'])).code).toBe(6)
  })

  it('wants a name or --all, and ends with 5 for a name that never was', async () => {
    expect((await at.run(['verify'])).code).toBe(2)
    expect((await at.run(['verify', 'shop/prod', '--all'])).code).toBe(2)
    expect((await at.run(['verify', 'never'])).code).toBe(5)
  })
})

/** Puts garbage where the head of shop/prod is stored, as somebody with access to the folder could. */
function overwriteHead(): void {
  const heads = Object.keys(at.stored()).filter((file) => file.startsWith('heads/state/shop/prod'))
  expect(heads.length).toBeGreaterThan(0)
  for (const file of heads) at.write(`state/${file}`, 'garbage')
}
