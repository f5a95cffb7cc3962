import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'
import { type RunOptions, Workspace } from './workspace.ts'

const ENDED = { accessKeyId: 'ended', secretAccessKey: 'fixture-secret', sessionToken: 'token', expired: true }
const VALID = { accessKeyId: 'fixture-key', secretAccessKey: 'fixture-secret' }

let server: S3Server
let at: Workspace
let env: Record<string, string>
let count = 0

beforeAll(async () => {
  server = await startS3Server({ credentials: [VALID, ENDED] })
  server.createBucket('state')
})
afterAll(() => server.close())

beforeEach(async () => {
  signIn()
  at = new Workspace()
  env = { KEELSTATE_SPOOL: at.path('spool') }
  const address = `s3://state/${++count}?region=${server.region}&endpoint=${server.endpoint}&conditionalWrites=trusted`
  await at.ok(['init', '--store', address, '--new-key', 'state.key'])
})
afterEach(() => {
  server.faults.clear()
  vi.unstubAllEnvs()
  at.remove()
})

function signIn(credential: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } = VALID): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', credential.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', credential.secretAccessKey)
  vi.stubEnv('AWS_SESSION_TOKEN', credential.sessionToken)
}
const run = (args: readonly string[], options: RunOptions = {}) => at.run(args, { env, ...options })
const ok = (args: readonly string[], options: RunOptions = {}) => at.ok(args, { env, ...options })
const files = (): string[] =>
  existsSync(at.path('spool'))
    ? (readdirSync(at.path('spool'), { recursive: true }) as string[])
        .map((one) => at.path('spool', one))
        .filter((one) => statSync(one).isFile())
    : []
/** Those that are not being written any more. */
const whole = (): string[] => files().filter((one) => one.endsWith('.save'))
const HEAD = '*/heads/*'
const EXPIRED = { do: 'status', status: 400, code: 'ExpiredToken' } as const
const ALWAYS = { times: Number.POSITIVE_INFINITY }
const history = async (): Promise<string[]> =>
  (await ok(['history', 'a', '--json'])).json.revisions.map(({ message }: { message: string }) => message).reverse()

/** A push from a pipe that fails, on what is there. */
async function failedPush(body: string, ...more: string[]): Promise<string> {
  server.faults.add({ operation: 'PutObject', key: HEAD, ...ALWAYS }, EXPIRED)
  const { code, stderr } = await run(['push', 'a', '-', ...more], { input: body })
  server.faults.clear()
  expect(code).toBe(1)
  return stderr
}

describe('a push with credentials that have ended', () => {
  it('keeps what came from a pipe, and recover brings it home when one has signed in again', async () => {
    signIn(ENDED)
    const { code, stderr } = await run(['push', 'a', '-', '-m', 'from a pipe'], { input: 'secret body' })
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /error: .*session of the credentials has ended.*\n {2}hint: .*kept in .*keelstate recover a\n$/s,
    )
    expect(files()).toHaveLength(1)
    expect(readFileSync(files()[0]!).includes('secret body')).toBe(false)
    expect(statSync(files()[0]!).mode & 0o777).toBe(0o600)
    signIn()
    expect((await ok(['recover', 'a'])).stderr).toMatch(/committed what was kept of a as @1 /)
    expect((await ok(['pull', 'a'])).stdout).toBe('secret body')
    expect(await history()).toEqual(['from a pipe'])
    expect(files()).toEqual([])
  })

  it('that end after the lock was taken keep it on what was read under the lock', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '{"n":1}' })
    const stderr = await failedPush('{"n":2}', '-m', 'second', '--label', 'wanted')
    expect(stderr).toMatch(/keelstate recover a\n/)
    const { json } = await ok(['recover', 'a', '--json'])
    expect(json.saves).toMatchObject([
      {
        outcome: 'committed',
        revision: { number: 2, message: 'second', type: 'json', labels: ['wanted'] },
        replaced: { number: 1 },
      },
    ])
    expect(await history()).toEqual(['first', 'second'])
  })

  it('say so when nothing could be kept, and where the body still is', async () => {
    at.write('body', 'x')
    signIn(ENDED)
    vi.stubEnv('KEELSTATE_TEST_KEY', undefined)
    const gone = { env: { KEELSTATE_SPOOL: '/dev/null/spool' } }
    const file = await at.run(['push', 'a', 'body'], gone)
    expect(file.stderr).toMatch(/could not be kept either: .*spool.*body is as it was: push it again/)
    const pipe = await at.run(['push', 'a', '-'], { ...gone, input: 'x' })
    expect(pipe.stderr).toMatch(/could not be kept either: .*standard input is gone/)
    expect(pipe.code).toBe(1)
  })

  it('keep nothing when that is switched off', async () => {
    signIn(ENDED)
    const { stderr } = await at.run(['push', 'a', '-'], { env: { KEELSTATE_SPOOL: 'off' }, input: 'x' })
    expect(stderr).not.toMatch(/recover|kept/)
    expect((await at.run(['recover'], { env: { KEELSTATE_SPOOL: 'off' } })).stderr).not.toContain('error')
  })
})

describe('a push whose answer was lost', () => {
  it('is found to have landed, and is not made twice', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '1' })
    server.faults.add({ operation: 'PutObject', key: HEAD }, { do: 'drop-answer' })
    server.faults.add({ operation: 'GetObject', key: HEAD, nth: 2, ...ALWAYS }, EXPIRED)
    const { code, stderr } = await run(['push', 'a', '-', '-m', 'second'], { input: '2' })
    server.faults.clear()
    expect(code, stderr).toBe(7)
    expect(stderr).toMatch(/not known whether .*keelstate recover a\n$/s)
    expect((await ok(['recover', 'a'])).stderr).toMatch(/what was kept of a had landed as @2 /)
    expect(await history()).toEqual(['first', 'second'])
    expect(files()).toEqual([])
    expect((await ok(['recover', 'a'])).stderr).toContain('nothing is kept')
  })
})

describe('an interrupted push', () => {
  it('keeps its body and gives the lock up', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '1' })
    const interrupt = new AbortController()
    const hold = server.faults.hold({ operation: 'PutObject', key: HEAD })
    const pushing = run(['push', 'a', '-', '-m', 'second'], { input: '2', signal: interrupt.signal })
    await hold.arrived()
    interrupt.abort()
    await expect.poll(whole, { timeout: 10_000 }).toHaveLength(1) // at once, while the write is still under way
    const { code, stderr } = await pushing
    expect([7, 130]).toContain(code)
    expect(stderr).toMatch(/^kept in .*\.save\nerror: .*keelstate recover a\n$/s) // the first before it gives the lock up
    await hold.drop()
    expect((await ok(['recover', 'a', '--wait', '0'])).stderr).toMatch(/committed what was kept of a as @2 /)
    expect(await history()).toEqual(['first', 'second'])
  })
})

describe('recover', () => {
  it('lists what is kept, and says what it would do', async () => {
    await ok(['push', 'a'], { input: '1' })
    expect((await ok(['recover'])).stderr).toContain('nothing is kept')
    await failedPush('22')
    const { json } = await ok(['recover', '--json'])
    expect(json.saves).toMatchObject([{ name: 'a', bytes: 2, outcome: 'kept', problem: null }])
    expect((await ok(['recover'])).stdout).toMatch(/^a +\d{8}T\d{9}Z-[0-9a-f]{8} +\S+ +2 B +to replace [0-9A-Z]{26}\n$/)
    expect((await ok(['recover', 'a', '--dry-run'])).stderr).toMatch(/would commit .* would replace @1/)
    expect((await ok(['recover', '--json'])).json.saves).toHaveLength(1)
  })

  it('shows the difference when something else is current by now, exit 3, and commits it where it is told to', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '{"n":1}' })
    await failedPush('{"n":2}', '-m', 'mine')
    const other = await ok(['push', 'a', '-m', 'other', '--json'], { input: '{"n":3}' })
    const told = await run(['recover', 'a'])
    expect(told.code).toBe(3)
    expect(told.stdout).toBe('~ n: 3 → 2\n')
    const { id } = other.json.revision
    expect(told.stderr).toMatch(new RegExp(`error: a has moved.*--replace ${id} .* -o FILE .* --discard`, 's'))
    expect((await run(['recover', 'a', '--json'])).json).toMatchObject({
      error: { code: 'Conflict' },
      report: {
        saves: [{ outcome: 'kept' }],
        compared: { equal: false, changes: [{ path: ['n'], before: 3, after: 2 }] },
      },
    })
    await ok(['recover', 'a', '-o', 'mine.json'])
    expect(at.read('mine.json').toString()).toBe('{"n":2}')
    expect(statSync(at.path('mine.json')).mode & 0o777).toBe(0o600)
    expect((await run(['recover', 'a', '--replace', '@1'])).code).toBe(3)
    await ok(['recover', 'a', '--replace', id])
    expect(await history()).toEqual(['first', 'other', 'mine'])
    expect(files()).toEqual([])
  })

  it('shows nothing of a snapshot that is marked as sensitive', async () => {
    const snapshot = (secret: string) =>
      JSON.stringify({
        'format-version': 1,
        stack: { name: 'a', version: '', 'content-revision': '' },
        'deployment-id': '',
        'generated-at': '2026-01-01T00:00:00Z',
        entries: [
          { address: 'db', type: 'leaf', kind: 'k', outputs: { password: secret }, 'sensitive-outputs': ['password'] },
        ],
      })
    await ok(['push', 'a', '--type', 'snapshot'], { input: snapshot('hunter1') })
    await failedPush(snapshot('hunter2'))
    await ok(['push', 'a'], { input: snapshot('hunter3') })
    at.printed = ''
    for (const more of [[], ['--json']]) expect((await run(['recover', 'a', ...more])).code).toBe(3)
    expect(at.printed).toContain('db')
    expect(at.printed).not.toContain('hunter')
  })

  it('brings home what other commands could not save', async () => {
    const entries = ['vpc', 'db'].map((address) => ({ address, type: 'leaf', kind: 'k' }))
    const stack = { name: 'a', version: '', 'content-revision': '' }
    const snapshot = {
      'format-version': 1,
      stack,
      'deployment-id': '',
      'generated-at': '2026-01-01T00:00:00Z',
      entries,
    }
    await ok(['push', 'a', '--type', 'snapshot'], { input: JSON.stringify(snapshot) })
    server.faults.add({ operation: 'PutObject', key: HEAD, ...ALWAYS }, EXPIRED)
    expect((await run(['entries', 'remove', 'a', 'db'])).stderr).toContain('keelstate recover a\n')
    server.faults.clear()
    await ok(['recover', 'a'])
    expect((await ok(['entries', 'list', 'a', '--json'])).json.entries.map(({ address }) => address)).toEqual(['vpc'])
  })

  it('that fails itself says that it is still kept, and what to do', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '1' })
    await failedPush('2', '-m', 'second')
    for (const key of [HEAD, '*/locks/*']) {
      server.faults.add({ operation: 'PutObject', key, ...ALWAYS }, EXPIRED)
      const { code, stderr } = await run(['recover', 'a'])
      server.faults.clear()
      expect([code, stderr]).toEqual([1, expect.stringMatching(/It is still kept. .*: keelstate recover a\n/)])
    }
    await ok(['recover', 'a'])
    expect(await history()).toEqual(['first', 'second'])
  })

  it('of a document of which nothing is kept names those of which something is', async () => {
    expect((await ok(['recover', 'b'])).stderr).toBe('nothing is kept of b on this machine\n')
    await failedPush('2')
    expect((await ok(['recover', 'b'])).stderr).toBe('nothing is kept of b on this machine, but of a\n')
  })

  it('drops a save when it is told to, and only then', async () => {
    await failedPush('1')
    await ok(['recover', 'a', '--discard', '--dry-run'])
    expect(files()).toHaveLength(1)
    expect((await ok(['recover', 'a', '--discard'])).stderr).toContain('discarded what was kept of a')
    expect(files()).toEqual([])
    expect((await run(['recover', 'a', '--discard'])).code).toBe(5)
  })

  it('brings several home oldest first, and lets one be chosen', async () => {
    await ok(['push', 'a', '-m', 'first'], { input: '1' })
    await failedPush('2', '-m', 'second')
    await failedPush('2', '-m', 'the same once more')
    const { code, stderr } = await run(['recover', 'a', '--discard'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('2 saves are kept of a')])
    const { json } = await ok(['recover', 'a', '--json'])
    expect(json.saves.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['committed', 'unchanged'])
    expect(await history()).toEqual(['first', 'second'])
  })

  it('refuses a file that was changed, and shows it in the list', async () => {
    await failedPush('1')
    const [file] = files()
    const bytes = readFileSync(file!)
    bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1
    at.write(join('spool', file!.slice(at.path('spool').length)), bytes)
    expect((await run(['recover', 'a'])).code).toBe(6)
    bytes[0] = 0
    at.write(join('spool', file!.slice(at.path('spool').length)), bytes)
    expect((await ok(['recover', '--json'])).json.saves).toMatchObject([
      { name: 'a', id: null, problem: expect.any(String) },
    ])
    expect((await run(['recover', 'a'])).code).toBe(6)
  })

  it.each([[['recover', '--discard']], [['recover', 'a', '--discard', '-o', 'x']], [['recover', '--replace', 'none']]])(
    'is not understood: %j',
    async (args) => {
      expect((await run(args)).code).toBe(2)
    },
  )
})
