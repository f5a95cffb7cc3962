import { execFileSync } from 'node:child_process'
import { chmod, lstat, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { storeOn } from './disks.ts'
import { testFolder } from './folder.ts'

const HEAD = 'heads/state/shop/prod/~'
const OBJECT = 'objects/state/shop/prod/~/00000000000000000000000000000001'
const ABSENT = { ifAbsent: true } as const
const BODY = Buffer.from('a body')

async function filledStore(folder?: string) {
  const root = folder ?? (await testFolder())
  const store = fileStore({ root })
  const token = await store.put(HEAD, BODY, ABSENT)
  await store.put(OBJECT, BODY, ABSENT)
  await store.put('store', BODY, ABSENT)
  return { root, store, token }
}

async function everythingBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  return names.map((name) => join(folder, name))
}

describe('the folder', () => {
  it('is created 0700 by prepare, with what is missing above it, and is left alone when it exists', async () => {
    const parent = await testFolder()
    const root = join(parent, 'team', 'state')
    await expect(fileStore({ root }).get(HEAD)).rejects.toMatchObject({
      code: 'BucketMissing',
      details: { subject: 'bucket' },
    })
    await fileStore({ root }).prepare()
    for (const path of [root, join(parent, 'team')]) expect((await lstat(path)).mode & 0o777).toBe(0o700)
    await chmod(root, 0o755)
    await fileStore({ root }).prepare()
    expect((await lstat(root)).mode & 0o777).toBe(0o755)
    expect(await fileStore({ root }).list('')).toEqual({ objects: [] })
  })

  it('is BucketMissing when it is a file, lies below one, or is removed under a running process', async () => {
    const parent = await testFolder()
    await writeFile(join(parent, 'file'), '')
    for (const root of [join(parent, 'file'), join(parent, 'file', 'below')]) {
      await expect(fileStore({ root }).get(HEAD), root).rejects.toMatchObject({ code: 'BucketMissing' })
      await expect(fileStore({ root }).put(HEAD, BODY, ABSENT), root).rejects.toMatchObject({ code: 'BucketMissing' })
    }
    const { root, store, token } = await filledStore()
    await rm(root, { recursive: true })
    await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'BucketMissing' })
    await expect(store.put(HEAD, BODY, { ifMatch: token })).rejects.toMatchObject({ code: 'BucketMissing' })
    await expect(store.list('')).rejects.toMatchObject({ code: 'BucketMissing' })
    await store.prepare()
    expect(await store.get(HEAD)).toBeUndefined()
    await store.put(HEAD, BODY, ABSENT)
  })

  it.each([0o000, 0o022, 0o277])('holds files of mode 0600 and folders of mode 0700 under umask %o', async (umask) => {
    const folder = await testFolder()
    const before = process.umask(umask)
    onTestFinished(() => void process.umask(before))
    const { root, store, token } = await filledStore(folder)
    await store.put(HEAD, BODY, { ifMatch: token })
    const paths = await everythingBelow(root)
    expect(paths.length).toBeGreaterThan(10)
    for (const path of paths) {
      const stat = await lstat(path)
      expect([path, stat.mode & 0o777]).toEqual([path, stat.isDirectory() ? 0o700 : 0o600])
    }
  })

  it('keeps one content and no leftover of many moves', async () => {
    const { root, store, token } = await filledStore()
    let last = token
    for (let n = 0; n < 20; n += 1) last = await store.put(HEAD, Buffer.from(`body ${n}`), { ifMatch: last })
    const files = (await readdir(join(root, 'heads'), { recursive: true })).filter((name) => name.includes('cur.'))
    expect(files.sort()).toEqual([`state/shop/prod/~@/cur.${last}`, `state/shop/prod/~@/cur.${last}/${last}`])
    expect(await readdir(join(root, '@tmp'))).toEqual([])
  })

  it('may be reached through a link, which is followed as it was when the store was first used', async () => {
    const parent = await testFolder()
    await mkdir(join(parent, 'real'))
    await symlink('real', join(parent, 'link'))
    const store = fileStore({ root: join(parent, 'link') })
    await store.put(HEAD, BODY, ABSENT)
    expect(await fileStore({ root: join(parent, 'real') }).get(HEAD)).toMatchObject({ bytes: new Uint8Array(BODY) })
    expect(store.address).toBe(`file:${join(parent, 'link')}`)
  })

  it('shows nothing that keelstate did not write', async () => {
    const { root, store } = await filledStore()
    await writeFile(join(root, '.DS_Store'), 'x')
    await writeFile(join(root, 'notes.txt'), 'x')
    await writeFile(join(root, 'objects', 'state', 'shop', 'prod', '~', 'copy of 1'), 'x')
    await mkdir(join(root, 'objects', 'state', 'Shop'))
    await mkdir(join(root, 'objects', 'state', 'empty', '~'), { recursive: true })
    expect((await store.list('')).objects.map((entry) => entry.key)).toEqual([HEAD, OBJECT, 'store'])
  })
})

describe('a symbolic link inside the store', () => {
  it('is refused, named, and what it leads to is neither read nor changed', async () => {
    const places = ['heads', 'heads/state', 'heads/state/shop/prod', 'heads/state/shop/prod/~@']
    for (const place of places) {
      const { root, store, token } = await filledStore()
      const elsewhere = await testFolder()
      const target = join(elsewhere, 'target')
      await rename(join(root, place), target)
      await symlink(target, join(root, place))
      const before = await everythingBelow(target)
      const denied = { code: 'AccessDenied', message: expect.stringContaining(join(root, place)) }
      await expect(store.get(HEAD), place).rejects.toMatchObject(denied)
      await expect(store.get(HEAD, { unlessToken: token }), place).rejects.toMatchObject(denied)
      await expect(store.put(HEAD, BODY, { ifMatch: token }), place).rejects.toMatchObject(denied)
      await expect(store.put(HEAD, BODY, ABSENT), place).rejects.toMatchObject(denied)
      await expect(store.list(''), place).rejects.toMatchObject(denied)
      expect(await everythingBelow(target), place).toEqual(before)
    }
  })

  it('is refused where immutable objects and temporary files lie, and when it leads nowhere', async () => {
    const { root, store } = await filledStore()
    const other = OBJECT.replace(/1$/, '2')
    await symlink('/nonexistent', join(root, 'objects', 'state', 'gone'))
    const below = 'objects/state/gone/~/00000000000000000000000000000001'
    await expect(store.get(below)).rejects.toMatchObject({ code: 'AccessDenied' })
    await expect(store.put(below, BODY, ABSENT)).rejects.toMatchObject({ code: 'AccessDenied' })
    await expect(store.delete([below])).rejects.toMatchObject({ code: 'AccessDenied' })
    await rm(join(root, 'objects', 'state', 'gone'))

    const secret = join(await testFolder(), 'secret')
    await writeFile(secret, 'not yours')
    await symlink(secret, join(root, 'objects/state/shop/prod/~', `${other.slice(-32)}@`))
    await expect(store.get(other)).rejects.toMatchObject({ code: 'AccessDenied', details: { status: 'ELOOP' } })
    await expect(store.put(other, BODY, ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await store.delete([other])
    expect(await readFile(secret, 'utf8')).toBe('not yours')

    await rm(join(root, '@tmp'), { recursive: true })
    await symlink(join(secret, '..'), join(root, '@tmp'))
    await expect(store.put(other, BODY, ABSENT)).rejects.toMatchObject({ code: 'AccessDenied' })
    expect(await readdir(join(secret, '..'))).toEqual(['secret'])
  })

  it('is refused in place of a head’s state or its content', async () => {
    const { root, store, token } = await filledStore()
    const head = join(root, 'heads/state/shop/prod/~@')
    const secret = join(await testFolder(), 'secret')
    await writeFile(secret, 'not yours')
    await rm(join(head, `cur.${token}`, token))
    await symlink(secret, join(head, `cur.${token}`, token))
    await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'AccessDenied' })
    await rename(join(head, `cur.${token}`), join(root, 'aside'))
    await symlink(join(root, 'aside'), join(head, `cur.${token}`))
    await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'AccessDenied' })
    await expect(store.put(HEAD, BODY, { ifMatch: token })).rejects.toMatchObject({ code: 'AccessDenied' })
  })
})

describe('what something else did to the folder', () => {
  it('is Corrupt when a head lost its content, and the head stays in the list', async () => {
    const { root, store, token } = await filledStore()
    await rm(join(root, 'heads/state/shop/prod/~@', `cur.${token}`, token))
    await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'Corrupt' })
    expect((await store.list('heads/')).objects).toEqual([{ key: HEAD, size: 0 }])
  })

  it('is Unavailable, never absent, when a head lost its state', async () => {
    const { root, store, token } = await filledStore()
    await rm(join(root, 'heads/state/shop/prod/~@', `cur.${token}`), { recursive: true })
    await expect(store.get(HEAD)).rejects.toMatchObject({ code: 'Unavailable' })
    await expect(store.list('heads/')).rejects.toMatchObject({ code: 'Unavailable' })
    await expect(store.put(HEAD, BODY, ABSENT)).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })

  it('is Corrupt when a file lies in place of a folder, a folder or a pipe in place of a file', async () => {
    const { root, store } = await filledStore()
    await writeFile(join(root, 'heads/state/file'), '')
    await expect(store.get('heads/state/file/~')).rejects.toMatchObject({ code: 'Corrupt' })
    await expect(store.put('heads/state/file/~', BODY, ABSENT)).rejects.toMatchObject({ code: 'Corrupt' })
    await mkdir(join(root, 'objects/state/shop/prod/~', `${'2'.padStart(32, '0')}@`))
    await expect(store.get(OBJECT.replace(/1$/, '2'))).rejects.toMatchObject({ code: 'Corrupt' })
    execFileSync('mkfifo', [join(root, 'objects/state/shop/prod/~', `${'3'.padStart(32, '0')}@`)])
    await expect(store.get(OBJECT.replace(/1$/, '3'))).rejects.toMatchObject({ code: 'Corrupt' })
    expect((await store.list('objects/')).objects).toEqual([{ key: OBJECT, size: BODY.length }])
  })

  it('is TooLarge when a file grew over maxBytes', async () => {
    const { root } = await filledStore()
    await expect(fileStore({ root, maxBytes: 3 }).get(OBJECT)).rejects.toMatchObject({
      code: 'TooLarge',
      details: { bytes: 6, maxBytes: 3 },
    })
  })
})

describe('what killed writers left', () => {
  it('is ignored by reads and lists, and goes with the next delete once it is old', async () => {
    const { root, store } = await filledStore()
    const tree = join(root, '@tmp', 'a'.repeat(32))
    await mkdir(join(tree, 'cur.x.y'), { recursive: true })
    await writeFile(join(tree, 'cur.x.y', 'x.y'), 'half')
    await mkdir(join(root, '@tmp', 'c.dead', 'cur.x.y'), { recursive: true })
    await writeFile(join(root, '@tmp', 'b'.repeat(32)), 'half')
    expect((await store.list('')).objects.map((entry) => entry.key)).toEqual([HEAD, OBJECT, 'store'])

    await store.delete([OBJECT])
    expect((await readdir(join(root, '@tmp'))).length, 'a live writer’s file is not that old').toBe(3)
    const old = new Date(Date.now() - 3_700_000)
    for (const name of await readdir(join(root, '@tmp'))) await utimes(join(root, '@tmp', name), old, old)
    await store.delete([])
    expect(await readdir(join(root, '@tmp'))).toEqual([])
    expect(await store.get(HEAD)).toMatchObject({ bytes: new Uint8Array(BODY) })
  })

  it('inside a head is removed by the next writer, except candidates of writers that may be alive', async () => {
    const { root, store, token } = await filledStore()
    const head = join(root, 'heads/state/shop/prod/~@')
    const [, b] = token.split('.')
    const alive = `${b}.${'d'.repeat(32)}`
    await writeFile(join(head, `cur.${token}`, alive), 'candidate on the current state')
    await writeFile(join(head, `cur.${token}`, `${'e'.repeat(32)}.${'f'.repeat(32)}`), 'candidate of the past')
    const next = await store.put(HEAD, BODY, { ifMatch: token })
    expect(await readdir(join(head, `cur.${next}`))).toEqual([next])
    expect(await store.get(HEAD)).toMatchObject({ token: next })
  })
})

describe('calls that cannot be right', () => {
  it('are InvalidInput: replacing or deleting against the kind of the key, 1,001 deletes, a prefix without its slash', async () => {
    const { store, token } = await filledStore()
    const cases = [
      () => store.put(OBJECT, BODY, { ifMatch: token }),
      () => store.delete([HEAD]),
      () => store.delete(Array.from({ length: 1_001 }, () => OBJECT)),
      () => store.list('heads'),
      () => store.list('', { limit: 0 }),
      () => store.get(''),
    ]
    for (const call of cases) await expect(call()).rejects.toMatchObject({ code: 'InvalidInput' })
    expect(await store.get(HEAD)).toMatchObject({ token })
    await expect(store.put(HEAD, BODY, { ifMatch: '../../etc' })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(store.put('heads/state/none/~', BODY, { ifMatch: 'x' })).rejects.toMatchObject({ code: 'NotFound' })
  })

  it('are InvalidOptions for options that name the wrong one, and Unsupported on Windows', () => {
    const of = (options: unknown) => () => fileStore(options as { root: string })
    for (const [options, option] of [
      [{ root: '' }, 'root'],
      [{ root: 'a\0b' }, 'root'],
      [{ root: 7 }, 'root'],
      [{ root: '/x', maxBytes: 0 }, 'maxBytes'],
      [{ root: '/x', leftoverAgeMs: -1 }, 'leftoverAgeMs'],
    ] as const) {
      expect(of(options)).toThrow(
        expect.objectContaining({ code: 'InvalidOptions', details: expect.objectContaining({ option }) }),
      )
    }
    expect(of({ root: '/x', maxByte: 1 })).toThrow(/maxByte/)
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')!
    onTestFinished(() => void Object.defineProperty(process, 'platform', platform))
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' })
    expect(of({ root: '/data/state' })).toThrow(
      expect.objectContaining({ code: 'Unsupported', message: expect.stringContaining('/data/state') }),
    )
  })

  it('are InvalidName when the path exceeds what the platform allows', async () => {
    const root = await testFolder()
    const store = storeOn(root)
    const key = `heads/state/${Array.from({ length: 20 }, () => '\u00e9'.repeat(200)).join('/')}/~`
    expect(await store.get(key)).toBeUndefined()
    await expect(store.put(key, BODY, ABSENT)).rejects.toMatchObject({
      code: 'InvalidName',
      details: { notExecuted: true },
    })
    expect(await readdir(join(root, '@tmp'))).toEqual([])
  })
})
