import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(async () => {
  at = await Workspace.initialised()
})
afterEach(() => at.remove())

const SNAPSHOT = '{"format-version": 1, "stack": {"name": "shop"}, "entries": []}'

describe('push and pull', () => {
  it.each([
    ['JSON with blanks and CRLF', Buffer.from('{\r\n  "b": 1,\t"a": 1e400 }\r\n')],
    ['bytes that are no text', randomBytes(100_000)],
    ['text that is not JSON', Buffer.from('serial: 7\n')],
  ])('give back exactly what was pushed: %s', async (_what, body) => {
    at.write('body', body)
    await at.ok(['push', 'a/b', 'body'])
    const { bytes, stderr } = await at.ok(['pull', 'a/b'])
    expect(bytes).toEqual(body)
    expect(stderr).toMatch(/pulled a\/b .*: @1 [0-9A-Z]{26} by /)
    expect(Buffer.from((await at.ok(['pull', 'a/b', '--json'])).json.contentBase64, 'base64')).toEqual(body)
  })

  it('take the body from standard input, with - or with nothing', async () => {
    await at.ok(['push', 'a', '-'], { input: 'one' })
    await at.ok(['push', 'a'], { input: Readable.from([Buffer.from('tw'), Buffer.from('o')]) })
    expect((await at.ok(['pull', 'a'])).stdout).toBe('two')
    expect((await at.ok(['pull', 'a', '--rev', '@1', '-o', '-'])).stdout).toBe('one')
  })

  it('say who and what was replaced', async () => {
    const first = await at.ok(['push', 'a', '--json'], { input: '1' })
    const { stderr } = await at.ok(['push', 'a'], { input: '2' })
    expect(stderr).toContain(`replaced @1 ${first.json.revision.id} by ${first.json.revision.by}`)
    const third = await at.ok(['push', 'a', '-m', 'why', '--json'], { input: '3' })
    expect(third.json).toMatchObject({
      unchanged: false,
      revision: { number: 3, message: 'why' },
      replaced: { number: 2 },
    })
  })

  it('make no revision of the same bytes, and still set the label that was asked for', async () => {
    await at.ok(['push', 'a'], { input: 'same' })
    const documents = at.documents()
    const { stderr } = await at.ok(['push', 'a', '-m', 'again'], { input: 'same' })
    expect(stderr).toContain('unchanged: a is already @1')
    expect(at.documents()).toEqual(documents)
    const { json } = await at.ok(['push', 'a', '--label', 'v1', '--json'], { input: 'same' })
    expect(json).toMatchObject({ unchanged: true, replaced: null, revision: { number: 1, labels: ['v1'] } })
  })
})

describe('a pushed snapshot that differs little from the one before', () => {
  const body = (changed: string) => {
    const entry = (n: number) =>
      `    {\n      "address": "node-${n}",\n      "type": "leaf",\n      "kind": "${n === 7 ? changed : 'k'}"\n    }`
    const entries = Array.from({ length: 100 }, (_, n) => entry(n)).join(',\n')
    const stack = '{\n    "name": "a",\n    "version": "",\n    "content-revision": ""\n  }'
    return `{\n  "format-version": 1,\n  "stack": ${stack},\n  "deployment-id": "",\n  "generated-at": "2026-01-01T00:00:00Z",\n  "entries": [\n${entries}\n  ]\n}\n`
  }

  it('is stored as a change, comes back byte for byte, and is no new revision when it is pushed again', async () => {
    await at.ok(['push', 'a'], { input: body('first') })
    const { json } = await at.ok(['push', 'a', '--json'], { input: body('second') })
    expect(json).toMatchObject({
      bytes: body('second').length,
      revision: { number: 2, base: 1 },
      replaced: { base: null },
    })
    expect(json.revision.bytes).toBeLessThan(200)
    expect((await at.ok(['pull', 'a'])).stdout).toBe(body('second'))
    expect((await at.ok(['history', 'a'])).stdout).toMatch(/@2 .* \+\d+ B +snapshot/)
    for (const more of [[], ['--dry-run']])
      expect((await at.ok(['push', 'a', '--json', ...more], { input: body('second') })).json).toMatchObject({
        unchanged: true,
        revision: { number: 2 },
      })
    const odd = body('third').replace('"kind": "third"', '"kind":  "third"')
    const third = await at.ok(['push', 'a', '--json'], { input: odd })
    expect(third.json.revision).toMatchObject({ number: 3, base: null, bytes: odd.length })
    expect((await at.ok(['pull', 'a'])).stdout).toBe(odd)
    expect((await at.ok(['pull', 'a', '--rev', '@2'])).stdout).toBe(body('second'))
    expect((await at.ok(['verify', 'a', '--json'])).json).toMatchObject({ ok: true, documents: [{ deltas: 1 }] })
  })

  it('is stored whole by compact, and says the same afterwards', async () => {
    expect((await at.run(['compact', 'a'])).code).toBe(5)
    await at.ok(['push', 'a'], { input: body('first') })
    expect((await at.ok(['compact', 'a'])).stderr).toContain('nothing to do: a')
    for (const text of ['second', 'third']) await at.ok(['push', 'a'], { input: body(text) })
    const { json: before } = await at.ok(['history', 'a', '--json'])
    const preview = await at.ok(['compact', 'a', '--dry-run', '--json'])
    expect(preview.json).toMatchObject({ dryRun: true, stored: [before.revisions[0]?.id], released: 0 })
    expect((await at.ok(['compact', 'a', '--dry-run'])).stderr).toContain('would compact a: 1 revision stored whole')
    expect((await at.ok(['compact', 'a', '--json'])).json).toMatchObject({ ...preview.json, dryRun: false })
    expect((await at.ok(['history', 'a', '--json'])).json).toEqual(before)
    expect((await at.ok(['pull', 'a'])).stdout).toBe(body('third'))
    expect((await at.ok(['verify', 'a'])).stdout).toMatch(/^ok +a +3 revisions .*2 changes/)
  })
})

describe('push --parent', () => {
  it('replaces that revision only, however it is named', async () => {
    const { json } = await at.ok(['push', 'a', '--parent', 'none', '--label', 'base', '--json'], { input: '1' })
    await at.ok(['push', 'a', '--parent', json.revision.id], { input: '2' })
    await at.ok(['push', 'a', '--parent', '@2'], { input: '3' })
    for (const parent of [json.revision.id, '@1', '@2', 'base', 'current~1', 'none', '0123456789ABCDEFGHJKMNPQRS']) {
      const stale = await at.run(['push', 'a', '--parent', parent, '--json'], { input: '4' })
      expect([stale.code, stale.json.error.code], parent).toEqual([3, 'Conflict'])
      expect(stale.json.error.message).toContain('@3')
    }
    const unchanged = await at.run(['push', 'a', '--parent', '@1'], { input: '3' })
    expect(unchanged.code).toBe(3)
    expect((await at.ok(['pull', 'a'])).stdout).toBe('3')
  })

  it('names a revision that is not there: 5 for a name, 3 for an id, which may have been pruned', async () => {
    await at.ok(['push', 'a'], { input: '1' })
    expect((await at.run(['push', 'a', '--parent', 'nolabel'], { input: '2' })).code).toBe(5)
    expect((await at.run(['push', 'new', '--parent', '0123456789ABCDEFGHJKMNPQRS'], { input: '2' })).code).toBe(3)
  })
})

describe('push', () => {
  it("records a type: the chosen one, else the document's last, else what the body looks like", async () => {
    const typeOf = async (name: string, input: string, ...more: string[]) =>
      (await at.ok(['push', name, '--json', ...more], { input })).json.type
    expect(await typeOf('a', SNAPSHOT)).toBe('snapshot')
    expect(await typeOf('b', '{}')).toBe('json')
    expect(await typeOf('b', SNAPSHOT)).toBe('json')
    expect(await typeOf('b', 'cut off {')).toBe('bytes')
    expect(await typeOf('c', '{}', '--type', 'bytes')).toBe('bytes')
    expect(await typeOf('c', '[]')).toBe('bytes')
    expect((await at.ok(['status', 'c', '--json'])).json.current.type).toBe('bytes')
    expect((await at.run(['push', 'd', '--type', 'json'], { input: '{' })).code).toBe(2)
    const typo = await at.run(['push', 'd', '--type', 'jsno'], { input: '{}' })
    expect([typo.code, typo.stderr]).toEqual([2, expect.stringContaining('nearest is json')])
  })

  it('lets an empty body through only when asked', async () => {
    const { code, json } = await at.run(['push', 'a', '--json'], { input: '' })
    expect([code, json.error.code]).toEqual([2, 'InvalidInput'])
    await at.ok(['push', 'a', '--allow-empty'], { input: '' })
    expect((await at.ok(['pull', 'a'])).bytes).toHaveLength(0)
  })

  it('says in a dry run what it would do, and writes nothing', async () => {
    await at.ok(['push', 'a'], { input: '1' })
    const stored = at.stored()
    const { json } = await at.ok(['push', 'a', '--dry-run', '--label', 'x', '--json'], { input: '2' })
    expect(json).toMatchObject({ dryRun: true, unchanged: false, revision: null, replaced: { number: 1 } })
    expect((await at.ok(['push', 'new', '--dry-run'], { input: '2' })).stderr).toContain('would push new')
    expect((await at.run(['push', 'a', '--dry-run', '--parent', 'none'], { input: '2' })).code).toBe(3)
    await at.ok(['push', 'a', '--dry-run', '--label', 'x'], { input: '1' })
    expect(at.stored()).toEqual(stored)
  })

  it('never waits for somebody at a terminal to type a state', async () => {
    const { code, stderr } = await at.run(['push', 'a'], { typed: '' })
    expect([code, stderr]).toEqual([2, expect.stringContaining('push needs a FILE')])
  })

  it('says why a file cannot be read', async () => {
    const missing = await at.run(['push', 'a', 'nothing.json'])
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('there is no such file')])
    expect((await at.run(['push', 'a', '.'])).stderr).toContain('it is a folder')
  })

  it('that is interrupted while its input is still coming ends with 130 and has written nothing', async () => {
    const stored = at.stored()
    const interrupt = new AbortController()
    const endless = new Readable({ read() {} })
    endless.push('{')
    setTimeout(() => interrupt.abort(), 50)
    const { code, json } = await at.run(['push', 'a', '-', '--json'], { input: endless, signal: interrupt.signal })
    expect([code, json.error.code]).toEqual([130, 'Aborted'])
    expect(at.stored()).toEqual(stored)
  })

  it('takes names with slashes inside a segment, blanks, emoji and capitals for what they are', async () => {
    for (const name of ['a%2Fb', 'a/b', 'A/b', 'with blank/☃ 👍', 'CON', '..%2Fx']) {
      await at.ok(['push', name], { input: name })
    }
    const { json } = await at.ok(['list', '--json'])
    expect(json.documents).toHaveLength(6)
    for (const { name } of json.documents) expect((await at.ok(['pull', name])).stdout).toBe(name)
    for (const name of ['', 'a//b', '/a', 'x'.repeat(5_000), 'a%']) {
      expect((await at.run(['push', name], { input: '1' })).code, name.slice(0, 20)).toBe(2)
    }
  })
})

describe('pull', () => {
  it('writes a private file in one step, through a link, leaving nothing beside it', async () => {
    await at.ok(['push', 'a'], { input: 'new' })
    at.write('target', 'old')
    symlinkSync(at.path('target'), at.path('link'))
    const { json, stdout } = await at.ok(['pull', 'a', '-o', 'link', '--json'])
    expect(json).toMatchObject({ file: 'link', contentBase64: null })
    expect(stdout).not.toContain('new')
    expect(at.read('target').toString()).toBe('new')
    expect(statSync(at.path('target')).mode & 0o777).toBe(0o600)
    expect(lstatSync(at.path('link')).isSymbolicLink()).toBe(true)
    expect(readdirSync(at.folder).filter((file) => file.endsWith('.tmp'))).toEqual([])
  })

  it('refuses to put a file in the place of a folder, or into one that is not there', async () => {
    await at.ok(['push', 'a'], { input: 'x' })
    mkdirSync(at.path('folder'))
    expect((await at.run(['pull', 'a', '-o', 'folder'])).stderr).toContain('not a regular file')
    expect((await at.run(['pull', 'a', '-o', '/dev/null'])).code).toBe(2)
    expect((await at.run(['pull', 'a', '-o', 'no/such/file'])).stderr).toContain('its folder does not exist')
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  it('ends with 5 when there is nothing to pull, and with another code when the store itself is not there', async () => {
    const absent = await at.run(['pull', 'nothing', '--json'])
    expect([absent.code, absent.json.error.code]).toEqual([5, 'NotFound'])
    await at.ok(['push', 'a'], { input: 'x' })
    for (const rev of ['@2', 'current~1', 'stable', '0123456789ABCDEFGHJKMNPQRS']) {
      expect((await at.run(['pull', 'a', '--rev', rev])).code, rev).toBe(5)
    }
    const other = await at.run(['pull', 'a', '--store', 'file:./elsewhere', '--json'])
    expect(other.code).toBe(1)
  })

  it('ends with 6 under a key that is not among the recipients', async () => {
    await at.ok(['push', 'a'], { input: 'x' })
    const { code, json } = await at.run(['pull', 'a', '--key', 'env:OTHER_KEY', '--json'])
    expect(code).toBe(2) // the variable is not set
    expect(json.error.message).toContain('OTHER_KEY')
    at.write('other.key', `${randomBytes(32).toString('base64')}\n`)
    const { chmodSync } = await import('node:fs')
    chmodSync(at.path('other.key'), 0o600)
    const refused = await at.run(['pull', 'a', '--key', 'file:other.key', '--json'])
    expect([refused.code, refused.json.error.code]).toEqual([6, 'DecryptFailed'])
  })
})
