import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Encrypter, envKey, noop } from '../../src/deployments/index.ts'

const key = randomBytes(32).toString('base64')
const open = (text: string | undefined = key): Encrypter => envKey('STATE_KEY', { variables: { STATE_KEY: text } })
const plain = Buffer.from('{"format-version":1}\n')

describe('encrypters', () => {
  it('noop passes bytes through', async () => {
    expect(await noop.encrypt(plain)).toEqual(plain)
    expect(await noop.decrypt(plain)).toEqual(plain)
  })

  it('env-key opens what it sealed, and nothing of it is in clear', async () => {
    const sealed = await open().encrypt(plain)
    expect(sealed.length).toBe(12 + plain.length + 16)
    expect(Buffer.from(sealed).includes('format-version')).toBe(false)
    expect(Buffer.from(await open().decrypt(sealed))).toEqual(plain)
  })

  it('env-key takes a fresh nonce each time', async () => {
    const encrypter = open()
    const nonces = await Promise.all(
      Array.from({ length: 50 }, async () => Buffer.from(await encrypter.encrypt(plain)).toString('hex', 0, 12)),
    )
    expect(new Set(nonces).size).toBe(50)
  })

  it('env-key refuses every changed byte, a cut and another key', async () => {
    const sealed = Buffer.from(await open().encrypt(plain))
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed)
      changed[i]! ^= 1
      await expect(open().decrypt(changed)).rejects.toMatchObject({ code: 'DecryptFailed' })
      await expect(open().decrypt(sealed.subarray(0, i))).rejects.toMatchObject({ code: 'DecryptFailed' })
    }
    await expect(open(randomBytes(32).toString('base64')).decrypt(sealed)).rejects.toMatchObject({
      code: 'DecryptFailed',
    })
  })

  it('env-key takes its key from the environment of the process when nothing else is said', async () => {
    process.env.KEELSTATE_TEST_STATE_KEY = key
    try {
      const sealed = await envKey('KEELSTATE_TEST_STATE_KEY').encrypt(plain)
      expect(Buffer.from(await open().decrypt(sealed))).toEqual(plain)
    } finally {
      delete process.env.KEELSTATE_TEST_STATE_KEY
    }
    expect(() => envKey('KEELSTATE_TEST_STATE_KEY')).toThrow(/is not set/)
  })

  it('no key is in an error or in what inspect shows', () => {
    const odd = `${key}!`
    expect(() => open(odd)).toThrow(expect.objectContaining({ message: expect.not.stringContaining(key.slice(0, 8)) }))
    expect(inspect(open(), { depth: 9, showHidden: true })).not.toContain(key.slice(0, 8))
  })
})
