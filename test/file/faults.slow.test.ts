import { type FileHandle, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { VersionToken } from '../../src/core/store.ts'
import type { Disk } from '../../src/file/disk.ts'
import { pathOfKey } from '../../src/file/paths.ts'
import type { FolderStore } from '../../src/file/store.ts'
import { diskWith, type FaultMode, failingDisk, platformError, type StepName, storeOn } from './disks.ts'
import { testFolder } from './folder.ts'

const OLD = Buffer.from('old body '.repeat(50))
const NEW = Buffer.from('the new body '.repeat(100))
const HEAD = 'heads/state/shop/prod/~'
const OBJECT = 'objects/state/shop/prod/~/00000000000000000000000000000001'

interface Write {
  readonly name: string
  readonly key: string
  /** Puts there what the write starts from. */
  before(store: FolderStore): Promise<VersionToken | undefined>
  run(store: FolderStore, token: VersionToken | undefined): Promise<VersionToken>
}

const WRITES: readonly Write[] = [
  {
    name: 'creation of a head',
    key: HEAD,
    before: async () => undefined,
    run: (store) => store.put(HEAD, NEW, { ifAbsent: true }),
  },
  {
    name: 'move of a head',
    key: HEAD,
    before: (store) => store.put(HEAD, OLD, { ifAbsent: true }),
    run: (store, token) => store.put(HEAD, NEW, { ifMatch: token! }),
  },
  {
    name: 'creation of an immutable object',
    key: OBJECT,
    before: async () => undefined,
    run: (store) => store.put(OBJECT, NEW, { ifAbsent: true }),
  },
]

/** Runs the write with `disk` in a fresh folder and tells what its caller learned and what a new process then finds. */
async function tryWrite(write: Write, disk: Disk) {
  const root = await testFolder()
  const healthy = storeOn(root)
  const token = await write.before(healthy)
  const outcome = await write.run(storeOn(root, disk), token).then(
    () => ({ resolved: true, error: undefined }),
    (error: unknown) => ({ resolved: false, error }),
  )
  const found = await healthy.get(write.key)
  const body = found === undefined || found === 'unchanged' ? undefined : Buffer.from(found.bytes)
  const state = body === undefined ? 'absent' : body.equals(NEW) ? 'new' : body.equals(OLD) ? 'old' : 'torn'
  return { root, healthy, before: token === undefined ? 'absent' : 'old', state, found, ...outcome }
}

/** How many steps the write takes when nothing fails. */
async function stepsOf(write: Write): Promise<StepName[]> {
  const names: StepName[] = []
  const disk = diskWith((step, run) => {
    names.push(step.name)
    return run()
  })
  expect((await tryWrite(write, disk)).resolved).toBe(true)
  return names
}

describe.each(WRITES)('$name', (write) => {
  const faults: { mode: FaultMode; errno: string; dead: boolean }[] = [
    { mode: 'not done', errno: 'EIO', dead: true },
    { mode: 'done', errno: 'EIO', dead: true },
    { mode: 'half done', errno: 'EIO', dead: true },
    { mode: 'not done', errno: 'EIO', dead: false },
    { mode: 'done', errno: 'EIO', dead: false },
    { mode: 'half done', errno: 'ENOSPC', dead: false },
    { mode: 'not done', errno: 'EACCES', dead: false },
    { mode: 'not done', errno: 'ESTALE', dead: false },
    { mode: 'done', errno: 'ETIMEDOUT', dead: false },
  ]
  it.each(faults)(
    'tells the truth whichever step fails with $errno ($mode, dead after: $dead), and leaves a store that works',
    async (fault) => {
      const names = await stepsOf(write)
      for (const [at, name] of names.entries()) {
        const context = `step ${at} (${name})`
        const { root, healthy, before, state, found, resolved, error } = await tryWrite(
          write,
          failingDisk(at, fault.mode, fault.errno, fault.dead),
        )
        expect([before, 'new'], context).toContain(state)
        if (resolved) expect(state, context).toBe('new')
        else {
          expect(error, context).toBeInstanceOf(KeelstateError)
          const refused =
            (error as KeelstateError).details.notExecuted === true || KeelstateError.is(error, 'PreconditionFailed')
          if (refused) expect(state, `${context}: ${String(error)}`).toBe(before)
        }
        const listed = (await healthy.list('')).objects
        expect(listed, context).toEqual(
          found === undefined || found === 'unchanged' ? [] : [{ key: write.key, size: found.bytes.length }],
        )

        // The next process goes on where this one was killed, and a head's folder is tidy again after one write.
        if (write.key === OBJECT) {
          if (state === 'absent') await healthy.put(OBJECT, OLD, { ifAbsent: true })
        } else {
          const token =
            found === undefined || found === 'unchanged'
              ? await healthy.put(HEAD, OLD, { ifAbsent: true })
              : found.token
          const next = await healthy.put(HEAD, OLD, { ifMatch: token })
          const folder = join(root, 'heads/state/shop/prod/~@')
          expect(await readdir(folder), context).toEqual([`cur.${next}`])
          expect(await readdir(join(folder, `cur.${next}`)), context).toEqual([next])
        }
        const again = await healthy.get(write.key)
        expect(again, context).toMatchObject({ bytes: expect.any(Uint8Array) })
      }
    },
  )
})

it('a rename that a network file system repeated, and answered ENOENT although it was made, counts as made', async () => {
  for (const write of WRITES.slice(0, 2)) {
    const at = (await stepsOf(write)).indexOf('rename')
    const { resolved, state } = await tryWrite(write, failingDisk(at, 'done', 'ENOENT', false))
    expect([write.name, resolved, state]).toEqual([write.name, true, 'new'])
  }
})

it('a rename answered ENOENT that was not made is a lost race', async () => {
  const [, move] = WRITES
  const { error, state } = await tryWrite(
    move!,
    failingDisk((await stepsOf(move!)).indexOf('rename'), 'not done', 'ENOENT', false),
  )
  expect(error).toMatchObject({ code: 'PreconditionFailed' })
  expect(state).toBe('old')
})

it('a link that a network file system repeated, and answered EEXIST although it was made, counts as made', async () => {
  const write = WRITES[2]!
  const { resolved, state } = await tryWrite(
    write,
    failingDisk((await stepsOf(write)).indexOf('link'), 'done', 'EEXIST', false),
  )
  expect([resolved, state]).toEqual([true, 'new'])
})

it('an error after the atomic step is Unavailable and does not claim that nothing was written', async () => {
  for (const write of WRITES) {
    const names = await stepsOf(write)
    const at = names.lastIndexOf('syncFolder')
    const { error, state } = await tryWrite(write, failingDisk(at, 'not done', 'ENOSPC', false))
    expect([write.name, state]).toEqual([write.name, 'new'])
    expect(error).toMatchObject({ code: 'Unavailable', retry: 'safe', details: { status: 'ENOSPC' } })
    expect((error as KeelstateError).details.notExecuted).toBeUndefined()
  }
})

it('a rename that is made after its caller was told that it timed out publishes a whole body', async () => {
  for (const write of WRITES.slice(0, 2)) {
    const late: (() => Promise<unknown>)[] = []
    const disk = diskWith(async ({ name }, run) => {
      if (name !== 'rename') return await run()
      late.push(run)
      throw platformError('ETIMEDOUT')
    })
    const { error, state, before, healthy } = await tryWrite(write, disk)
    expect([write.name, state]).toEqual([write.name, before])
    expect(error).toMatchObject({ code: 'Unavailable' })
    for (const made of late) await made()
    expect(await healthy.get(write.key), write.name).toMatchObject({ bytes: new Uint8Array(NEW) })
  }
})

it('a write waits for the disk before its atomic step and after it', async () => {
  const file = await open(import.meta.filename)
  const handle = Object.getPrototypeOf(file) as FileHandle
  await file.close()
  const syncs = vi.spyOn(handle, 'sync')
  onTestFinished(() => syncs.mockRestore())
  for (const write of WRITES) {
    const steps: { name: StepName; path: string; syncs: number }[] = []
    const disk = diskWith(async ({ name, args }, run) => {
      const before = syncs.mock.calls.length
      const result = await run()
      steps.push({ name, path: String(args[0]), syncs: syncs.mock.calls.length - before })
      return result
    })
    const { root, resolved } = await tryWrite(write, disk)
    expect([write.name, resolved]).toEqual([write.name, true])
    const atomic = steps.findIndex((step) => step.name === (write.key === OBJECT ? 'link' : 'rename'))
    const written = steps.findIndex((step) => step.name === 'writeFile')
    expect(steps[written]!.syncs, `${write.name}: the content`).toBe(1)
    const synced = (list: typeof steps) =>
      list.filter((step) => step.name === 'syncFolder' && step.syncs === 1).map((step) => step.path)
    // The link to a temporary file needs only the file; what a rename moves has to be whole with its names.
    const inside =
      write.key === OBJECT
        ? []
        : [dirname(steps[written]!.path), ...(write.name.startsWith('creation') ? [steps[atomic]!.path] : [])]
    expect(synced(steps.slice(written, atomic)), write.name).toEqual(expect.arrayContaining(inside))
    const folder = join(root, ...pathOfKey(write.key).folders)
    expect(synced(steps.slice(atomic)), write.name).toEqual([
      write.name === 'move of a head' ? join(folder, '~@') : folder,
    ])
    const above = pathOfKey(write.key).folders.map((_, depth, all) => join(root, ...all.slice(0, depth)))
    expect(synced(steps.slice(0, atomic)), `${write.name}: the folders on the way`).toEqual(
      expect.arrayContaining(above),
    )
  }
})

const refusals: [StepName, string, string, RegExp][] = [
  ['writeFile', 'ENOSPC', 'NoSpace', /full/],
  ['writeFile', 'EDQUOT', 'NoSpace', /full/],
  ['writeFile', 'EROFS', 'AccessDenied', /read-only/],
  ['writeFile', 'EACCES', 'AccessDenied', /permission/],
  ['writeFile', 'EPERM', 'AccessDenied', /permission/],
  ['writeFile', 'EFBIG', 'TooLarge', /limit/],
  ['writeFile', 'EMFILE', 'Unavailable', /EMFILE/],
  ['syncFolder', 'EINVAL', 'Unsupported', /file system/],
  ['rename', 'EXDEV', 'Unsupported', /file system/],
  ['rename', 'ENAMETOOLONG', 'InvalidName', /longer/],
  ['link', 'EXDEV', 'Unsupported', /file system/],
  ['link', 'EPERM', 'Unsupported', /hard links/],
  ['link', 'EOPNOTSUPP', 'Unsupported', /hard links/],
  ['link', 'EMLINK', 'Unsupported', /file system/],
]
it.each(refusals)(
  '%s refused with %s is %s, names the folder and says that nothing was written',
  async (step, errno, code, says) => {
    const able = []
    for (const write of WRITES) if ((await stepsOf(write)).includes(step)) able.push(write)
    expect(able.length).toBeGreaterThan(0)
    for (const write of able) {
      const disk = diskWith(async ({ name }, run) => {
        if (name === step) throw platformError(errno)
        return await run()
      })
      const { root, error, state, before } = await tryWrite(write, disk)
      expect(error).toMatchObject({
        code,
        operation: 'put',
        key: write.key,
        details: { status: expect.any(String), notExecuted: true },
      })
      expect((error as KeelstateError).message).toContain(root)
      expect((error as KeelstateError).message).toMatch(says)
      expect(state).toBe(before)
    }
  },
)
