import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type FaultRule, type S3Server, startS3Server } from '../../src/testing/index.ts'
import { PROVE } from '../counts.ts'
import { start } from '../file/children.ts'
import { ProcessWorkspace } from './processes.ts'

const HEAD = '*/heads/*'
const ALWAYS = { times: Number.POSITIVE_INFINITY }

/** Under npm one Ctrl-C arrives twice; two of the same kind could arrive as one. */
const STOPS: readonly (readonly [how: string, signals: readonly NodeJS.Signals[]])[] = [
  ['SIGTERM', ['SIGTERM']],
  ['a signal that arrives twice', ['SIGINT', 'SIGTERM']],
  ...(PROVE
    ? ([
        ['SIGINT', ['SIGINT']],
        ['SIGHUP', ['SIGHUP']],
      ] as const)
    : []),
]

let server: S3Server
let at: ProcessWorkspace

beforeEach(async () => {
  server = await startS3Server()
  server.createBucket('state')
  const { accessKeyId, secretAccessKey } = server.credential
  at = new ProcessWorkspace({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
  const store = `s3://state/p?region=${server.region}&endpoint=${server.endpoint}&conditionalWrites=trusted`
  await finished(['init', '--store', store, '--new-key', 'state.key'])
  await finished(['push', 'a', '-m', 'first'], '1')
})
afterEach(async () => {
  at.remove()
  await server.close()
})

/** The server is in this process, which must not stand still meanwhile. */
async function finished(
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await at.start(args, input).ended
}

function saves(folder = join(at.folder, '.local/state/keelstate/spool')): string[] {
  if (!existsSync(folder)) return []
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((one) => join(folder, one))
    .filter((one) => one.endsWith('.save') && statSync(one).isFile())
}

const history = async () =>
  (JSON.parse((await finished(['history', 'a', '--json'])).stdout).revisions as { message: string }[])
    .map(({ message }) => message)
    .reverse()

/** What is in the store when all answer again: nobody holds the lock. */
async function recovered(): Promise<void> {
  server.faults.clear()
  const { code, stderr } = await finished(['recover', 'a', '--wait', '0'])
  expect([code, stderr]).toEqual([0, expect.stringContaining('committed what was kept of a as @2')])
  expect(await history()).toEqual(['first', 'second'])
  expect(saves()).toEqual([])
}

/** From now on the head is neither written nor read back. */
function stall(): FaultRule {
  server.faults.add({ operation: 'GetObject', key: HEAD, nth: 2, ...ALWAYS }, { do: 'stall' })
  return server.faults.add({ operation: 'PutObject', key: HEAD, ...ALWAYS }, { do: 'stall' })
}

describe('a push that is told to stop', () => {
  it.each(STOPS)(
    'by %s while the store does not answer keeps its body, gives the lock up, and ends',
    async (_, signals) => {
      const stalled = stall()
      const push = at.start(['push', 'a', '-', '-m', 'second'], '2')
      await expect.poll(() => stalled.fired, { timeout: 60_000 }).toBeGreaterThan(0)
      for (const signal of signals) push.child.kill(signal)
      const { code, stderr } = await push.ended
      expect([code, stderr]).toEqual([7, expect.stringContaining('keelstate recover a\n')])
      expect(saves()).toHaveLength(1)
      await recovered()
    },
  )

  it('a second time, later, ends at once', async () => {
    const stalled = server.faults.add({ operation: 'PutObject', key: '*/locks/*', ...ALWAYS }, { do: 'stall' })
    const push = at.start(['push', 'a', '-'], '2')
    await expect.poll(() => stalled.fired, { timeout: 60_000 }).toBeGreaterThan(0)
    server.faults.add(ALWAYS, { do: 'stall' }) // it would go on looking for its lock for 10 s
    const again = setInterval(() => push.child.kill('SIGTERM'), 100)
    const { code, stderr } = await push.ended
    clearInterval(again)
    expect([code, stderr]).toEqual([130, ''])
  })

  it('and is killed before it knows what became of its write has kept its body', async () => {
    const stalled = stall()
    const push = at.start(['push', 'a', '-', '-m', 'second'], '2')
    await expect.poll(() => stalled.fired, { timeout: 60_000 }).toBeGreaterThan(0)
    push.child.kill('SIGTERM')
    await expect.poll(saves, { timeout: 60_000 }).toHaveLength(1)
    push.child.kill('SIGKILL')
    await push.ended
    server.faults.clear()
    const [, owner] = /--owner ([0-9a-f]{32})/.exec((await finished(['unlock', 'a'])).stderr) ?? []
    if (owner !== undefined) await finished(['unlock', 'a', '--owner', owner])
    await recovered()
  })

  it('while its connections to the store are reset keeps its body, whatever it was told of the lock', async () => {
    // Without its locks a push has to look 10 s longer for the one that it may have taken.
    const reset = server.faults.add(PROVE ? ALWAYS : { key: HEAD, ...ALWAYS }, { do: 'drop-request' })
    const push = at.start(['push', 'a', '-', '-m', 'second'], '2')
    await expect.poll(() => reset.fired, { timeout: 60_000 }).toBeGreaterThan(0) // it has read its input
    push.child.kill('SIGTERM')
    const { code, stderr } = await push.ended
    expect([1, 130], stderr).toContain(code)
    expect(stderr).toContain('keelstate recover a\n')
    await recovered()
  })
})

const mountable = process.platform === 'linux' && (await mounts())

describe('on a full disk', () => {
  it.runIf(mountable)(
    'a push keeps its body on another one, and recover brings it home when there is room',
    async () => {
      const disk = mkdtempSync(join(tmpdir(), 'keelstate-full-'))
      onTestFinished(() => rmSync(disk, { recursive: true, force: true }))
      const script = at.script(
        'full.sh',
        `set -eu
mount -t tmpfs -o size=1m,mode=700 none "$1"
cd "$2"
keelstate init --store "file:$1/state" --new-key full.key >&2
echo first | keelstate push b
dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null || true
dd if=/dev/zero of="$1/filler2" bs=1 2>/dev/null || true
head -c 50000 /dev/zero | keelstate push b - && exit 9 || echo "ended with $?"
rm "$1/filler" "$1/filler2"
keelstate recover b
keelstate pull b | wc -c`,
      )
      const folder = mkdtempSync(join(tmpdir(), 'keelstate-beside-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const { stdout, stderr } = await start('unshare', ['-m', 'sh', script, disk, folder], { env: at.env }).ended
      expect(stderr).toMatch(/error: .*(full|room).*\n.*keelstate recover b/)
      expect(stderr).toContain('committed what was kept of b as @2')
      expect(stdout.trim().split('\n')).toEqual(['ended with 1', '50000'])
    },
  )
})

describe('a recovery that has room for a part of its note only', () => {
  it.skipIf(process.platform === 'win32')('sends nothing, says so, and may be tried again', async () => {
    server.faults.add(
      { operation: 'PutObject', key: HEAD, ...ALWAYS },
      { do: 'status', status: 403, code: 'AccessDenied' },
    )
    expect((await finished(['push', 'a', '-', '-m', 'second'], '2')).code).toBe(1)
    server.faults.clear()
    const [file] = saves()
    const blocks = 100 // of 512 bytes: what a file may take
    appendFileSync(file!, '\n'.repeat(blocks * 512 - 20 - statSync(file!).size)) // empty lines say nothing
    const script = at.script('little-room.sh', `ulimit -f ${blocks}\nkeelstate recover a`)
    const { code, stderr } = await start('sh', [script], { cwd: at.folder, env: at.env }).ended
    expect(statSync(file!).size).toBe(blocks * 512) // a part of it was stored
    expect([code, stderr]).toEqual([1, expect.stringContaining('could not be changed: its disk is full')])
    expect(await history()).toEqual(['first'])
    await recovered()
  })
})

/** Whether a process here may mount. */
async function mounts(): Promise<boolean> {
  const trial = start('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'])
  return await trial.ended.then(
    ({ code }) => code === 0,
    () => false,
  )
}
