import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { makeSealer, parseKey, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import { headOf, KEY, OTHER_KEY, readHead, refusal, SALT, SCOPE, sealerFor } from './fixtures.ts'

function thrown(work: () => unknown): KeelstateError {
  try {
    work()
  } catch (error) {
    if (KeelstateError.is(error)) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('the address of a key', () => {
  it('names a variable, a file, a passphrase in a variable, or plaintext', () => {
    expect(parseKey('env:STATE_KEY')).toEqual({
      type: 'static',
      address: 'env:STATE_KEY',
      source: { from: 'env', name: 'STATE_KEY' },
    })
    expect(parseKey('file:/etc/keys/state')).toEqual({
      type: 'static',
      address: 'file:/etc/keys/state',
      source: { from: 'file', path: '/etc/keys/state' },
    })
    expect(parseKey('file:C:\\keys\\state.key')).toMatchObject({
      source: { from: 'file', path: 'C:\\keys\\state.key' },
    })
    expect(parseKey('passphrase:env:_p1')).toEqual({
      type: 'passphrase',
      address: 'passphrase:env:_p1',
      variable: '_p1',
    })
    expect(parseKey('plaintext')).toEqual({ type: 'plaintext', address: 'plaintext' })
  })

  it('that is none is refused with the choices, and without repeating what may be a secret', () => {
    const keys = [
      KEY.toString('base64'),
      KEY.toString('base64').replace('=', ''),
      KEY.toString('base64url'),
      KEY.toString('hex'),
    ]
    const passphrases = ['correct horse battery staple', 'hunter2-hunter2']
    const refusedWith = (form: string, secret: string) => {
      const error = thrown(() => parseKey(form + secret))
      expect(error.code).toBe('InvalidOptions')
      assertHides(everythingShown(error), [secret], `${form} error`)
    }
    for (const form of ['', 'env:', 'passphrase:', 'passphrase:env:', 'static:', 'key:', 'ENV:', ' ']) {
      for (const secret of [...keys, ...passphrases]) refusedWith(form, secret)
    }
    for (const key of keys) refusedWith('file:', key)
    expect(thrown(() => parseKey('STATE_KEY')).message).toContain('env:NAME')
    for (const text of [
      '',
      ':',
      'env:',
      'env:A B',
      'env:1A',
      'env:A-B',
      'file:',
      'file:\0',
      'passphrase:',
      'passphrase:file:x',
      'x:y',
    ]) {
      expect(thrown(() => parseKey(text)).code, text).toBe('InvalidOptions')
    }
  })

  it('of a long name is not mistaken for a key', () => {
    const name = 'ACME_PRODUCTION_DEPLOYMENT_STATE_ENCRYPTION'
    expect(name).toHaveLength(43)
    expect(parseKey(`env:${name}`)).toMatchObject({ source: { name } })
    const path = '/home/Deploy/keys/production/state/keyfile1'
    expect(path).toHaveLength(43)
    expect(parseKey(`file:${path}`)).toMatchObject({ source: { path } })
  })
})

describe('the configured keys', () => {
  const options = { salt: async () => SALT, variables: {} }

  it('of which there is none are an error that lists the choices', () => {
    const error = thrown(() => makeSealer([], options))
    expect(error).toMatchObject({ code: 'InvalidOptions', details: { option: 'keys' } })
    for (const choice of ['env:NAME', 'file:PATH', 'passphrase:env:NAME', 'plaintext'])
      expect(error.hint).toContain(choice)
  })

  it('may not mix plaintext with another, and may not exceed what a key table holds', () => {
    expect(thrown(() => makeSealer(['env:A', 'plaintext'], options)).message).toMatch(
      /`plaintext` is configured beside other keys/,
    )
    const provider = new StaticKeyProvider({ key: KEY })
    expect(thrown(() => makeSealer(['plaintext', provider], options)).code).toBe('InvalidOptions')
    const many = Array.from({ length: 17 }, (_, n) => `env:KEY_${n}`)
    expect(thrown(() => makeSealer(many, options)).message).toMatch(/^17 keys/)
  })

  it('may be providers of one’s own beside addresses', async () => {
    const made = await makeSealer([new StaticKeyProvider({ key: OTHER_KEY }), 'env:K'], {
      ...options,
      variables: { K: KEY.toString('base64') },
    }).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), Buffer.from('x'))
    for (const key of ['env:STATE_KEY', 'env:OTHER_KEY'])
      expect((await readHead(sealerFor([key]), bytes)).length).toBe(1)
  })

  it('are read at first use and not before', async () => {
    const variables: Record<string, string> = {}
    const sealer = makeSealer(['env:LATER'], { ...options, variables })
    expect((await refusal(sealer.create(SCOPE))).message).toContain('LATER is not set')
    variables.LATER = `${KEY.toString('base64')}\n`
    expect((await sealer.create(SCOPE)).keyId).toHaveLength(16)
  })

  it('show no byte of themselves when inspected', async () => {
    const sealer = sealerFor(['env:STATE_KEY', 'env:OTHER_KEY'])
    await sealer.create(SCOPE)
    assertHides(everythingShown(sealer), [KEY, OTHER_KEY], 'the sealer')
    assertHides(everythingShown(new StaticKeyProvider({ key: KEY })), [KEY], 'the provider')
  })
})

describe('a static key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keelstate-keys-'))

  function keyFile(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = join(folder, name)
    writeFileSync(path, content)
    chmodSync(path, mode)
    return path
  }

  async function open(address: string, variables = {}): Promise<string> {
    const made = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), Buffer.from('opened'))
    const sealer = makeSealer([address], { salt: async () => SALT, variables })
    return Buffer.from(await readHead(sealer, bytes)).toString()
  }

  it('is read from a variable or a file, in base64 or raw', async () => {
    const text = KEY.toString('base64')
    expect(await open('env:K', { K: text })).toBe('opened')
    expect(await open('env:K', { K: ` ${text.replace('=', '')}\n` })).toBe('opened')
    expect(await open(`file:${keyFile('base64', `${text}\n`)}`)).toBe('opened')
    expect(await open(`file:${keyFile('crlf', `${text}\r\n`)}`)).toBe('opened')
    expect(await open(`file:${keyFile('raw', KEY)}`)).toBe('opened')
    symlinkSync(keyFile('target', text), join(folder, 'link'))
    expect(await open(`file:${join(folder, 'link')}`)).toBe('opened')
  })

  it('that is no 32 bytes of base64 is refused, and not repeated', async () => {
    const bad: [string, RegExp][] = [
      ['not base64 at all!', /it is not base64/],
      [Buffer.alloc(32, 0xfb).toString('base64url'), /it is not base64/],
      [KEY.subarray(1).toString('base64'), /holds 31 bytes instead of 32/],
      [Buffer.concat([KEY, KEY]).toString('base64'), /holds 64 bytes instead of 32/],
      [KEY.toString('hex'), /holds 48 bytes instead of 32/],
      [`${KEY.toString('base64')}${KEY.toString('base64')}`, /it is not base64/],
      [`${KEY.toString('base64').slice(0, 20)}\n${KEY.toString('base64').slice(20)}`, /it is not base64/],
      ['0123456789abcdef0123456789abcdef', /holds 24 bytes instead of 32/],
      ['   ', /holds 0 bytes/],
    ]
    for (const [value, says] of bad) {
      for (const [address, variables] of [
        ['env:K', { K: value }],
        [`file:${keyFile('bad', value)}`, {}],
      ] as const) {
        const error = await refusal(open(address, variables))
        expect(error).toMatchObject({ code: 'InvalidOptions', details: { option: 'keys' } })
        expect(error.message).toMatch(says)
        if (value.length > 8) assertHides(everythingShown(error), [value, KEY], 'an error')
      }
    }
    expect(() => new StaticKeyProvider({ key: Buffer.alloc(31), address: 'mine' })).toThrow(/mine has 31 bytes/)
  })

  it('in a file that others may use is refused with the command that mends it, where files have modes', async () => {
    for (const mode of [0o640, 0o604, 0o644, 0o620, 0o601]) {
      const path = keyFile('open', KEY.toString('base64'), mode)
      if (process.platform === 'win32') {
        expect(await open(`file:${path}`)).toBe('opened')
        continue
      }
      const error = await refusal(open(`file:${path}`))
      expect(error.code).toBe('InvalidOptions')
      expect(error.message).toContain(`mode ${mode.toString(8)}`)
      expect(error.hint).toBe(`chmod 600 ${path}`)
    }
    for (const mode of [0o600, 0o400, 0o700])
      expect(await open(`file:${keyFile(`ok-${mode}`, KEY, mode)}`)).toBe('opened')
  })

  it('in a file that is missing, a folder or too large is refused by what is wrong', async () => {
    mkdirSync(join(folder, 'folder'), { mode: 0o700 })
    const cases: [string, RegExp][] = [
      [join(folder, 'missing'), /the file does not exist/],
      [join(folder, 'base64', 'below-a-file'), /the file does not exist/],
      [join(folder, 'folder'), /it is a folder/],
      [keyFile('large', Buffer.alloc(5_000, 'A')), /larger than 4096 bytes/],
    ]
    for (const [path, says] of cases) {
      const error = await refusal(open(`file:${path}`))
      expect(error.code).toBe('InvalidOptions')
      expect(error.message).toMatch(says)
    }
  })
})
