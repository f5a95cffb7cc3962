import { type Dirent, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgress } from '../../src/cli/progress.ts'
import { json, openStore } from '../../src/index.ts'
import { type Ran, Workspace } from './workspace.ts'

let at: Workspace

beforeEach(async () => {
  at = await Workspace.initialised()
  await at.ok(['push', 'shop/prod', '-m', 'first'], { input: '1' })
})
afterEach(() => at.remove())

const lock = async (...more: string[]): Promise<string> =>
  (await at.ok(['lock', 'shop/prod', ...more, '--json'])).json.lock.owner
const pulled = async () => (await at.ok(['pull', 'shop/prod'])).stdout
const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
const isHeld = async () => (await at.ok(['status', 'shop/prod', '--json'])).json.lock !== null

/** Every command that changes a document, each with what it needs. */
const CHANGES: readonly (readonly string[])[] = [
  ['push', 'shop/prod', '-'],
  ['rollback', 'shop/prod', '@1'],
  ['label', 'shop/prod', 'stable'],
  ['label', 'shop/prod', 'first', '--remove'],
  ['delete', 'shop/prod', '--yes'],
]

describe('commands that change a document', () => {
  it('are locked out while somebody holds its lock, with exit code 4, who, since when, what for, and how to break it', async () => {
    await at.ok(['label', 'shop/prod', 'first', '@1'])
    const owner = await lock('--reason', 'migration')
    const documents = at.documents()
    for (const command of CHANGES) {
      const { code, json: failed } = await at.run([...command, '--wait', '0', '--json'], { input: '2' })
      expect([code, failed.error.code, failed.error.retry], command.join(' ')).toEqual([4, 'Locked', 'safe'])
      expect(failed.error.message).toMatch(/shop\/prod is locked by .*@.* since \d{4}-.*Z \(lock, migration\)/)
      expect(failed.error.hint).toContain(`keelstate unlock shop/prod --owner ${owner}`)
    }
    expect(at.documents()).toEqual(documents)
  })

  it('work under a lock that was taken before, by its owner id, and leave it held', async () => {
    const owner = await lock()
    for (const command of CHANGES.slice(0, 3)) await at.ok([...command, '--owner', owner], { input: '2' })
    await at.ok(['push', 'shop/prod'], { input: '3', env: { KEELSTATE_OWNER: owner } })
    expect(await pulled()).toBe('3')
    expect(await isHeld()).toBe(true)
    await at.ok(['unlock', 'shop/prod', '--owner', owner])
    const late = await at.run(['push', 'shop/prod', '--json'], { input: '4', env: { KEELSTATE_OWNER: owner } })
    expect([late.code, late.json.error.code]).toEqual([4, 'LeaseLost'])
    expect(await pulled()).toBe('3')
  })

  it('say that an owner id from the environment is of another document, and write nothing', async () => {
    const owner = await lock()
    const other = await at.run(['push', 'shop/other', '--json'], { input: '1', env: { KEELSTATE_OWNER: owner } })
    expect([other.code, other.json.error.code]).toEqual([4, 'LeaseLost'])
    expect(other.json.error.hint).toContain('KEELSTATE_OWNER names that id')
    expect((await at.run(['pull', 'shop/other'])).code).toBe(5)
  })

  it('wait for the holder as long as asked, saying for whom, and go on when the lock is given up', async () => {
    const owner = await lock('--reason', 'migration')
    const waiting = at.run(['push', 'shop/prod', '--wait', '20s'], { input: '2' })
    setTimeout(() => void at.run(['unlock', 'shop/prod', '--owner', owner]), 300)
    const { code, stderr } = await waiting
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^waiting for the lock on shop\/prod: held by .*migration/),
    ])
    expect(await pulled()).toBe('2')
  })

  it('give up after the time in KEELSTATE_WAIT, or at once when interrupted, saying who was waited for', async () => {
    await lock()
    const env = { KEELSTATE_WAIT: '50ms' }
    expect((await at.run(['push', 'shop/prod'], { input: '2', env })).code).toBe(4)
    const interrupt = new AbortController()
    setTimeout(() => interrupt.abort(), 1_000)
    const interrupted = await at.run(['push', 'shop/prod', '--json'], { input: '2', signal: interrupt.signal })
    expect([interrupted.code, interrupted.json.error.code]).toEqual([130, 'Aborted'])
    expect(interrupted.json.error.message).toContain('shop/prod is locked by')
    expect(await pulled()).toBe('1')
  })

  it('give the lock up whatever happens, so that the next one is never held up', async () => {
    expect((await at.run(['push', 'shop/prod', '--parent', 'none'], { input: '2' })).code).toBe(3)
    expect((await at.run(['rollback', 'shop/prod', '@9'])).code).toBe(5)
    expect((await at.run(['label', 'shop/prod', 'not a label'])).code).toBe(2)
    await at.ok(['push', 'shop/prod'], { input: '2' })
    expect(await isHeld()).toBe(false)
  })

  it('take no lock in a dry run, and make no document of a name that was mistyped', async () => {
    await lock()
    const stored = at.stored()
    await at.ok(['push', 'shop/prod', '--dry-run'], { input: '2' })
    await at.ok(['rollback', 'shop/prod', '@1', '--dry-run'])
    await at.ok(['delete', 'shop/prod', '--dry-run'])
    for (const command of [
      ['rollback', 'typo', '@1'],
      ['label', 'typo', 'x'],
      ['label', 'typo', 'x', '--remove'],
      ['delete', 'typo', '--yes'],
    ])
      expect((await at.run(command)).code, command.join(' ')).toBe(5)
    expect(at.stored()).toEqual(stored)
  })

  it('go on from what somebody committed without a lock, and say that it was replaced', async () => {
    const owner = await lock()
    const store = await openStore({
      store: `file:${at.path('state')}`,
      keys: `file:${at.path('state.key')}`,
      by: 'bob',
    })
    await store.document('shop/prod', json<number>()).commit(5, { parent: 'any' })
    await store.close()
    const { stderr } = await at.ok(['push', 'shop/prod', '--owner', owner], { input: '2' })
    expect(stderr).toMatch(/^replaced @2 .* by bob/m)
  })

  it('refuse a time that is none, before anything is read', async () => {
    for (const wait of ['5', '5 m', 'soon', '-1s', '1h30m']) {
      const { code, stderr } = await at.run(['push', 'shop/prod', `--wait=${wait}`], { input: '2' })
      expect([code, stderr]).toEqual([2, expect.stringContaining('--wait must be a time such as 30s')])
    }
    const fromEnvironment = await at.run(['list'], { env: { KEELSTATE_WAIT: 'soon' } })
    expect([fromEnvironment.code, fromEnvironment.stderr]).toEqual([
      2,
      expect.stringContaining('KEELSTATE_WAIT must be'),
    ])
  })
})

describe('lock', () => {
  it('prints the owner id alone on stdout, and how long it lasts and what to do with it on stderr', async () => {
    const { stdout, stderr } = await at.ok(['lock', 'shop/prod', '--for', '2h'])
    expect(stdout).toMatch(/^[0-9a-f]{32}\n$/)
    expect(stderr).toMatch(/^locked shop\/prod for 2 h, until \d{4}-.*Z\n/)
    expect(stderr).toContain(`give it up: keelstate unlock shop/prod --owner ${stdout.trim()}`)
  })

  it('says what for and for how long, to whoever asks; where the pipeline run can be looked at, too', async () => {
    const env = { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'a/b', GITHUB_RUN_ID: '7' }
    await at.ok(['lock', 'shop/prod', '--reason', 'migration'], { env })
    const { json: status } = await at.ok(['status', 'shop/prod', '--json'])
    expect(status.lock).toMatchObject({
      held: true,
      operation: 'lock',
      reason: 'migration',
      run: 'https://github.com/a/b/actions/runs/7',
      leaseMs: 30 * 60_000,
    })
    expect((await at.ok(['status', 'shop/prod'])).stdout).toMatch(/^lock +held by .* \(lock, migration, https:/m)
  })

  it('lasts from a second to a day', async () => {
    for (const time of ['0', '999ms', '25h', 'always'])
      expect((await at.run(['lock', 'shop/prod', '--for', time])).code, time).toBe(2)
    await lock('--for', '24h')
  })
})

describe('lock NAME -- CMD', () => {
  const node = (script: string) => [process.execPath, '-e', script]

  it('holds the lock while CMD runs, tells it the owner id, and passes its output and exit code on', async () => {
    const script =
      'process.stdout.write(process.env.KEELSTATE_OWNER); process.stderr.write("talk"); process.exitCode = 7'
    const { code, stdout, stderr } = await at.run(['lock', 'shop/prod', '--', ...node(script)])
    expect([code, stdout, stderr]).toEqual([7, expect.stringMatching(/^[0-9a-f]{32}$/), 'talk'])
    expect(await isHeld()).toBe(false)
  })

  it('hands its standard input to CMD', async () => {
    const { stdout } = await at.ok(['lock', 'shop/prod', '--', ...node('process.stdin.pipe(process.stdout)')], {
      input: 'abc',
    })
    expect(stdout).toBe('abc')
  })

  it('forwards signals to CMD, which decides what they mean', async () => {
    let send: ((signal: NodeJS.Signals) => void) | undefined
    const ready = join(at.folder, 'ready')
    const script = `process.on("SIGTERM", () => process.exit(42)); setInterval(() => {}, 1e6);
      require("node:fs").writeFileSync(${JSON.stringify(ready)}, "")`
    const running = at.run(['lock', 'shop/prod', '--', ...node(script)], {
      relaySignals: (to) => {
        send = to
        return () => {}
      },
    })
    await until(isHeld)
    await until(async () => send !== undefined && existsSync(ready))
    send!('SIGTERM')
    expect((await running).code).toBe(42)
    expect(await isHeld()).toBe(false)
  })

  it('stops CMD when the lock is broken, and ends with 4 whatever CMD ends with', async () => {
    const script = 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6)'
    const running = at.run(['lock', 'shop/prod', '--for', '3s', '--', ...node(script)])
    await until(isHeld)
    const { json: status } = await at.ok(['status', 'shop/prod', '--json'])
    await at.ok(['unlock', 'shop/prod', '--owner', status.lock.owner])
    const { code, stderr } = await running
    expect([code, stderr]).toEqual([4, expect.stringContaining('it was broken')])
  })

  it.each([
    ['is not there', () => join(mkdtempSync(join(tmpdir(), 'keelstate-cmd-')), 'nosuch'), 127],
    [
      'cannot be run',
      () => {
        const file = join(mkdtempSync(join(tmpdir(), 'keelstate-cmd-')), 'plain')
        writeFileSync(file, 'text', { mode: 0o600 })
        return file
      },
      126,
    ],
  ])('ends as a shell does when CMD %s', async (_what, program, expected) => {
    const { code, stderr } = await at.run(['lock', 'shop/prod', '--', program()])
    expect([code, stderr]).toEqual([expected, expect.stringContaining('error: the command cannot be run')])
    expect(await isHeld()).toBe(false)
  })

  it('ends with 128 + the signal that killed CMD', async () => {
    expect((await at.run(['lock', 'shop/prod', '--', ...node('process.kill(process.pid, "SIGKILL")')])).code).toBe(137)
  })

  it('needs --, a command behind it, and no --json, whose place its output takes', async () => {
    const without = await at.run(['lock', 'shop/prod', 'terraform', 'apply'])
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('-- terraform')])
    expect((await at.run(['lock', 'shop/prod', '--'])).code).toBe(2)
    expect((await at.run(['lock', 'shop/prod', '--json', '--', 'true'])).code).toBe(2)
  })

  it('does not start CMD when it is interrupted while the lock is being taken', async () => {
    const interrupt = new AbortController()
    interrupt.abort()
    const script = `require('fs').writeFileSync(${JSON.stringify(at.path('started'))}, '')`
    const { code } = await at.run(['lock', 'shop/prod', '--', ...node(script)], { signal: interrupt.signal })
    expect(code).toBe(130)
    expect(() => at.read('started')).toThrow('ENOENT')
    expect(await isHeld()).toBe(false)
  })

  it('does not start CMD when the lock cannot be had', async () => {
    await lock()
    const script = `require('fs').writeFileSync(${JSON.stringify(at.path('started'))}, '')`
    expect((await at.run(['lock', 'shop/prod', '--wait', '0', '--', ...node(script)])).code).toBe(4)
    expect(() => at.read('started')).toThrow('ENOENT')
  })
})

describe('unlock', () => {
  it('without --owner shows who holds the lock and the command that breaks it, exit 4; says so when it is free', async () => {
    expect((await at.ok(['unlock', 'shop/prod'])).stderr).toBe('shop/prod is not locked\n')
    expect((await at.ok(['unlock', 'never/was', '--json'])).json.broken).toBeNull()
    const owner = await lock()
    const { code, json: held } = await at.run(['unlock', 'shop/prod', '--json'])
    expect([code, held.error.code]).toEqual([4, 'Locked'])
    expect(held.error.hint).toContain(`keelstate unlock shop/prod --owner ${owner}`)
    expect(await isHeld()).toBe(true)
  })

  it('breaks exactly the lock of that owner, without a key', async () => {
    const owner = await lock()
    const stranger = await at.run(['unlock', 'shop/prod', '--owner', '0'.repeat(32), '--json'])
    expect([stranger.code, stranger.json.error.code]).toEqual([3, 'Conflict'])
    const { json: broken } = await at.ok(['unlock', 'shop/prod', '--owner', owner, '--key', 'env:NOT_SET', '--json'])
    expect(broken.broken.owner).toBe(owner)
    expect(await isHeld()).toBe(false)
    expect((await at.run(['push', 'shop/prod', '--owner', owner], { input: '9' })).code).toBe(4)
  })

  it('quotes a name that a shell would take apart', async () => {
    const { json: taken } = await at.ok(['lock', "it's/a b", '--json'])
    const { json: held } = await at.run(['unlock', "it's/a b", '--json'])
    expect(held.error.hint).toContain(`keelstate unlock 'it'\\''s/a b' --owner ${taken.lock.owner}`)
  })
})

describe('locks', () => {
  it('lists what is held, with --all also who had a lock last, without a key', async () => {
    const owner = await lock('--reason', 'migration')
    await at.ok(['push', 'a'], { input: '1' })
    const names = ({ json: { locks } }: Ran) => locks.map(({ name }: { name: string }) => name)
    const held = await at.ok(['locks', '--json', '--key', 'env:NOT_SET'])
    expect(names(held)).toEqual(['shop/prod'])
    expect(held.json.locks[0]).toMatchObject({ kind: 'state', held: true, owner, reason: 'migration' })
    expect(names(await at.ok(['locks', '--all', '--json']))).toEqual(['a', 'shop/prod'])
    expect((await at.ok(['locks'])).stdout).toMatch(/^NAME .*\nshop\/prod +held .* 30 min +lock, migration\n$/)
    await at.ok(['unlock', 'shop/prod', '--owner', owner])
    expect((await at.ok(['locks'])).stderr).toBe('no locks\n')
  })

  it('shows a record that cannot be read as such beside all others, and ends with 6', async () => {
    await at.ok(['push', 'a'], { input: '1' })
    await at.ok(['push', 'z'], { input: '1' })
    const damaged = (readdirSync(at.path('state/locks/state/a'), { recursive: true, withFileTypes: true }) as Dirent[])
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
    for (const file of damaged) writeFileSync(file, '{"format":"keelstate-lock/1","held":"no"}')
    expect(damaged).toHaveLength(1)
    const told = await at.run(['locks', '--all'])
    expect(told.code).toBe(6)
    expect(told.stdout).toMatch(/^NAME .*\nshop\/prod +free .*\nz +free .*\n$/)
    expect(told.stderr).toMatch(/^unreadable: a: The lock record of .*\nerror: 1 lock record cannot be read/)
    const { json: failed } = await at.run(['locks', '--all', '--json'])
    expect(failed.error).toMatchObject({ code: 'Corrupt', key: 'a', hint: expect.stringContaining('delete it') })
    expect(failed.report.locks.map(({ name }: { name: string }) => name)).toEqual(['shop/prod', 'z'])
    expect(failed.report.unreadable).toMatchObject([{ name: 'a', kind: 'state', code: 'Corrupt' }])
    const { code, json: reset } = await at.run(['locks', 'reset', '--json'])
    expect([code, reset.report.names]).toEqual([6, ['shop/prod', 'z']])
    expect(reset.report.unreadable).toMatchObject([{ name: 'a' }])
  })

  it('that were lost are told by the next command that takes one, on stderr, and keep nobody out', async () => {
    rmSync(at.path('state/locks'), { recursive: true })
    const { stderr } = await at.ok(['push', 'shop/prod', '--json'], { input: '2' })
    expect(stderr).toMatch(/^warning: the lock record of shop\/prod was gone, .* keelstate locks reset; .*\n$/)
    expect((await at.ok(['push', 'shop/prod', '--json'], { input: '3' })).stderr).toBe('')
  })

  it('reset marks all of them once, and only says so in a dry run', async () => {
    const stored = at.stored()
    const dry = await at.ok(['locks', 'reset', '--dry-run', '--json'])
    expect(dry.json).toMatchObject({ dryRun: true, names: ['shop/prod'] })
    expect(at.stored()).toEqual(stored)
    expect((await at.ok(['locks', 'reset'])).stdout).toBe('shop/prod\n')
    expect((await at.ok(['locks', 'reset', '--json'])).json.names).toEqual([])
    await at.ok(['push', 'shop/prod'], { input: '2' })
    const { json: status } = await at.ok(['status', 'shop/prod', '--json'])
    expect(BigInt(status.epoch) >> 32n).toBe(1n)
  })
})

describe('on a terminal', () => {
  it('shows whom a command waits for, in a line that goes away', async () => {
    const { PassThrough } = await import('node:stream')
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    const progress = startProgress('push', terminal, 5)
    progress.note('waiting for the lock on shop/prod: held by ada@dev')
    await new Promise((resolve) => setTimeout(resolve, 200))
    progress.note('')
    await new Promise((resolve) => setTimeout(resolve, 200))
    progress.stop()
    const text = (terminal.read() as Buffer).toString()
    expect(text).toMatch(/push: waiting for the lock on shop\/prod: held by ada@dev … \d s/)
    expect(text).toMatch(/push … \d s\r.*$/)
  })

  it('says it there while a push waits', async () => {
    const owner = await lock()
    const waiting = at.run(['push', 'shop/prod', '--wait', '20s', at.path('keelstate.json')], { typed: '' })
    setTimeout(() => void at.run(['unlock', 'shop/prod', '--owner', owner]), 1_500)
    const { code, stderr } = await waiting
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/push: waiting for the lock on shop\/prod: held by .* … 1 s/),
    ])
  })
})

describe('where locks live', () => {
  it('is a setting like the others: flag, environment, keelstate.json, which init writes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelstate-locks-'))
    const init = ['init', '--store', 'file:./elsewhere', '--key', 'plaintext', '--lock', 'store']
    await at.ok(init, { cwd: folder })
    const settings = async (args: string[], env: Record<string, string> = {}) =>
      (await at.ok(['config', '--json', ...args], { cwd: folder, env })).json.settings.find(
        ({ name }: { name: string }) => name === 'lock',
      )
    expect(await settings([])).toMatchObject({ value: 'store', origin: { from: 'file' } })
    const table = 'dynamodb://acme-locks?region=eu-west-1'
    expect(await settings([], { KEELSTATE_LOCK: table })).toMatchObject({
      value: table,
      origin: { from: 'environment' },
    })
    expect(await settings(['--lock', 'store'], { KEELSTATE_LOCK: table })).toMatchObject({ origin: { from: 'flag' } })
    const bad = await at.run(['push', 'a', '--lock', 'redis://x'], { input: '1' })
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('dynamodb://table')])
    const secret = await at.run(['push', 'a', '--lock', 'dynamodb://k:hunter2@t'], { input: '1' })
    expect([secret.code, secret.stderr.includes('hunter2')]).toEqual([2, false])
  })
})
