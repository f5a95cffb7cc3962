import { chmod, chown, lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { SuiteReport } from '../../src/testing/index.ts'
import { program, run, start } from './children.ts'
import { testFolder } from './folder.ts'

const NOBODY = 65_534 // what Linux and macOS know as nobody or nearly so; owns nothing that matters
const LISTED = ['heads/state/there/~', 'objects/state/there/~/1'].map((key) => ({ key, size: 9 }))
const isRoot = process.getuid?.() === 0
/** Root is refused nothing, so where the tests run as root the child gives that up. */
const asOrdinaryUser = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

/**
 * How to run a shell line that may mount, in a mount namespace that ends with it: as root, else as root of a user namespace. Where neither is
 * possible (macOS, locked-down containers) the same refusals are tried in faults.slow.test.ts on a disk that makes the errors up.
 */
async function waysToMount(): Promise<string[] | undefined> {
  for (const flags of [['-m'], ['-rm']]) {
    const trial = start('unshare', [...flags, 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'])
    const code = await trial.ended.then((ended) => ended.code).catch(() => 1)
    if (code === 0) return [...flags, 'sh', '-euc']
  }
  return undefined
}

const shell = process.platform === 'linux' ? await waysToMount() : undefined

it.runIf(process.platform === 'linux' && isRoot)('a full disk and a read-only mount can be made here', () => {
  expect(shell, 'root on Linux needs CAP_SYS_ADMIN to run these tests: docker run --cap-add SYS_ADMIN').toBeDefined()
})

it.runIf(shell !== undefined)(
  'a full disk is NoSpace, what is there stays as it was, and what fits is still written',
  async () => {
    const refused = await program(new URL('programs/refused.ts', import.meta.url))
    const limits = ['size=256k', 'size=64m,nr_inodes=16'] // no blocks left; no inode left for the folder of a new head
    const printed = []
    for (const limit of limits) {
      const root = await testFolder()
      const line = `mount -t tmpfs -o ${limit},mode=700 none "$1"; "$2" "$3" "$1" create; "$2" "$3" "$1" try 1000000`
      printed.push(JSON.parse(await run('unshare', [...shell!, line, 'sh', root, process.execPath, refused])))
    }
    const noSpace = (root: RegExp) => ({
      code: 'NoSpace',
      message: expect.stringMatching(root),
      details: { status: 'ENOSPC', notExecuted: true },
    })
    const [blocks, inodes] = printed
    expect(blocks).toMatchObject({
      move: noSpace(/keelstate-file-/),
      createHead: noSpace(/keelstate-file-/),
      createObject: noSpace(/keelstate-file-/),
      read: { value: 'as it was' },
      list: { value: { objects: LISTED } },
      smallMove: { value: expect.stringMatching(/^[0-9a-f]{32}\.[0-9a-f]{32}$/) },
      readAgain: { value: 'small' },
    })
    expect(inodes.createHead).toMatchObject(noSpace(/keelstate-file-/))
    expect(inodes.list.value.objects.map((entry: { key: string }) => entry.key)).not.toContain('heads/state/new/~')
  },
)

it.runIf(shell !== undefined)(
  'a file system that is mounted read-only is AccessDenied for writes and still readable',
  async () => {
    const refused = await program(new URL('programs/refused.ts', import.meta.url))
    const root = await testFolder()
    const line =
      'mount -t tmpfs -o mode=700 none "$1"; "$2" "$3" "$1" create; mount -o remount,bind,ro "$1"; "$2" "$3" "$1" try 10'
    const results = JSON.parse(await run('unshare', [...shell!, line, 'sh', root, process.execPath, refused]))
    expectReadableOnly(results, 'EROFS', /read-only/)
  },
)

it('a folder without write permission is AccessDenied for writes, still readable, and not changed', async () => {
  const refused = await program(new URL('programs/refused.ts', import.meta.url))
  const root = join(await openFolder(), 'store')
  await mkdir(root)
  await run(process.execPath, [refused, root, 'create'])
  const before = await everything(root)
  for (const path of [root, ...before]) {
    if (isRoot) await chown(path, NOBODY, NOBODY)
    await chmod(path, (await lstat(path)).isDirectory() ? 0o500 : 0o400)
  }
  onTestFinished(async () => {
    for (const path of [root, ...before]) await chmod(path, 0o700)
  })
  const results = JSON.parse(await run(process.execPath, [refused, root, 'try', '10'], asOrdinaryUser))
  expectReadableOnly(results, 'EACCES', /permission/)
  expect(await everything(root)).toEqual(before)
})

it('the conformance suite runs without a test runner, and as an ordinary user a folder without permission is never an empty store', async () => {
  const conformance = await program(new URL('programs/conformance.ts', import.meta.url))
  const parent = await openFolder()
  const report: SuiteReport = JSON.parse(await run(process.execPath, [conformance, parent], asOrdinaryUser))
  expect(report.results.filter((result) => result.outcome === 'failed')).toEqual([])
  const denied = report.results.find((result) => result.name.includes('without permission'))
  expect(denied).toMatchObject({ outcome: 'passed' })
  expect(report.results.filter((result) => result.outcome === 'passed').length).toBeGreaterThan(40)
})

/** A folder in which any user may make things. */
async function openFolder(): Promise<string> {
  const folder = await testFolder()
  await chmod(folder, 0o777)
  return folder
}

async function everything(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort().map((name) => join(folder, name))
}

function expectReadableOnly(results: Record<string, unknown>, status: string, says: RegExp): void {
  const denied = { code: 'AccessDenied', message: expect.stringMatching(says), details: { status, notExecuted: true } }
  expect(results).toMatchObject({ move: denied, createHead: denied, createObject: denied, smallMove: denied })
  expect(results).toMatchObject({ deleted: { code: 'AccessDenied' } })
  expect(results).toMatchObject({
    read: { value: 'as it was' },
    readAgain: { value: 'as it was' },
    list: { value: { objects: LISTED } },
  })
}
