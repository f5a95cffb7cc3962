import { mkdirSync, rmSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(() => {
  at = new Workspace()
})
afterEach(() => at.remove())

const initFolder = ['init', '--store', 'file:./state', '--new-key', 'state.key']
const settings = () => JSON.parse(at.read('keelstate.json').toString())

describe('keelstate init', () => {
  it('makes a store, a private key of 32 random bytes, and a configuration file without a secret', async () => {
    const { json } = await at.ok([...initFolder, '--json'])
    expect(json).toMatchObject({ created: true, opened: null, keyFile: 'state.key', configuration: { written: true } })
    expect(Buffer.from(at.read('state.key').toString(), 'base64')).toHaveLength(32)
    expect(statSync(at.path('state.key')).mode & 0o777).toBe(0o600)
    expect(settings()).toMatchObject({ store: 'file:./state', keys: ['file:state.key'], storeId: json.storeId })
    expect(at.read('keelstate.json').toString()).not.toContain(at.read('state.key').toString().trim())
    await at.ok(['push', 'a'], { input: '{}' })
  })

  it('says that there is a store already, and changes nothing', async () => {
    const first = await at.ok([...initFolder, '--json'])
    const stored = at.stored()
    const text = at.read('keelstate.json')
    const second = await at.ok(['init', '--json'])
    expect(second.json).toMatchObject({
      created: false,
      storeId: first.json.storeId,
      configuration: { written: false },
    })
    expect(at.stored()).toEqual(stored)
    expect(at.read('keelstate.json')).toEqual(text)
    expect((await at.ok(['init'])).stderr).toContain('there is already a store')
  })

  it('never overwrites a key', async () => {
    at.write('state.key', 'precious')
    const { code, json } = await at.run([...initFolder, '--json'])
    expect([code, json.error.code]).toEqual([1, 'AlreadyExists'])
    expect(at.read('state.key').toString()).toBe('precious')
  })

  it('in another clone writes the missing configuration file, and tells that the key opens the documents', async () => {
    const { json: first } = await at.ok([...initFolder, '--json'])
    await at.ok(['push', 'shop/prod'], { input: '{}' })
    rmSync(at.path('keelstate.json'))
    const { json } = await at.ok(['init', '--store', 'file:./state', '--key', 'file:state.key', '--json'])
    expect(json).toMatchObject({
      created: false,
      storeId: first.storeId,
      opened: 'shop/prod',
      configuration: { written: true },
    })
    expect(settings()).toMatchObject({ keys: ['file:state.key'], storeId: first.storeId })
  })

  it('refuses a key that opens nothing of what is there, and leaves no file of its own behind', async () => {
    await at.ok(initFolder)
    await at.ok(['push', 'shop/prod'], { input: '{}' })
    rmSync(at.path('keelstate.json'))
    const { code, json } = await at.run(['init', '--store', 'file:./state', '--new-key', 'other.key', '--json'])
    expect([code, json.error.code]).toEqual([6, 'DecryptFailed'])
    for (const file of ['other.key', 'keelstate.json']) expect(() => at.read(file), file).toThrow('ENOENT')
  })

  it('leaves a configuration file for another store as it is, and says so', async () => {
    await at.ok(initFolder)
    const text = at.read('keelstate.json')
    const { stderr } = await at.ok(['init', '--store', 'file:./second'])
    expect(stderr).toContain('it names another store')
    expect(at.read('keelstate.json')).toEqual(text)
  })

  it('gives a project inside another one a configuration file of its own', async () => {
    await at.ok(initFolder)
    const cwd = at.path('inner')
    mkdirSync(cwd)
    const { json } = await at.ok(['init', '--store', 'file:./mine', '--key', 'plaintext', '--json'], { cwd })
    expect(json.configuration).toEqual({ file: at.path('inner', 'keelstate.json'), written: true })
  })

  it('fills in what a configuration file written by hand only names', async () => {
    at.write('keelstate.json', JSON.stringify({ store: 'file:./state', keys: ['file:./state.key'] }))
    const { stderr } = await at.ok(['init', '--new-key', 'state.key'])
    expect(stderr).toContain('"storeId"')
    await at.ok(['push', 'a'], { input: '{}' })
  })

  it('notices that another store stands where the configuration file says', async () => {
    await at.ok(initFolder)
    rmSync(at.path('state'), { recursive: true })
    const { code, stderr } = await at.run(['init'])
    expect(code).toBe(2)
    expect(stderr).toContain("says that the store's id is")
  })

  it('lists the choices when no store or no key is named', async () => {
    const store = await at.run(['init', '--json'])
    expect([store.code, store.json.error.code]).toEqual([2, 'InvalidOptions'])
    for (const choice of ['--store', 'KEELSTATE_STORE', 's3://', 'file:'])
      expect(store.json.error.hint).toContain(choice)
    const key = await at.run(['init', '--store', 'file:./state', '--json'])
    expect(key.code).toBe(2)
    for (const choice of ['--key', 'KEELSTATE_KEYS', 'env:NAME', 'plaintext', '--new-key']) {
      expect(key.json.error.hint).toContain(choice)
    }
    expect(() => at.stored()).toThrow('ENOENT')
  })
})
