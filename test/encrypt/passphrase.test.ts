import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { makeSealer, PassphraseProvider } from '../../src/encrypt/index.ts'
import { KeySealer } from '../../src/encrypt/sealer.ts'
import * as byHand from './by-hand.ts'
import { PASSPHRASE, refusal, SALT, SCOPE, STORE_ID, verdict } from './fixtures.ts'

const BY_HAND = { storeId: STORE_ID, kind: SCOPE.kind, name: SCOPE.path }
const CHEAP = { storeSalt: SALT, log2N: 14, r: 8, p: 1 }
const noMarker = () => Promise.reject(new Error('reading must not ask for the marker'))

function entry(passphrase: string, cost: Partial<typeof CHEAP> = {}, dataKey: Buffer = randomBytes(32)) {
  return {
    dataKey,
    wrapped: byHand.wrapPassphrase(passphrase, { ...CHEAP, ...cost }, randomBytes(24), dataKey, BY_HAND),
  }
}

/** The entry of `wrapped`, asking for other scrypt parameters; nothing of it is ever derived. */
function asking(wrapped: byHand.Recipient, ...parameters: number[]): byHand.Recipient {
  const bytes = Buffer.from(wrapped.wrapped)
  bytes.set(parameters)
  return { ...wrapped, wrapped: bytes }
}

describe('a passphrase', () => {
  const provider = (passphrase: string) => new PassphraseProvider({ passphrase, salt: noMarker })

  it('opens what was wrapped under other scrypt parameters, without asking for the marker', async () => {
    for (const cost of [{}, { log2N: 15 }, { r: 1 }, { r: 32 }, { p: 3 }, { storeSalt: Buffer.alloc(16, 1) }]) {
      const { dataKey, wrapped } = entry(PASSPHRASE, cost)
      expect(Buffer.from(await provider(PASSPHRASE).unwrap(wrapped, SCOPE))).toEqual(dataKey)
    }
  })

  it('wraps with N = 2^17, r = 8, p = 1 under the salt of the store', async () => {
    const dataKey = randomBytes(32)
    const writer = new PassphraseProvider({ passphrase: PASSPHRASE, salt: async () => SALT })
    const wrapped = await writer.wrap(dataKey, SCOPE)
    expect([...wrapped.wrapped.subarray(0, 4)]).toEqual([1, 17, 8, 1])
    expect(Buffer.from(wrapped.wrapped.subarray(4, 20))).toEqual(SALT)
    const recipient = { ...wrapped, wrapped: Buffer.from(wrapped.wrapped) }
    const header = { ...BY_HAND } as byHand.ReadHeader
    expect(byHand.unwrap(recipient, PASSPHRASE, header)).toEqual(dataKey)
  })

  it('that is wrong is said to be another key, not a damaged document', async () => {
    const { wrapped } = entry(PASSPHRASE)
    expect(await verdict(provider('five random words haufig enough').unwrap(wrapped, SCOPE))).toBe(
      'DecryptFailed keyId',
    )
    const sealer = makeSealer(['passphrase:env:P'], { salt: noMarker, variables: { P: 'not that passphrase' } })
    const error = await refusal(sealer.unwrap(SCOPE, byHand.writeKeyTable([wrapped]), Buffer.alloc(16, 1)))
    expect(error.code).toBe('DecryptFailed')
    expect(error.message).toContain(`Its keys: passphrase ${wrapped.keyId}. Configured: passphrase:env:P.`)
    expect(error.message).not.toContain('not that passphrase')
  })

  it('is the same however its accents were typed', async () => {
    const { dataKey, wrapped } = entry('caf\u00e9 f\u00fcr f\u00fcnf Freunde')
    const decomposed = 'cafe\u0301 fu\u0308r fu\u0308nf Freunde'
    expect(Buffer.from(await provider(decomposed).unwrap(wrapped, SCOPE))).toEqual(dataKey)
  })

  it('finds its entry among those of other passphrases', async () => {
    const dataKey = randomBytes(32)
    const entries = ['one other passphrase', 'another one still', PASSPHRASE].map(
      (text) => entry(text, {}, dataKey).wrapped,
    )
    const keys = await new KeySealer([provider(PASSPHRASE)]).unwrap(
      SCOPE,
      byHand.writeKeyTable(entries),
      byHand.dataKeyId(dataKey),
    )
    expect(Buffer.from(keys.keyId)).toEqual(byHand.dataKeyId(dataKey))
  })

  it('shorter than 12 characters makes no documents, but reads those that were made', async () => {
    const writer = new PassphraseProvider({
      passphrase: 'elf Zeichen',
      salt: async () => SALT,
      address: 'passphrase:env:P',
    })
    const error = await refusal(writer.wrap(randomBytes(32), SCOPE))
    expect(error.code).toBe('InvalidOptions')
    expect(error.message).toBe('passphrase:env:P has less than 12 characters, too few for new documents.')
    const { dataKey, wrapped } = entry('elf Zeichen')
    expect(Buffer.from(await writer.unwrap(wrapped, SCOPE))).toEqual(dataKey)
  })

  it('in a variable that is not set or empty is a missing setting', async () => {
    const { wrapped } = entry(PASSPHRASE)
    const table = byHand.writeKeyTable([wrapped])
    for (const variables of [{}, { P: '' }]) {
      const sealer = makeSealer(['passphrase:env:P'], { salt: async () => SALT, variables })
      for (const work of [sealer.create(SCOPE), sealer.unwrap(SCOPE, table, Buffer.alloc(16, 1))]) {
        const error = await refusal(work)
        expect(error.code).toBe('InvalidOptions')
        expect(error.message).toMatch(/variable P is (not set|empty)/)
      }
    }
  })

  it('that could not be had is asked for again', async () => {
    const { dataKey, wrapped } = entry(PASSPHRASE)
    const variables: Record<string, string> = {}
    const sealer = makeSealer(['passphrase:env:P'], { salt: noMarker, variables })
    const unwrap = () => sealer.unwrap(SCOPE, byHand.writeKeyTable([wrapped]), byHand.dataKeyId(dataKey))
    expect(await verdict(unwrap())).toBe('InvalidOptions')
    variables.P = PASSPHRASE
    expect((await unwrap()).keyId).toHaveLength(16)
  })

  it('is stretched once per store and process, however many documents are opened at once', async () => {
    let asked = 0
    const reader = new PassphraseProvider({
      passphrase: async () => {
        asked += 1
        return PASSPHRASE
      },
      salt: noMarker,
    })
    const entries = Array.from({ length: 10 }, () => entry(PASSPHRASE))
    const opened = await Promise.all(entries.map(({ wrapped }) => reader.unwrap(wrapped, SCOPE)))
    for (const [at, { dataKey }] of entries.entries()) expect(Buffer.from(opened[at]!)).toEqual(dataKey)
    expect(asked).toBe(1)
  })

  it('is not stretched with parameters out of bounds, whatever the bucket asks for', async () => {
    let asked = 0
    const reader = new PassphraseProvider({
      passphrase: async () => {
        asked += 1
        return PASSPHRASE
      },
      salt: noMarker,
    })
    const { wrapped } = entry(PASSPHRASE)
    const impossible: [number, number, number][] = [
      [13, 8, 1], // N too small
      [21, 8, 1],
      [255, 8, 1],
      [0, 8, 1],
      [17, 0, 1],
      [17, 33, 1],
      [17, 8, 0],
      [14, 8, 17],
      [20, 8, 1], // 1 GiB of memory
      [18, 32, 1],
      [18, 8, 16], // N × r × p = 2^25
    ]
    for (const [log2N, r, p] of impossible) {
      const error = await refusal(reader.unwrap(asking(wrapped, 1, log2N, r, p), SCOPE))
      expect(error).toMatchObject({ code: 'Corrupt', key: 'heads/state/shop/prod/~', details: { differs: 'keyTable' } })
      expect(error.message).toContain(`N = 2^${log2N}, r = ${r}, p = ${p}`)
    }
    expect(asked).toBe(0)
  })

  it('stretched by argon2id, or by a function yet unknown, is refused by name', async () => {
    const { wrapped } = entry(PASSPHRASE)
    const argon = await refusal(provider(PASSPHRASE).unwrap(asking(wrapped, 2), SCOPE))
    expect(argon.code).toBe('Unsupported')
    expect(argon.message).toContain('argon2id')
    const unknown = await refusal(provider(PASSPHRASE).unwrap(asking(wrapped, 9), SCOPE))
    expect(unknown.code).toBe('Unsupported')
    expect(unknown.message).toContain('number 9')
  })

  it('needs a salt of 16 bytes in the store’s marker', async () => {
    const writer = new PassphraseProvider({ passphrase: PASSPHRASE, salt: async () => Buffer.alloc(15) })
    expect(await refusal(writer.wrap(randomBytes(32), SCOPE))).toMatchObject({
      code: 'Corrupt',
      details: { subject: 'store', differs: 'salt' },
    })
  })
})
