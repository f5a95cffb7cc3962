import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OUTPUTS } from '../../src/cli/schemas.ts'
import { bytes, openStore } from '../../src/index.ts'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(() => {
  at = new Workspace()
})
afterEach(() => {
  vi.unstubAllEnvs()
  at.remove()
})

const COMMANDS = Object.keys(OUTPUTS)

describe('keelstate', () => {
  it('prints its version, which is the package’s', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    for (const flag of ['--version', '-V']) expect((await at.ok([flag])).stdout).toBe(`${version}\n`)
  })

  it('shows every command, and of each its options and examples', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { stdout, stderr } = await at.ok(args)
      for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
      expect(stderr).toBe('')
    }
    for (const command of COMMANDS) {
      const { stdout } = await at.ok([command, '--help'])
      expect(stdout).toMatch(new RegExp(`^keelstate ${command}\\b`))
      expect(stdout).toContain(`Examples\n  keelstate ${command}`)
      expect((await at.ok(['help', command])).stdout).toBe(stdout)
    }
  })

  it('names the nearest command, option and setting, with exit code 2', async () => {
    const command = await at.run(['psuh', 'a', '--json'])
    expect([command.code, command.json.error.message]).toEqual([2, 'There is no command "psuh"; the nearest is push.'])
    const option = await at.run(['push', 'a', '--lokc', 'store', '--json'])
    expect([option.code, option.json.error.hint]).toEqual([2, 'keelstate push --help'])
    expect(option.json.error.message).toContain('the nearest is --lock')
    const none = await at.run([])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('keelstate --help')])
    expect((await at.run(['constructor'])).code).toBe(2)
    at.write('keelstate.json', '{"kyes": "plaintext"}')
    expect((await at.run(['list'])).stderr).toContain('"kyes" is not a setting; the nearest is keys.')
  })

  it('takes options before the command as well', async () => {
    await at.ok(['--store', 'file:./state', '--key=plaintext', 'init'])
    await at.ok(['--json', 'list'])
  })

  it('refuses an address that holds a secret, without repeating it', async () => {
    for (const store of [
      's3://AKIA:hunter2@bucket/p?region=eu-west-1',
      's3://bucket/p?secretAccessKey=hunter2&region=eu-west-1',
    ]) {
      const { code } = await at.run(['list', '--store', store, '--key', 'plaintext'])
      expect(code).toBe(2)
    }
    for (const key of ['hunter2', 'passphrase:hunter2', 'env:hunter2=']) {
      expect((await at.run(['status', 'a', '--store', 'file:./state', '--key', key])).code).toBe(2)
    }
    expect(at.printed).not.toContain('hunter2')
  })
})

describe('config', () => {
  it('shows each value with its origin, and no secret', async () => {
    at.write(
      'keelstate.json',
      JSON.stringify({ store: 's3://u:hunter2@b/p', keys: ['env:STATE_KEY', 'passphrase:hunter2'] }),
    )
    const file = await at.ok(['config', '--json'])
    const origin = { from: 'file', name: at.path('keelstate.json') }
    expect(file.json).toEqual({
      schema: 'keelstate.config/1',
      file: origin.name,
      settings: [
        { name: 'store', value: 's3://***@b/p', origin },
        { name: 'lock', value: null, origin: null },
        { name: 'keys', value: ['env:STATE_KEY', 'passphrase:***'], origin },
        { name: 'storeId', value: null, origin: null },
        { name: 'wait', value: null, origin: null },
        { name: 'owner', value: null, origin: null },
        { name: 'cache', value: null, origin: null },
        { name: 'spool', value: null, origin: null },
      ],
    })
    const { stdout } = await at.ok(['config', '--store', 'file:./x'], { env: { KEELSTATE_KEYS: 'hunter2hunter2' } })
    expect(stdout).toContain(`file:${at.path('x')}`)
    expect(stdout).toMatch(/^store .* from the flag --store$/m)
    expect(stdout).toMatch(/^keys +\*\*\* +from the environment: KEELSTATE_KEYS$/m)
    expect(at.printed).not.toContain('hunter2')
  })

  it('works where nothing is configured', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'keelstate-bare-'))
    expect((await at.ok(['config', '--json'], { cwd })).json.file).toBeNull()
    expect((await at.ok(['config'], { cwd })).stdout).toMatch(/^store +\(not set\)$/m)
  })
})

describe('text from a bucket', () => {
  it('cannot make the terminal of whoever looks do anything', async () => {
    const hostile = '\u001b]0;owned\u0007\u009b2J\u202eevil\u2066\r'
    await at.ok(['init', '--store', 'file:./state', '--new-key', 'state.key'])
    const store = await openStore({ store: `file:${at.path('state')}`, keys: `file:${at.path('state.key')}` })
    const name = `shop/${hostile}`
    const document = store.document({ kind: 'state', segments: ['shop', hostile] }, bytes())
    const change = { message: hostile, by: hostile, parent: 'any' } as const
    await document.commit(Buffer.from(JSON.stringify({ [hostile]: 1 })), { ...change, type: 'json' })
    await document.commit(Buffer.from(JSON.stringify({ [hostile]: hostile })), { ...change, type: hostile })
    const entry = { address: hostile, type: 'leaf', kind: hostile, inputs: { [hostile]: hostile } }
    const snapshot = {
      'format-version': 1,
      stack: { name: hostile },
      'deployment-id': hostile,
      'generated-at': '2026-05-30T12:00:00Z',
    }
    const deployed = store.document({ kind: 'state', segments: ['deployed', hostile] }, bytes('snapshot'))
    await deployed.commit(Buffer.from(JSON.stringify({ ...snapshot, entries: [] })), change)
    await deployed.commit(Buffer.from(JSON.stringify({ ...snapshot, entries: [entry] })), change)
    const held = await store
      .document('held', bytes())
      .lock({ operation: hostile, reason: hostile, run: hostile, heartbeat: false })
    held.leave()
    await store.close()
    const of = `deployed/${hostile}`
    const commands = [
      ['status', 'held'],
      ['locks', '--all'],
      ['push', 'held', '--wait', '0', 'keelstate.json'],
      ['unlock', 'held'],
      ['unlock', 'held', '--owner', hostile],
      ['unlock', 'held', '--owner', held.owner],
      ['locks', 'reset'],
      ['status', of],
      ['diff', of],
      ['entries', 'list', of],
      ['entries', 'show', of, hostile],
      ['entries', 'show', of, `${hostile}x`],
      ['entries', 'move', of, hostile, `${hostile}2`],
      ['entries', 'move', of, `${hostile}2`, hostile],
      ['entries', 'remove', of, hostile],
      ['import', 'unobin', hostile],
      ['import', 'unobin', '.', hostile],
      ['export', 'unobin', hostile, of],
      ['list'],
      ['status', name],
      ['history', name],
      ['diff', name],
      ['pull', name, '-o', 'out'],
      ['push', name, 'out'],
      ['push', name, 'out', '--parent', 'none'],
      ['rollback', name, '@1'],
      ['label', name, `label${hostile}`],
      ['label', name, 'absent', '--remove'],
      ['pull', name, '--rev', hostile],
      ['verify', name],
      ['delete', name, '--dry-run'],
      ['delete', name, '--yes'],
    ]
    for (const command of commands) {
      if (command[0] !== 'delete') await at.run([...command, '--json'])
      await at.run(command)
    }
    expect(at.printed).toContain('\\u001b]0;owned')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(at.printed).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
  })
})

describe('secrets', () => {
  it('are in nothing that any command prints, whatever goes wrong', async () => {
    const key = randomBytes(32).toString('base64')
    const pass = 'correct-horse-battery'
    vi.stubEnv('STATE_KEY', key)
    vi.stubEnv('STATE_PASS', pass)
    vi.stubEnv('BAD_KEY', `${key.slice(0, 20)}!`)
    const keys = ['--key', 'env:STATE_KEY', '--key', 'passphrase:env:STATE_PASS']
    await at.ok(['init', '--store', 'file:./state', ...keys])
    await at.ok(['push', 'a'], { input: 'body' })
    for (const args of [['status', 'a'], ['config'], ['list'], ['verify', 'a'], ['history', 'a']]) {
      await at.ok(args)
      await at.ok([...args, '--json'])
    }
    expect((await at.run(['status', 'a', '--key', 'env:BAD_KEY', '--json'])).code).toBe(2)
    expect((await at.run(['status', 'a', '--key', key, '--json'])).code).toBe(2)
    expect((await at.run(['status', 'a', '--key', `file:${key.replaceAll('/', 'x')}`])).code).toBe(2)
    for (const secret of [key, pass, key.slice(0, 20), key.replaceAll('/', 'x')])
      expect(at.printed).not.toContain(secret)
    expect(at.read('keelstate.json').toString()).not.toContain(key)
  })
})
