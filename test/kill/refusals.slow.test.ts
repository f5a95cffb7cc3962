import { randomBytes } from 'node:crypto'
import { chmod, chown, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { run, start } from '../file/children.ts'
import { testFolder } from '../file/folder.ts'
import { bundle } from './bundle.ts'

const refused = await bundle(new URL('programs/refused.ts', import.meta.url))
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
/** Root is refused nothing, so where the tests run as root the child gives that up. */
const ordinaryUser = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
const env = { PATH: process.env.PATH, STATE_KEY: randomBytes(32).toString('base64') }

const CHANGES = ['commit small', 'commit large', 'update', 'rollback', 'label', 'prune', 'collect', 'delete']
const AS_IT_WAS = { current: 'small', numbers: [2, 1], ok: true, revisions: 2, unreachable: 0, absent: null }

/** How a shell line that may mount is run, if it can be here; see test/file/refusals.slow.test.ts. */
async function waysToMount(): Promise<string[] | undefined> {
  if (process.platform !== 'linux') return undefined
  for (const flags of [['-m'], ['-rm']]) {
    const trial = start('unshare', [...flags, 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'])
    const code = await trial.ended.then((ended) => ended.code).catch(() => 1)
    if (code === 0) return [...flags, 'sh', '-euc']
  }
  return undefined
}
const shell = await waysToMount()

it.runIf(shell !== undefined)(
  'on a full disk every change is NoSpace and writes nothing, the document opens, and goes on when there is room',
  async () => {
    const line = 'mount -t tmpfs -o size=1m,mode=700 none "$1"; "$2" "$3" "$1" create; "$2" "$3" "$1" full'
    const args = [...shell!, line, 'sh', await testFolder(), process.execPath, refused]
    const printed = JSON.parse(await run('unshare', args, { env }))
    const noSpace = { code: 'NoSpace', status: 'ENOSPC', message: expect.stringContaining('full') }
    expect(printed.refusals).toEqual(all([...CHANGES, 'first commit', 'init'], noSpace))
    expect(printed).toMatchObject({ reading: AS_IT_WAS, unchanged: true })
    expect(printed.afterwards).toEqual({ number: 3, ok: true, created: true })
  },
)

it.runIf(shell !== undefined)(
  'on a disk that is mounted read-only every change is AccessDenied, and the document opens',
  async () => {
    const line =
      'mount -t tmpfs -o mode=700 none "$1"; "$2" "$3" "$1" create; mount -o remount,bind,ro "$1"; "$2" "$3" "$1" read-only'
    const args = [...shell!, line, 'sh', await testFolder(), process.execPath, refused]
    expectDenied(JSON.parse(await run('unshare', args, { env })), 'EROFS')
  },
)

it('in a folder that may only be read every change is AccessDenied, and the document opens', async () => {
  const place = await testFolder()
  await chmod(place, 0o755)
  await run(process.execPath, [refused, place, 'create'], { env })
  const paths = [place, ...(await readdir(place, { recursive: true })).map((name) => join(place, name))]
  for (const path of paths) {
    if (isRoot) await chown(path, NOBODY, NOBODY)
    await chmod(path, (await lstat(path)).isDirectory() ? 0o500 : 0o400)
  }
  onTestFinished(async () => {
    for (const path of paths) await chmod(path, 0o700)
  })
  expectDenied(
    JSON.parse(await run(process.execPath, [refused, place, 'read-only'], { env, ...ordinaryUser })),
    'EACCES',
  )
})

function expectDenied(printed: { refusals: unknown }, status: 'EROFS' | 'EACCES'): void {
  const denied = { code: 'AccessDenied', status, message: expect.stringMatching(/permission|read-only/) }
  expect(printed.refusals).toEqual(all([...CHANGES, 'first commit', 'init'], denied))
  expect(printed).toMatchObject({ reading: AS_IT_WAS, unchanged: true })
}

function all(names: readonly string[], value: unknown): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, value]))
}
