import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { FILE_SETTINGS, parseConfiguration, writeConfiguration } from '../../src/cli/configuration-file.ts'
import { redactAddress, redactKey } from '../../src/cli/redact.ts'
import { loadSettings } from '../../src/cli/settings.ts'

const STORE_ID = '00112233445566778899aabbccddeeff'
const schema = JSON.parse(readFileSync(new URL('../../keelstate.schema.json', import.meta.url), 'utf8'))

let folder: string
let inner: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keelstate-settings-'))
  inner = join(folder, 'a', 'b')
  mkdirSync(inner, { recursive: true })
})

const configure = (content: unknown) => writeFileSync(join(folder, 'keelstate.json'), JSON.stringify(content))

describe('settings', () => {
  it('are found in a keelstate.json above the working directory, whose paths are relative to it', async () => {
    configure({ store: 'file:./state', keys: ['file:keys/one', 'env:STATE_KEY'], storeId: STORE_ID })
    const settings = await loadSettings({}, {}, inner)
    const origin = { from: 'file', name: join(folder, 'keelstate.json') }
    expect(settings.store).toEqual({ typed: 'file:./state', value: `file:${join(folder, 'state')}`, origin })
    expect(settings.keys?.value).toEqual([`file:${join(folder, 'keys', 'one')}`, 'env:STATE_KEY'])
    expect(settings.storeId?.value).toBe(STORE_ID)
  })

  it('come from a flag before the environment before the file, each with its origin', async () => {
    configure({ store: 'file:./state', keys: 'plaintext' })
    const env = { KEELSTATE_STORE: 's3://bucket/a', KEELSTATE_KEYS: 'env:ONE, file:two,' }
    const fromEnv = await loadSettings({}, env, inner)
    expect(fromEnv.store).toMatchObject({
      value: 's3://bucket/a',
      origin: { from: 'environment', name: 'KEELSTATE_STORE' },
    })
    expect(fromEnv.keys).toMatchObject({
      value: ['env:ONE', `file:${join(inner, 'two')}`],
      origin: { name: 'KEELSTATE_KEYS' },
    })
    const fromFlag = await loadSettings({ store: 'file:x', key: ['plaintext'] }, env, inner)
    expect(fromFlag.store).toMatchObject({
      value: `file:${join(inner, 'x')}`,
      origin: { from: 'flag', name: '--store' },
    })
    expect(fromFlag.keys).toMatchObject({ value: ['plaintext'], origin: { from: 'flag', name: '--key' } })
  })

  it('say where objects are kept: the environment before the file, whose folder is relative to it, or off', async () => {
    configure({ cache: './kept' })
    expect((await loadSettings({}, {}, inner)).cache?.value).toBe(join(folder, 'kept'))
    expect((await loadSettings({}, { KEELSTATE_CACHE: 'mine' }, inner)).cache?.value).toBe(join(inner, 'mine'))
    expect((await loadSettings({}, { KEELSTATE_CACHE: 'off' }, inner)).cache?.value).toBe('off')
    configure({ cache: 'off' })
    expect((await loadSettings({}, {}, inner)).cache?.value).toBe('off')
  })

  it('take an empty variable for one that is not set', async () => {
    configure({ store: 'memory:', keys: 'plaintext' })
    const settings = await loadSettings({}, { KEELSTATE_STORE: '', KEELSTATE_KEYS: ' , ' }, inner)
    expect(settings.store?.origin.from).toBe('file')
    expect(settings.keys?.origin.from).toBe('file')
  })

  it("do not put one store's id on another store that a flag or variable names", async () => {
    configure({ store: 'file:./state', keys: 'plaintext', storeId: STORE_ID })
    expect((await loadSettings({ store: 'file:./other' }, {}, folder)).storeId).toBeUndefined()
    expect((await loadSettings({}, { KEELSTATE_STORE: 's3://b/p' }, folder)).storeId).toBeUndefined()
    expect((await loadSettings({ store: 'file:state' }, {}, folder)).storeId?.value).toBe(STORE_ID)
  })

  it('name the nearest known one when a member of keelstate.json is unknown', async () => {
    configure({ sotre: 'file:x' })
    await expect(loadSettings({}, {}, inner)).rejects.toMatchObject({
      code: 'InvalidOptions',
      message: `${join(folder, 'keelstate.json')}: "sotre" is not a setting; the nearest is store.`,
    })
  })

  it('refuse a variable that is nearly one of ours, unless a key is read from it', async () => {
    const env = { KEELSTATE_KEY: 'secret' }
    const refused = expect(loadSettings({}, env, inner)).rejects
    await refused.toMatchObject({
      code: 'InvalidOptions',
      message: expect.stringContaining('the nearest is KEELSTATE_KEYS'),
    })
    await refused.not.toMatchObject({ message: expect.stringContaining('secret') })
    await expect(loadSettings({ key: ['env:KEELSTATE_KEY'] }, env, inner)).resolves.toBeDefined()
    await expect(loadSettings({}, { KEELSTATE_BUCKET_OF_OURS: 'x' }, inner)).resolves.toEqual({})
  })

  it.each([
    ['{', 'is not JSON'],
    ['[]', 'is no JSON object'],
    ['{"store":5}', '"store" must be an address'],
    ['{"keys":[""]}', '"keys" must be a key'],
    ['{"keys":[1]}', '"keys" must be a key'],
    ['{"storeId":"abc"}', '"storeId" must be 32 hex digits'],
    ['{"lock":""}', '"lock" must be "store" or an address'],
    ['{"cache":false}', '"cache" must be "off" or a folder'],
  ])('refuse the file %s', (text, why) => {
    expect(() => parseConfiguration(text, '/x/keelstate.json')).toThrow(why)
  })

  it('never quote a file that is not JSON, which may hold what it should not', () => {
    expect(() => parseConfiguration('hunter2', '/x/keelstate.json')).not.toThrow('hunter2')
  })
})

describe('the configuration file', () => {
  it('is described by keelstate.schema.json member by member', () => {
    expect(Object.keys(schema.properties).sort()).toEqual(['$schema', ...FILE_SETTINGS].sort())
    const check = z.fromJSONSchema(schema)
    const good = [
      { store: 'file:./state', keys: ['env:STATE_KEY'], storeId: STORE_ID },
      { store: 's3://b/p', keys: 'plaintext' },
      { store: 's3://b/p', lock: 'dynamodb://acme-locks?region=eu-west-1', keys: ['aws-kms:alias/acme-state'] },
      { store: 's3://b/p', cache: 'off' },
      {
        store: 'gs://b/p',
        keys: ['gcp-kms:projects/acme-prod/locations/europe-west1/keyRings/keelstate/cryptoKeys/state'],
      },
      {},
    ]
    for (const one of good) expect(check.safeParse(one).success, JSON.stringify(one)).toBe(true)
    const bad = [
      { stor: 'x' },
      { store: 'ftp://x' },
      { keys: 'hunter2' },
      { keys: [] },
      { storeId: 'xyz' },
      { lock: 's3://x' },
    ]
    for (const one of bad) expect(check.safeParse(one).success, JSON.stringify(one)).toBe(false)
  })

  it('is written so that it is read back and fits its schema, and is never replaced', async () => {
    const path = join(folder, 'keelstate.json')
    const content = { store: 'file:./state', keys: ['file:state.key'], storeId: STORE_ID }
    await writeConfiguration(path, content)
    const text = readFileSync(path, 'utf8')
    expect(parseConfiguration(text, path)).toEqual({ path, ...content })
    expect(z.fromJSONSchema(schema).safeParse(JSON.parse(text)).success).toBe(true)
    await expect(writeConfiguration(path, content)).rejects.toMatchObject({ code: 'EEXIST' })
  })
})

describe('what is shown of settings', () => {
  it('is an address without user, password, or parameters that are named like a secret', () => {
    expect(redactAddress('s3://AKIA:hunter2@bucket/p?region=eu')).toBe('s3://***@bucket/p?region=eu')
    expect(redactAddress('s3://bucket/p?secretKey=hunter2&region=eu')).toBe('s3://bucket/p?secretKey=***&region=eu')
    expect(redactAddress('s3://b/p?endpoint=http%3A%2F%2Fu%3Ahunter2%40h%3A9000')).not.toContain('hunter2')
    expect(redactAddress('s3://b/p?endpoint=http://u:hunter2@h:9000')).toBe('s3://b/p?endpoint=http://***@h:9000')
    expect(redactAddress('file:/home/a@b//c@d/state')).toBe('file:/home/a@b//c@d/state')
  })

  it('is a key as it was configured, and nothing of one that is no known form', () => {
    for (const key of ['env:STATE_KEY', 'file:./state.key', 'passphrase:env:PASS', 'plaintext'])
      expect(redactKey(key)).toBe(key)
    expect(redactKey('passphrase:hunter2')).toBe('passphrase:***')
    expect(redactKey('env:aGVsbG8=')).toBe('env:***')
    expect(redactKey('aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGU=')).toBe('***')
  })
})
